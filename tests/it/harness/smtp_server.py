"""A mail relay for tests: aiosmtpd with STARTTLS and login, on a port of its own choosing.

The recipient's left part says how it behaves:
  busy     450 at RCPT            nobody   550 at RCPT
  later    451 after the letter   spam     554 after the letter
  drop     takes the letter, then closes the line without a word
  silent   takes the letter, then says nothing
Whatever it took, answered or not, lies in the directory as <n>.eml with <n>.json beside it. The first line on stdout is
the port. It ends when its stdin does.
"""

import asyncio
import json
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

directory, certificate, key, user, password, starttls = sys.argv[1:7]
directory = pathlib.Path(directory)
taken = 0


def who(address):
    return address.split("@")[0]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if who(address) == "busy":
            return "450 4.2.1 mailbox busy, try later"
        if who(address) == "nobody":
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server, session, envelope):
        global taken
        names = {who(a) for a in envelope.rcpt_tos}
        if "later" in names:
            return "451 4.3.0 try later"
        if "spam" in names:
            return "554 5.7.1 looks like spam"
        taken += 1
        (directory / f"{taken}.eml").write_bytes(envelope.original_content)
        facts = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": session.ssl is not None, "login": session.auth_data}
        (directory / f"{taken}.json").write_text(json.dumps(facts))
        if "drop" in names:
            server.transport.abort()
            return "250 nobody hears this"
        if "silent" in names:
            await asyncio.sleep(3600)
        return f"250 2.0.0 queued as {taken}"


def authenticate(server, session, envelope, mechanism, data):
    good = (data.login.decode(), data.password.decode()) == (user, password)
    return AuthResult(success=good, handled=False, auth_data=data.login.decode() if good else None)


async def main():
    context = None
    if starttls == "yes":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)

    def session():
        return SMTP(
            Handler(), hostname="relay.test", tls_context=context, require_starttls=context is not None,
            authenticator=authenticate, auth_required=context is not None, auth_require_tls=True,
        )

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
