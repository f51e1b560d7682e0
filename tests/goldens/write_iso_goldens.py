#!/usr/bin/env python3
"""Writes the golden bytes of the ISO 20022 profile, from the message's own tables and the people of write_goldens.py.

It shares nothing with src/format. Run it by hand, from the top of the tree; the tests hold renderer and parser to what it wrote,
and validate what goes out against its schema.
"""

from xml.sax.saxutils import escape

from write_goldens import DATE, PAYER, PAYER_BANK, PAYER_NAME, PEOPLE, SHORT, TOTAL, UNIT, put, yuan

STEM = f"{UNIT}-{DATE}-0001"
DAY = f"{DATE[:4]}-{DATE[4:6]}-{DATE[6:]}"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def element(depth, name, inside, attributes=""):
    """A leaf on a line of its own, set in by one blank a level."""
    return f"{' ' * depth}<{name}{attributes}>{escape(inside)}</{name}>\n"


def tree(depth, name, lines, attributes=""):
    return f"{' ' * depth}<{name}{attributes}>\n{lines}{' ' * depth}</{name}>\n"


def nested(depth, names, inside):
    """Elements inside one another, the innermost with text."""
    if len(names) == 1:
        return element(depth, names[0], inside)
    return tree(depth, names[0], nested(depth + 1, names[1:], inside))


def transaction(person):
    seq, ref, name, identity, account, bank, fen, mobile, _ = person
    cdtr = element(5, "Nm", name)
    if identity:
        cdtr += nested(5, ["Id", "PrvtId", "Othr", "Id"], identity)
    if mobile:
        cdtr += nested(5, ["CtctDtls", "MobNb"], f"+86-{mobile}")
    lines = tree(4, "PmtId", element(5, "InstrId", str(seq)) + element(5, "EndToEndId", ref))
    lines += tree(4, "Amt", element(5, "InstdAmt", yuan(fen), ' Ccy="CNY"'))
    lines += nested(4, ["CdtrAgt", "FinInstnId", "ClrSysMmbId", "MmbId"], bank)
    lines += tree(4, "Cdtr", cdtr)
    lines += nested(4, ["CdtrAcct", "Id", "Othr", "Id"], account)
    lines += nested(4, ["RmtInf", "Ustrd"], SHORT)
    return tree(3, "CdtTrfTxInf", lines)


def request(version="09"):
    initiator = element(4, "Nm", PAYER_NAME) + nested(4, ["Id", "OrgId", "Othr", "Id"], UNIT)
    head = element(3, "MsgId", STEM) + element(3, "CreDtTm", f"{DAY}T00:00:00") + element(3, "NbOfTxs", str(len(PEOPLE)))
    head += element(3, "CtrlSum", yuan(TOTAL)) + tree(3, "InitgPty", initiator)
    # Version 03 has the day itself where 09 has a choice of day and time.
    day = nested(3, ["ReqdExctnDt", "Dt"], DAY) if version == "09" else element(3, "ReqdExctnDt", DAY)
    info = element(3, "PmtInfId", STEM) + element(3, "PmtMtd", "TRF") + element(3, "NbOfTxs", str(len(PEOPLE)))
    info += element(3, "CtrlSum", yuan(TOTAL)) + day + nested(3, ["Dbtr", "Nm"], PAYER_NAME)
    account = nested(4, ["Id", "Othr", "Id"], PAYER) + element(4, "Ccy", "CNY")
    info += tree(3, "DbtrAcct", account) + nested(3, ["DbtrAgt", "FinInstnId", "ClrSysMmbId", "MmbId"], PAYER_BANK)
    info += "".join(transaction(p) for p in PEOPLE)
    body = tree(1, "CstmrCdtTrfInitn", tree(2, "GrpHdr", head) + tree(2, "PmtInf", info))
    return DECLARATION + tree(0, "Document", body, f' xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.{version}"')


def status(version, group, payment, transactions, prefix=""):
    p = prefix
    xmlns = f' xmlns{":" + p[:-1] if p else ""}="urn:iso:std:iso:20022:tech:xsd:pain.002.001.{version}"'
    out = f'<{p}Document{xmlns}><{p}CstmrPmtStsRpt><{p}GrpHdr><{p}MsgId>BANK1</{p}MsgId><{p}CreDtTm>{DAY}T17:00:00</{p}CreDtTm></{p}GrpHdr>'
    out += f"<{p}OrgnlGrpInfAndSts><{p}OrgnlMsgId>{STEM}</{p}OrgnlMsgId><{p}OrgnlMsgNmId>pain.001.001.09</{p}OrgnlMsgNmId>"
    out += (f"<{p}GrpSts>{group}</{p}GrpSts>" if group else "") + f"</{p}OrgnlGrpInfAndSts>"
    if transactions:
        out += f"<{p}OrgnlPmtInfAndSts><{p}OrgnlPmtInfId>{STEM}</{p}OrgnlPmtInfId>"
        out += f"<{p}PmtInfSts>{payment}</{p}PmtInfSts>" if payment else ""
        for ref, sts, code, words in transactions:
            reason = f"<{p}StsRsnInf><{p}Rsn><{p}Cd>{code}</{p}Cd></{p}Rsn><{p}AddtlInf>{words}</{p}AddtlInf></{p}StsRsnInf>" if code else ""
            out += f"<{p}TxInfAndSts><{p}OrgnlEndToEndId>{ref}</{p}OrgnlEndToEndId><{p}TxSts>{sts}</{p}TxSts>{reason}</{p}TxInfAndSts>"
        out += f"</{p}OrgnlPmtInfAndSts>"
    return DECLARATION + out + f"</{p}CstmrPmtStsRpt></{p}Document>\n"


