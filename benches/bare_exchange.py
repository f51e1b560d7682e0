#!/usr/bin/env python3
"""The bare exchange as a good script does it: COPY out, a fixed-width file, SFTP; and back, COPY in, an update.

It checks nothing, keeps no history, books nothing. `cargo bench --bench scale` measures the product against it. Prints two
numbers: milliseconds from the database to the bank's folder, and from there back to the database.
"""

import argparse
import time

import paramiko
import psycopg


def main():
    options = argparse.ArgumentParser()
    for name in ("url", "port", "user", "key", "scratch"):
        options.add_argument(f"--{name}", required=True)
    o = options.parse_args()
    db = psycopg.connect(o.url)
    request, result = f"{o.scratch}/bare.dat", f"{o.scratch}/bare.res"

    start = time.monotonic()
    columns = "seq, reference, amount_fen, bank_code, account, payee_name, remark, mobile"
    with db.cursor() as cursor, open(request, "wb", buffering=1 << 20) as out:
        with cursor.copy(f"copy (select {columns} from source order by id) to stdout") as rows:
            rows.set_types(["int8", "text", "int8", "text", "text", "text", "text", "text"])
            for seq, reference, fen, bank, account, name, remark, mobile in rows.rows():
                out.write(
                    b"%08d%-32b%016d01%-14b%-32b%-120b%-120b%228b\n"
                    % (seq, reference.encode(), fen, bank.encode(), account.encode(), name.encode("gbk"), f"{remark};{mobile}".encode("gbk"), b"")
                )
    sftp = connect(o)
    sftp.put(request, "floor/bare.part", confirm=True)
    sftp.rename("floor/bare.part", "floor/bare.dat")
    out_ms = round((time.monotonic() - start) * 1000)

    # The bank's part, not measured: every fiftieth failed.
    with open(request, "rb") as lines, open(result, "wb", buffering=1 << 20) as out:
        for at, line in enumerate(lines):
            out.write(line[:344] + (b"CB1004  " if at % 50 == 0 else b"00000000") + line[352:])
    sftp.put(result, "floor/bare.res")

    start = time.monotonic()
    # Unbounded, each read searches all the pieces that have come: quadratic.
    sftp.get("floor/bare.res", f"{o.scratch}/bare.back", prefetch=True, max_concurrent_prefetch_requests=64)
    with db.cursor() as cursor, open(f"{o.scratch}/bare.back", "rb") as lines:
        with cursor.copy("copy answered (reference, code, fen) from stdin") as rows:
            for line in lines:
                rows.write_row((line[8:40].decode("ascii").strip(), line[344:352].decode("ascii").strip(), int(line[40:56])))
        cursor.execute("alter table source add column if not exists state text")
        cursor.execute(
            "update source s set state = case when a.code = '00000000' then 'paid' else 'failed' end from answered a where a.reference = s.reference"
        )
    db.commit()
    print(out_ms, round((time.monotonic() - start) * 1000))


def connect(o):
    transport = paramiko.Transport(("127.0.0.1", int(o.port)))
    transport.default_window_size = 1 << 27
    transport.connect(username=o.user, pkey=paramiko.Ed25519Key.from_private_key_file(o.key))
    return paramiko.SFTPClient.from_transport(transport)


if __name__ == "__main__":
    main()
