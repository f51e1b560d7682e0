#!/usr/bin/env python3
"""Writes the golden bytes of every profile into bank-formats/<id>/samples/, from the layouts' tables alone.

It shares nothing with src/format: Python's own codecs, byte counts written out by hand. Run it by hand, from the top of the
tree, and only when a layout changes by agreement; the tests then hold the renderer and the parser to what it wrote.
All people, cards and numbers are made up.
"""

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "bank-formats"


def luhn(digits):
    total = 0
    for i, c in enumerate(reversed(digits)):
        d = int(c)
        if i % 2 == 0:
            d = d * 2 - 9 if d > 4 else d * 2
        total += d
    return str((10 - total % 10) % 10)


def reference(number):
    digits = f"{number:015d}"
    return "BG" + digits + luhn(digits)


def identity(region, birth, serial):
    body = f"{region}{birth}{serial:03d}"
    weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
    return body + "10X98765432"[sum(int(c) * w for c, w in zip(body, weights)) % 11]


# seq, reference, name, identity number, account, bank code, fen, mobile, ordinal. Names: plain; one whose second GBK byte
# is the delimiter (AB 7C); a minority name with its interpunct; one without identity number (paid by mandate); a long one.
PEOPLE = [
    (1, reference(1001), "王五", identity("511181", "19900101", 201), "6217001234567890014", "102665000015", 12345, "13800138001", 1),
    (2, reference(1002), "王珅", identity("511102", "19850615", 12), "6217001234567890022", "102665000015", 5, "", 1),
    (3, reference(1003), "阿牛·木呷", identity("511132", "19770930", 33), "6217001234567890030", "402665100012", 100000, "13900139003", 1),
    (4, reference(1004), "欧阳億", "", "6217001234567890048", "402665100012", 6000, "", 2),
    (5, reference(1005), "吉克·伍呷莫·阿依子史", identity("511133", "20010228", 504), "621700123456789", "402665100012", 99999999, "13700137005", 11),
]
TOTAL = sum(p[6] for p in PEOPLE)
DATE = "20190314"
UNIT, PAYER_BANK, PAYER, PAYER_NAME = "LS0001", "102665000015", "510601012345678901", "乐山市农业农村局"
SHORT = "耕地补贴"


def yuan(fen):
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def put(profile, name, data):
    path = ROOT / profile / "samples" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def text(value, width):
    data = value.encode("gbk")
    assert len(data) <= width, (value, width)
    return data + b" " * (width - len(data))


def number(value, width):
    data = str(value).encode()
    assert len(data) <= width
    return b"0" * (width - len(data)) + data


def split_sf():
    profile, key = "split-sf-noheader", DATE + "0001"
    request = b"".join(f"{i}|{n}|{i}|{yuan(f)}|{r}\n".encode("gbk") for _, r, n, i, _, _, f, _, _ in PEOPLE)
    put(profile, f"request/YHDF__{key}.TXT", request)

    def row(person, words=""):
        _, ref, name, ident, _, _, fen, _, _ = person
        padded = name.encode("gbk").ljust(20) + words.encode("gbk")
        return f"{ident}|".encode() + padded + f"|{ident}|{yuan(fen)}|{ref}\n".encode()

    put(profile, f"result/YHDFFK{key}_S.TXT", row(PEOPLE[0]) + row(PEOPLE[2]) + row(PEOPLE[3]))
    put(profile, f"result/YHDFFK{key}_F.TXT", row(PEOPLE[1]) + row(PEOPLE[4], ";账户已挂失"))
    put(profile, f"return/YHDFTP{key}_T.TXT", row(PEOPLE[0], ";退票:账户已销户") + row(PEOPLE[3]))
    put(profile, f"result-all-failed/YHDFFK{key}_S.TXT", b"")
    put(profile, f"result-all-failed/YHDFFK{key}_F.TXT", b"".join(row(p) for p in PEOPLE))


