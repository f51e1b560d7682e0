"""A bank's SFTP server that errs as it is told: sits between sshd and OpenSSH's own sftp-server and answers some requests itself.

Called as: sftp_faults.py RULES ROOT SERVER. RULES is read anew at every request, one rule a line: `operation how [words]`.
How: a status code (3 permission denied, 4 failure): answered so and not done; `CODE!`: done, and answered so; `lose`: answered with
success and not done; `cut`: done, and the session ends without an answer. A rule with words is only for paths that contain them.
"""
import os
import struct
import subprocess
import sys
import threading

RULES, ROOT, SERVER = sys.argv[1:4]
NAMES = {3: "open", 4: "close", 6: "write", 7: "stat", 8: "stat", 11: "opendir", 12: "readdir", 13: "remove", 14: "mkdir", 17: "stat", 18: "rename"}
server = subprocess.Popen([SERVER, "-d", ROOT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
out = threading.Lock()
opening, paths, instead = {}, {}, {}


def packet(stream):
    head = stream.read(4)
    body = stream.read(struct.unpack(">I", head)[0]) if len(head) == 4 else b""
    return body or None


def text(body, at):
    length = struct.unpack(">I", body[at:at + 4])[0]
    return body[at + 4:at + 4 + length], at + 4 + length


def answer(body):
    with out:
        sys.stdout.buffer.write(struct.pack(">I", len(body)) + body)
        sys.stdout.buffer.flush()


def status(number, code):
    words = b"as it was told to"
    return b"\x65" + number + struct.pack(">II", code, len(words)) + words + struct.pack(">I", 0)


def rule(name, path):
    with open(RULES) as rules:
        for line in rules:
            operation, how, *words = line.split(maxsplit=2)
            if operation == name and (not words or words[0].strip().encode() in path):
                return how
    return ""


def back():
    while body := packet(server.stdout):
        number = body[1:5]
        if body[0] == 102 and number in opening:
            paths[text(body, 5)[0]] = opening.pop(number)
        how = instead.pop(number, None)
        if how == "cut":
            os._exit(1)
        answer(body if how is None else status(number, how))
    os._exit(0)


threading.Thread(target=back, daemon=True).start()
while body := packet(sys.stdin.buffer):
    kind, number = body[0], body[1:5]
    name = NAMES.get(kind, "")
    if kind == 200:
        extended, at = text(body, 5)
        name, body_path = {b"fsync@openssh.com": "fsync", b"posix-rename@openssh.com": "rename"}.get(extended, ""), text(body, at)[0]
        path = paths.get(body_path, body_path)
    elif kind > 2:
        path = text(body, 5)[0]
        path = paths.get(path, path)
    else:
        path = b""
    if kind in (3, 11):
        opening[number] = path
    # A directory's handle is not a file's.
    how = "" if name == "close" and path not in paths.values() else rule(name, path) if name else ""
    if how.endswith("!"):
        instead[number] = int(how[:-1])
    elif how == "cut":
        instead[number] = how
    elif how == "lose":
        answer(status(number, 0))
        continue
    elif how:
        answer(status(number, int(how)))
        continue
    server.stdin.write(struct.pack(">I", len(body)) + body)
    server.stdin.flush()
server.stdin.close()
server.wait()
