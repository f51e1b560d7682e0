#!/usr/bin/env python3
"""Writes the golden bytes of the treasury's voucher and its receipt, from the layout's table alone; see write_goldens.py."""

from xml.sax.saxutils import escape

from write_goldens import DATE, PAYER, PAYER_BANK, PAYER_NAME, PEOPLE, SHORT, TOTAL, UNIT, put, reference, yuan

PROFILE, STEM = "treasury-voucher-8207", f"8207_{DATE}0001"


def leaf(name, text):
    return f"<{name}/>" if text == "" else f"<{name}>{escape(text)}</{name}>"


def voucher(flag, details, paid_on="", paid=""):
    main = [("OriginalVtCode", "5201"), ("OriginalVoucherNo", "B20190314001"), ("PayDictateNo", STEM), ("PayMsgNo", ""), ("PayEntrustDate", DATE),
            ("PaySndBnkNo", PAYER_BANK), ("SumAmt", yuan(TOTAL)), ("PayAcctNo", PAYER), ("PayAcctName", PAYER_NAME), ("BusinessTypeCode", "1"), ("PayType", "12"),
            ("XPayDate", paid_on), ("XSumAmt", paid)]
    body = "".join(leaf(*pair) for pair in main) + f"<DetailList>{''.join(details)}</DetailList>"
    return ('<?xml version="1.0" encoding="GBK"?>\n'
            f'<MOF><VoucherCount>1</VoucherCount><VoucherBody AdmDivCode="511100000" StYear="2019" VtCode="8207" VoucherNo="{STEM}">'
            f"<VoucherFlag>{flag}</VoucherFlag><Attach/><Voucher>{body}</Voucher></VoucherBody></MOF>\n").encode("gbk")


def detail(person, paid_on="", bank_ref="", paid="", code="", words="", account=None, remark=None):
    _, ref, name, _, ours, bank, fen, mobile, _ = person
    pairs = [("Id", ref), ("OriVoucherNo", "B20190314001"), ("PayeeAcctNo", account or ours), ("PayeeAcctName", name), ("PayeeAcctBankName", bank),
             ("PayAmt", yuan(fen)), ("Remark", remark or SHORT + (f";{mobile}" if mobile else "")), ("XPayDate", paid_on), ("XAgentBusinessNo", bank_ref),
             ("XPayAmt", paid), ("XAddWordCode", code), ("XAddWord", words)]
    return "<Detail>" + "".join(leaf(*pair) for pair in pairs) + "</Detail>"


def receipt(account=None, remark=None):
    one, two, three, four, five = PEOPLE
    details = [detail(one, "20190315", "HB0001", yuan(one[6]), remark=remark), detail(two, code="0105", words="户名不符,原户名为[王坤]"),
               detail(three, "20190315", "HB0003", yuan(three[6] - 1000), account=account), detail(four), detail(five, code="0199", words="结果不明,待查")]
    return voucher("1", details, "20190315", yuan(one[6] + three[6] - 1000))


put(PROFILE, f"request/{DATE}/{STEM}.xml", voucher("0", [detail(p) for p in PEOPLE]))
put(PROFILE, f"result/{DATE}/{STEM}_R.xml", receipt())
# What was ours came back as something else.
put(PROFILE, f"result-altered-quarantine/{DATE}/{STEM}_R.xml", receipt(account="6217001234567890099"))
put(PROFILE, f"result-remarked-quarantine/{DATE}/{STEM}_R.xml", receipt(remark="工资"))


# ---- The refund companions. ----

REFUND, DAY = "treasury-refund-2302", "20190320"
ORDER = reference(1001)


def refund(kind, flag, number, details):
    main = [("OriVoucherNo", "TK-2019-0001"), ("AgencyCode", UNIT), ("RefundDate", DAY), ("PayAcctNo", PAYER), ("PayAcctName", PAYER_NAME), ("SumAmt", "234.56")]
    body = "".join(leaf(*pair) for pair in main) + f"<DetailList>{details}</DetailList>"
    return ('<?xml version="1.0" encoding="GBK"?>\n'
            f'<MOF><VoucherCount>1</VoucherCount><VoucherBody AdmDivCode="511100000" StYear="2019" VtCode="{kind}" VoucherNo="{number}">'
            f"<VoucherFlag>{flag}</VoucherFlag><Voucher>{body}</Voucher></VoucherBody></MOF>\n").encode("gbk")


def order_line(pairs):
    return "<Detail>" + "".join(leaf(*pair) for pair in pairs) + "</Detail>"


TREASURY = [("PayeeAcctNo", "270100000000000013"), ("PayeeAcctName", "国家金库乐山市中心支库")]
asked = [("Id", ORDER), ("TKLX", "1"), *TREASURY, ("PayeeBankNo", "011665000016"), ("PayAmt", "234.56"), ("ProjectName", SHORT),
         ("Remark", "TK-2019-0001 2130122 川财农-2019-17")]
put(REFUND, f"request/2302_{DAY}0001.xml", refund("2302", "0", f"2302_{DAY}0001", order_line(asked)))
for name, said in {
    "result": [("RefundType", "1"), ("XAgentBusinessNo", "GK0000001"), ("XRefundDate", "20190321")],
    "result-unsure": [("RefundType", "5"), ("XAddWord", "退款结果不确定")],
    "result-refused": [("RefundType", "4"), ("XAddWord", "国库账号不存在")],
}.items():
    line = order_line([("Id", ORDER), *TREASURY, ("PayAmt", "234.56"), *said])
    put(REFUND, f"{name}/2203_{DAY}0001.xml", refund("2203", "1", f"2203_{DAY}0088", line))
