#!/usr/bin/env python3
"""Writes the golden bytes of the clearing message (fixed prologue and XML), from the layout's table alone; see write_goldens.py."""

from xml.sax.saxutils import escape

from write_goldens import DATE, PAYER, PAYER_BANK, PAYER_NAME, PEOPLE, SHORT, TOTAL, put, yuan

PROFILE, STEM = "cnaps2-beps382", DATE + "00000001"
SENDER, RECEIVER = "10266500001500", "40266510001200"


def prologue(kind, sender, receiver, date, time, message, reference, way):
    text = (
        "{H:" + "02" + sender.ljust(14) + "BEPS" + receiver.ljust(14) + "BEPS" + date + time + "XML"
        + f"beps.{kind}.001.01".ljust(20) + message.ljust(20) + reference.ljust(20) + "3" + way + " " * 9 + "}##"
    )
    data = text.encode("ascii")
    assert len(data) == 132, len(data)
    return data


def element(name, *inside, **attributes):
    head = name + "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f"<{head}>" + "".join(inside) + f"</{name}>"


def leaf(name, text, **attributes):
    return element(name, escape(text), **attributes)


def document(root):
    return ('<?xml version="1.0" encoding="UTF-8"?>\n' + element("Document", root) + "\n").encode()


def request():
    head = element(
        "GrpHdr", leaf("MsgId", STEM), leaf("CreDtTm", "2019-03-14T00:00:00"), leaf("InstgPty", SENDER), leaf("InstdPty", RECEIVER),
        leaf("SysCd", "BEPS"), leaf("Rmk", "B20190314001"),
    )
    rows = "".join(
        element(
            "Tx", leaf("Purp", "08001"), leaf("TxId", f"{seq:016d}"), leaf("BrnchId", bank), element("Cdtr", leaf("Nm", name)),
            element("CdtrAcct", leaf("Id", account)), leaf("Amt", yuan(fen), Ccy="CNY"), leaf("AddtlInf", SHORT + (";" + mobile if mobile else "")),
        )
        for seq, _, name, _, account, bank, fen, mobile, _ in PEOPLE
    )
    batch = element(
        "Btch", leaf("BtchNb", "00000001"), leaf("RtrLtd", "3"), element("Dbtr", leaf("Nm", PAYER_NAME)), element("DbtrAcct", leaf("Id", PAYER)),
        element("DbtrAgt", leaf("Id", PAYER_BANK)), leaf("TtlAmt", yuan(TOTAL), Ccy="CNY"), leaf("Purp", "0800"), leaf("Nb", str(len(PEOPLE))), rows,
    )
    return prologue("382", SENDER, RECEIVER, DATE, "000000", STEM, STEM, "U") + document(element("BatchPayment", head, batch))


def tx(person, status, code="", text=""):
    seq, _, name, _, account, _, fen, _, _ = person
    said = [leaf("RjctCd", code)] if code else []
    said += [leaf("RjctInf", text)] if text else []
    return element(
        "Tx", leaf("TxId", f"{seq:016d}"), element("Cdtr", leaf("Nm", name)), element("CdtrAcct", leaf("Id", account)), leaf("Amt", yuan(fen), Ccy="CNY"),
        leaf("Sts", status), *said,
    )


def answer(centre, rows, paid):
    original = element("OrgnlGrpHdr", leaf("OrgnlMsgId", STEM), leaf("OrgnlInstgPty", SENDER), leaf("OrgnlDt", DATE))
    batch = element("Orgnl", leaf("OrgnlBtchNb", "00000001"), leaf("OrgnlTtlAmt", yuan(TOTAL)), leaf("OrgnlNb", str(len(PEOPLE))))
    sums = [leaf("SucssTtlAmt", yuan(sum(p[6] for p in paid))), leaf("SucssNb", str(len(paid)))] if rows else []
    result = element("Rslt", *sums, *rows)
    message = "2019031500000077"
    root = element("BatchReceipt", element("GrpHdr", leaf("MsgId", message)), original, batch, centre, result)
    return prologue("383", RECEIVER, SENDER, "20190315", "093011", message, STEM, "D") + document(root)


def centre(status, code="", text=""):
    said = [leaf("PrcSts", status)]
    said += [leaf("PrcCd", code)] if code else []
    said += [leaf("RjctInf", text)] if text else []
    if status == "PR04":
        said += [leaf("NetgDt", "2019-03-15"), leaf("NetgRnd", "02"), leaf("SttlmDt", "2019-03-15")]
    return element("NPCPrcInf", *said)


def enquiry():
    asked = [PEOPLE[3], PEOPLE[4]]
    original = element("OrgnlGrpHdr", leaf("OrgnlMsgId", STEM), leaf("OrgnlInstgPty", SENDER), leaf("OrgnlDt", DATE))
    rows = [element("Tx", leaf("TxId", f"{p[0]:016d}"), leaf("Amt", yuan(p[6]), Ccy="CNY")) for p in asked]
    root = element("TransactionEnquiry", original, leaf("Nb", str(len(asked))), *rows)
    put(PROFILE, f"enquiry/{DATE}/{STEM}.q0318", prologue("414", SENDER, RECEIVER, DATE, "000000", STEM, STEM, "U") + document(root))
    original = element("OrgnlGrpHdr", leaf("OrgnlMsgId", STEM), leaf("OrgnlInstgPty", SENDER))
    root = element("EnquiryReply", original, tx(PEOPLE[3], "PR00"), tx(PEOPLE[4], "PR32"))
    message = "2019031800000105"
    data = prologue("415", RECEIVER, SENDER, "20190318", "101500", message, STEM, "D") + document(root)
    put(PROFILE, f"enquiry-answer/{DATE}/{STEM}.r0318", data)


put(PROFILE, f"request/{DATE}/{STEM}.382", request())
one = [tx(PEOPLE[0], "PR00"), tx(PEOPLE[1], "PR09", "O105", "户名不符,原户名为[王坤]"), tx(PEOPLE[2], "PR00"), tx(PEOPLE[3], "PR32"),
       tx(PEOPLE[4], "PR09", "O999", "")]
put(PROFILE, f"result/{DATE}/{STEM}.383", answer(centre("PR04"), one, [PEOPLE[0], PEOPLE[2]]))
put(PROFILE, f"result-refused/{DATE}/{STEM}.383", answer(centre("PR09", "RJ00H019", "总金额不符"), [], []))
put(PROFILE, f"result-contradiction-quarantine/{DATE}/{STEM}.383", answer(centre("PR09", "RJ00H019", "总金额不符"), one, [PEOPLE[0], PEOPLE[2]]))
enquiry()
