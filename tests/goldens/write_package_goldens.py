#!/usr/bin/env python3
"""Writes the goldens of the packed, labelled profile (P3) into bank-formats/, from its table alone; shares nothing with src/."""

import hashlib
import io
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "bank-formats/labelled-versioned-hybrid/samples"
STEM = "LS0001_20190314_0001"
# seq, name, identity number, account, bank code, fen, mobile
PEOPLE = [
    (1, "王五", "511181199001012018", "6217001234567890014", "102665000015", 12345, "13800138001"),
    (2, "王珅", "511102198506150125", "6217001234567890022", "102665000015", 5, ""),
    (3, "阿牛·木呷", "511132197709300334", "6217001234567890030", "402665100012", 100000, "13900139003"),
    (4, "欧阳億", "", "6217001234567890048", "402665100012", 6000, ""),
    (5, "吉克·伍呷莫·阿依子史", "511133200102285044", "621700123456789", "402665100012", 99999999, "13700137005"),
]
TOTAL = sum(p[5] for p in PEOPLE)


def yuan(fen):
    return f"{fen // 100}.{fen % 100:02d}"


def put(name, data):
    (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
    (ROOT / name).write_bytes(data)


def packed(*members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in members:
            package.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def control(text, upper=False):
    md5 = hashlib.md5(text).hexdigest()
    return f"count={len(PEOPLE)}\namount={yuan(TOTAL)}\nmd5={md5.upper() if upper else md5}\n".encode()


request = f"单位编号：LS0001;version=1.2\n"
for seq, name, ident, account, bank, fen, mobile in PEOPLE:
    row = ["0001", str(seq), "", "0", "1", account, yuan(fen), name, "1" if ident else "", ident] + [""] * 6 + [mobile, "0"]
    request += "|".join(row + [bank, "", "耕地补贴", ""]) + "\n"
# The second byte of some names is the delimiter: it is no delimiter.
request = request.encode("gbk")
put(f"request/{STEM}.zip", packed((f"{STEM}.txt", request)))
put(f"request/{STEM}.ctl", f"file={STEM}.zip\n".encode() + control(request))


def result(answers):
    out = "单位编号：LS0001\r\n\r\n".encode("gbk")
    for (seq, name, ident, account, _, fen, _), (status, paid, code, words) in zip(PEOPLE, answers):
        cells = ["1".rjust(16, "0").encode(), f"{seq:07d}".encode(), account.ljust(19).encode(), ident.ljust(20).encode()]
        cells += [name.encode("gbk").ljust(42), yuan(fen).rjust(13, "0").encode(), yuan(paid).rjust(13, "0").encode()]
        cells += [b"20190315" if paid else b" " * 8, status.encode(), code.ljust(7).encode(), words.encode("gbk").ljust(40)]
        out += b"|".join(cells) + b"\n"
    return out


answers = [("1", 12345, "", ""), ("2", 0, "TPM0551", "户名不符"), ("1", 60000, "", "部分入账"), ("0", 0, "", ""), ("2", 0, "ACR2938", "")]
text = result(answers)
put(f"result/{STEM}_RT", packed((f"{STEM}_RT", text), ("readme.txt", b"x")))
put(f"result/{STEM}_RT.ctl", control(text, upper=True))
put(f"result-plain/{STEM}_RT", text)
put(f"result-plain/{STEM}_RT.ctl", control(text))
put(f"result-altered-quarantine/{STEM}_RT", packed((f"{STEM}_RT", text.replace(b"TPM0551", b"TPM0552"))))
put(f"result-altered-quarantine/{STEM}_RT.ctl", control(text))