def returned(person):
    _, ref, _, _, _, _, fen, _, _ = person
    return (
        DECLARATION
        + '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.004.001.09"><PmtRtr>'
        + f"<GrpHdr><MsgId>BANK9</MsgId><CreDtTm>{DAY}T18:00:00</CreDtTm><NbOfTxs>1</NbOfTxs><SttlmInf><SttlmMtd>CLRG</SttlmMtd></SttlmInf></GrpHdr>"
        + f"<TxInf><RtrId>R1</RtrId><OrgnlEndToEndId>{ref}</OrgnlEndToEndId><RtrdIntrBkSttlmAmt Ccy=\"CNY\">{yuan(fen)}</RtrdIntrBkSttlmAmt>"
        + "<IntrBkSttlmDt>2019-03-15</IntrBkSttlmDt><RtrRsnInf><Rsn><Cd>AC04</Cd></Rsn><AddtlInf>账户已销户</AddtlInf></RtrRsnInf></TxInf></PmtRtr></Document>\n"
    )


def booked(fen, side, ref, words, bank_ref):
    name = {"DBIT": "Cdtr", "CRDT": "Dbtr"}[side]
    return (
        f'<Ntry><Amt Ccy="CNY">{yuan(fen)}</Amt><CdtDbtInd>{side}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{DAY}</Dt></BookgDt><AcctSvcrRef>{bank_ref}</AcctSvcrRef>'
        f"<NtryDtls><TxDtls><Refs><EndToEndId>{ref}</EndToEndId></Refs><RltdPties><{name}><Nm>某户</Nm></{name}></RltdPties></TxDtls></NtryDtls>"
        f"<AddtlNtryInf>{words}</AddtlNtryInf></Ntry>"
    )


def account_message(root, kind, version, ident, opening, closing, entries):
    def balance(code, fen):
        return f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="CNY">{yuan(fen)}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>{DAY}</Dt></Dt></Bal>'

    balances = "" if opening is None else balance("OPBD", opening) + balance("CLBD", closing)
    return (
        DECLARATION
        + f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{version}"><{root}><GrpHdr><MsgId>{ident}</MsgId><CreDtTm>{DAY}T20:00:00</CreDtTm></GrpHdr>'
        + f"<{kind}><Id>{ident}</Id><CreDtTm>{DAY}T20:00:00</CreDtTm><Acct><Id><Othr><Id>{PAYER}</Id></Othr></Id><Ccy>CNY</Ccy></Acct>{balances}{entries}</{kind}></{root}></Document>\n"
    )


def main():
    place = f"{DATE}/{STEM}"
    refs = [p[1] for p in PEOPLE]
    put("iso20022", f"request/{place}.xml", request().encode())
    put("iso20022-v03", f"request/{place}.xml", request("03").encode())
    put("iso20022-v03", f"ack/{place}.ack.xml", status("03", "ACTC", "", []).encode())
    put("iso20022", f"ack/{place}.ack.xml", status("10", "ACTC", "", []).encode())
    rows = [(refs[0], "ACCC", "", ""), (refs[1], "RJCT", "BE01", "户名不符"), (refs[2], "ACSC", "", ""), (refs[3], "PDNG", "", "")]
    put("iso20022", f"result/{place}.sts.xml", status("10", "PART", "PART", rows).encode())
    lines = booked(PEOPLE[0][6], "DBIT", refs[0], "代发", "Z0001") + booked(PEOPLE[2][6], "CRDT", refs[2], "退票 账户已销户", "Z0002")
    sheet = account_message("BkToCstmrStmt", "Stmt", "camt.053.001.08", "S1", 50000000, 50000000 - PEOPLE[0][6] + PEOPLE[2][6], lines)
    put("iso20022", f"statement/statement/camt053_{PAYER}_{DATE}.xml", sheet.encode())
    broken = account_message("BkToCstmrStmt", "Stmt", "camt.053.001.02", "S1", 50000000, 50000000, lines)
    put("iso20022", f"statement-broken-quarantine/statement/camt053_{PAYER}_{DATE}.xml", broken.encode())
    notice = account_message("BkToCstmrDbtCdtNtfctn", "Ntfctn", "camt.054.001.08", "N1", None, None, booked(PEOPLE[2][6], "CRDT", refs[2], "退票 账户已销户", "Z0002"))
    put("iso20022", f"statement-notice/statement/camt054_{PAYER}_{DATE}0001.xml", notice.encode())
    put("iso20022", f"result-old/{place}.sts.xml", status("03", "PART", "", rows[1:], "ns:").encode())
    put("iso20022-v03", f"result/{place}.sts.xml", status("03", "PART", "PART", rows).encode())
    put("iso20022", f"result-contradiction-quarantine/{place}.sts.xml", status("10", "RJCT", "", rows[:1]).encode())
    put("iso20022", f"result-refused/{place}.sts.xml", status("10", "RJCT", "", []).encode())
    put("iso20022", f"return/{place}.rtr.xml", returned(PEOPLE[0]).encode())


if __name__ == "__main__":
    main()