def fixed():
    profile, stem = "fixed-gbk-bytes", "03140001"

    def header(paid_count=None, paid=None, receipt=None):
        out = b"DFK" + text(UNIT, 14) + text(PAYER_BANK, 14) + b"BT001" + stem.encode() + b"CNY"
        out += number(len(PEOPLE), 8) + number(TOTAL, 16)
        out += b" " * 24 if paid_count is None else number(paid_count, 8) + number(paid, 16)
        out += b"00001" + DATE.encode() * 2 + text(receipt or "", 8) + text(PAYER, 32) + text(PAYER_NAME, 120)
        assert len(out) == 276, len(out)
        return out + b"\n"

    def detail(person, code="", extra="", words=""):
        seq, ref, name, _, account, bank, fen, mobile, _ = person
        out = number(seq, 8) + text(ref, 32) + number(fen, 16) + b"01" + text(bank, 14) + text(account, 32) + text(name, 120)
        out += text(SHORT + (";" + mobile if mobile else ""), 120) + text(code, 8) + text(extra, 100) + text(words, 120)
        assert len(out) == 572, len(out)
        return out + b"\n"

    trailer = (b"T" + number(len(PEOPLE), 8) + number(TOTAL, 16)).ljust(276) + b"\n"

    def flag(data):
        digest = hashlib.new("sm3", data).hexdigest()
        return f"{len(data)}|{data.count(10)}|{digest}\n".encode()

    request = header() + b"".join(detail(p) for p in PEOPLE) + trailer
    put(profile, f"request/{DATE}/{stem}.dat", request)
    put(profile, f"request/{DATE}/{stem}.dat.ok", flag(request))
    answers = [("00000000", "", "入账成功"), ("TPM055", "", "户名不符,原户名为[王坤]"), ("00000000", "20190314000000000003", ""),
               ("", "", ""), ("SB3028", "", "系统忙")]
    paid = PEOPLE[0][6] + PEOPLE[2][6]
    result = header(2, paid, "20190315") + b"".join(detail(p, *a) for p, a in zip(PEOPLE, answers)) + trailer
    put(profile, f"result/{DATE}/{stem}.dat", result)
    put(profile, f"result/{DATE}/{stem}.dat.ok", flag(result))
    asked = [PEOPLE[3], PEOPLE[4]]
    count, fen = len(asked), sum(p[6] for p in asked)
    lines = "".join(f"{p[0]}|{p[1]}|{p[6]}\n" for p in asked)
    put(profile, f"enquiry/{DATE}/{stem}.q0318", f"Q|{UNIT}|{stem}|{count}|{fen}\n{lines}".encode("gbk"))
    said = [("00000000", "入账成功"), ("", "")]
    lines = "".join(f"{p[0]}|{p[1]}|{p[6]}|{code}|{words}\n" for p, (code, words) in zip(asked, said))
    put(profile, f"enquiry-answer/{DATE}/{stem}.r0318", f"R|{UNIT}|{stem}|{count}|{fen}\n{lines}T|{count}\n".encode("gbk"))
    put(profile, f"ack/{DATE}/{stem}.ack", f"00000000|{len(PEOPLE)}|{TOTAL}|受理成功\n".encode("gbk"))
    put(profile, f"ack-refused/{DATE}/{stem}.ack", f"H019    |{len(PEOPLE)}|{TOTAL}|总金额不符\n".encode("gbk"))


