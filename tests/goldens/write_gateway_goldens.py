#!/usr/bin/env python3
"""Writes the golden bytes of the gateway's XML profile, from its tables and the people of write_goldens.py.

It shares nothing with src/format. Run it by hand, from the top of the tree; the tests hold renderer and parser to what it wrote.
"""

from xml.sax.saxutils import escape

from write_goldens import DATE, PEOPLE, SHORT, TOTAL, UNIT, put

STEM = f"{UNIT}{DATE}0001"
ID = "xml-gbk-two-level"


def elements(pairs):
    return "".join(f"<{name}/>" if text == "" else f"<{name}>{escape(text)}</{name}>" for name, text in pairs)


def message(info, body):
    return ('<?xml version="1.0" encoding="GBK"?>\n' + f"<TRX><INFO>{elements(info)}</INFO><BODY>{body}</BODY></TRX>\n").encode("gbk")


def request():
    info = [("TRX_CODE", "100002"), ("VERSION", "03"), ("DATA_TYPE", "2"), ("LEVEL", "5"), ("USER_NAME", UNIT), ("USER_PASS", ""), ("REQ_SN", STEM), ("SIGNED_MSG", "")]
    head = [("BUSINESS_CODE", "10600"), ("MERCHANT_ID", UNIT), ("SUBMIT_TIME", f"{DATE}000000"), ("TOTAL_ITEM", str(len(PEOPLE))), ("TOTAL_SUM", str(TOTAL))]
    details = ""
    for _, ref, name, identity, account, bank, fen, mobile, _ in PEOPLE:
        pairs = [("SN", ref), ("BANK_CODE", bank), ("ACCOUNT_TYPE", "00"), ("ACCOUNT_NO", account), ("ACCOUNT_NAME", name)]
        pairs += [("ID_TYPE", "0"), ("ID", identity)] if identity else []
        pairs += [("PROVINCE", ""), ("CITY", ""), ("AMOUNT", str(fen)), ("REMARK", SHORT + (f";{mobile}" if mobile else ""))]
        details += f"<TRANS_DETAIL>{elements(pairs)}</TRANS_DETAIL>"
    return message(info, f"<TRANS_SUM>{elements(head)}</TRANS_SUM><TRANS_DETAILS>{details}</TRANS_DETAILS>")


def answer(code, words, rows):
    info = [("TRX_CODE", "100002"), ("VERSION", "03"), ("REQ_SN", STEM), ("RET_CODE", code)] + ([("ERR_MSG", words)] if words else [])
    details = ""
    for person, status, why in rows:
        _, ref, name, _, account, _, fen, _, _ = person
        pairs = [("SN", ref), ("ACCOUNT_NO", account), ("ACCOUNT_NAME", name), ("AMOUNT", str(fen)), ("RET_CODE", status), ("ERR_MSG", why)]
        details += f"<RET_DETAIL>{elements(pairs)}</RET_DETAIL>"
    return message(info, f"<RET_DETAILS>{details}</RET_DETAILS>" if rows else "")


def enquiry(people):
    info = [("TRX_CODE", "200001"), ("VERSION", "03"), ("USER_NAME", UNIT), ("USER_PASS", ""), ("REQ_SN", STEM)]
    asked = "".join(f"<QUERY_TRANS>{elements([('QUERY_SN', STEM), ('QUERY_DETAIL_SN', p[1])])}</QUERY_TRANS>" for p in people)
    return message(info, asked)


def main():
    a, b, c, d, e = PEOPLE
    put(ID, f"request/{DATE}/{STEM}.xml", request())
    put(ID, f"result-first/{DATE}/{STEM}.ret.xml", answer("2000", "处理中", [(a, "0000", "处理成功"), (b, "3031", "户名不符"), (c, "0014", "处理中"), (d, "0014", "处理中"), (e, "9999", "")]))
    put(ID, f"result/{DATE}/{STEM}.ret.xml", answer("0000", "", [(a, "0000", "处理成功"), (b, "3031", "户名不符"), (c, "4000", ""), (d, "3009", "账户不存在"), (e, "3028", "交易超时")]))
    put(ID, f"result-refused/{DATE}/{STEM}.ret.xml", answer("1000", "报文格式错误", []))
    put(ID, f"result-contradiction-quarantine/{DATE}/{STEM}.ret.xml", answer("1000", "报文格式错误", [(a, "0000", "处理成功")]))
    put(ID, f"enquiry/{DATE}/{STEM}.q0318.xml", enquiry([c, e]))
    put(ID, f"enquiry-answer/{DATE}/{STEM}.a0318.xml", answer("0000", "", [(c, "4000", ""), (e, "0014", "处理中")]))


if __name__ == "__main__":
    main()