def pipe():
    profile, name = "pipe-gbk-summary", "0512037"
    lines = [f"0|0|{DATE}|{UNIT}|0|0|{len(PEOPLE)}|{yuan(TOTAL)}|"]
    for seq, _, payee, ident, account, _, fen, _, ordinal in PEOPLE:
        lines.append(f"{seq}|{payee}|{yuan(fen)}|{account}|{UNIT}|{'1' if ident else ''}|{ident}|{ordinal:02d}|")
    put(profile, f"request/{DATE}/{name}", "".join(line + "\r\n" for line in lines).encode("gbk"))
    answers = [("0", "", ""), ("1", "3031", "户名不符,原户名为[王坤]"), ("0", "", "交易成功"), ("1", "", "该卡已做挂失登记"), ("1", "2001", "处理中")]
    paid = [p for p, a in zip(PEOPLE, answers) if a[0] == "0"]
    lines = [f"{len(PEOPLE)}|{yuan(TOTAL)}|{len(paid)}|{yuan(sum(p[6] for p in paid))}|"]
    for (seq, _, payee, _, account, _, fen, _, _), (status, code, words) in zip(PEOPLE, answers):
        lines.append(f"{seq}|{payee}|{yuan(fen)}|{account}|{status}|{code}|{words}|")
    put(profile, f"result/{DATE}/{name}R", "".join(line + "\r\n" for line in lines).encode("gbk"))


def statement(profile):
    entries = [
        ("20190314", "C", 200000, "", "BK0001", "", "乐山市财政局", "授权支付额度"),
        ("20190314", "D", 12345, PEOPLE[0][1], "BK0002", PEOPLE[0][4], PEOPLE[0][2], SHORT),
        ("20190314", "D", 100000, PEOPLE[2][1], "BK0003", PEOPLE[2][4], PEOPLE[2][2], SHORT),
    ]
    credits = [e[2] for e in entries if e[1] == "C"]
    debits = [e[2] for e in entries if e[1] == "D"]
    opening = -1200
    closing = opening + sum(credits) - sum(debits)
    lines = [f"H|{PAYER}|{DATE}|{DATE}|{yuan(opening)}|{yuan(closing)}|{len(entries)}"]
    lines += [f"D|{d}|{s}|{yuan(f)}|{r}|{b}|{a}|{n}|{t}" for d, s, f, r, b, a, n, t in entries]
    lines.append(f"T|{len(debits)}|{yuan(sum(debits))}|{len(credits)}|{yuan(sum(credits))}")
    put(profile, f"statement/STMT_{PAYER}_{DATE}.txt", "".join(line + "\n" for line in lines).encode())


def lists():
    """What `format try` renders: the list, and its facts."""
    facts = {"batch_no": "B20190314001", "date": "2019-03-14", "seq_no": 1, "unit_no": UNIT, "payer_account": PAYER,
             "payer_name": PAYER_NAME, "payer_bank": PAYER_BANK, "project_short": SHORT}
    rows = "".join(f"{r},{s},{n},{i},{a},{b},{yuan(f)},{m},{o}\n" for s, r, n, i, a, b, f, m, o in PEOPLE)
    for profile in sorted(p.parent.name for p in ROOT.glob("*/profile.toml")):
        if "refund" in profile:
            continue  # a form of its own, below
        put(profile, "list.csv", f"ref,seq,payee_name,id_number,account,bank_code,amount_yuan,mobile,ordinal\n{rows}".encode())
        put(profile, "list.set", "".join(f"{key}={value}\n" for key, value in facts.items()).encode())
    order = {"batch_no": "TK-2019-0001", "date": "2019-03-20", "seq_no": 1, "unit_no": UNIT, "payer_account": PAYER, "payer_name": PAYER_NAME}
    for profile in ("refund-pipe-gbk", "treasury-refund-2302"):
        put(profile, "list.set", "".join(f"{key}={value}\n" for key, value in order.items()).encode())
        row = f"{reference(1001)},1,国家金库乐山市中心支库,270100000000000013,011665000016,234.56,{SHORT},TK-2019-0001 2130122 川财农-2019-17"
        put(profile, "list.csv", f"ref,seq,payee_name,account,bank_code,amount_yuan,project,remark\n{row}\n".encode())


lists()
split_sf()
fixed()
pipe()
for each in ("split-sf-noheader", "fixed-gbk-bytes", "pipe-gbk-summary"):
    statement(each)
