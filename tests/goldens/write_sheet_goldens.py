#!/usr/bin/env python3
"""Writes the golden bytes of the CSV and workbook profiles, from their tables and the people of write_goldens.py.

It shares nothing with src/format: CSV by hand, workbooks as plain zip and XML. Run it by hand, from the top of the tree. A workbook
of ours has other bytes than these; the tests compare its cells.
"""

import hashlib
import io
import zipfile
from xml.sax.saxutils import escape

from write_goldens import DATE, PEOPLE, SHORT, TOTAL, UNIT, put, yuan

STEM = f"h2h_batchPay_{UNIT}_{DATE}0001"
TITLES = ["收款人账号", "姓名", "开户行名称", "金额(元)", "联行号", "网点", "身份证号", "手机号", "第三方账号", "备注", "对账ID"]


def csv(rows, quote_all=True):
    def cell(text):
        return '"' + text.replace('"', '""') + '"' if quote_all or "," in text else text

    return b"\xef\xbb\xbf" + "".join(",".join(cell(c) for c in row) + "\r\n" for row in rows).encode()


def row(person):
    seq, ref, name, identity, account, bank, fen, mobile, _ = person
    return [account, name, "", yuan(fen), bank, "", identity, mobile, "", SHORT, ref]


def control(name, data):
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<batchPay><bizNo>{STEM}</bizNo><fileName>{name}</fileName><totalCount>{len(PEOPLE)}</totalCount><totalAmount>{TOTAL}</totalAmount>"
        f"<currencyCode>156</currencyCode><digest>{hashlib.sha256(data).hexdigest()}</digest><confirm>1</confirm></batchPay>\n"
    ).encode()


def workbook(rows, number_at=None):
    """The smallest workbook that is one: inline strings, every cell text, but the one at number_at."""
    def cell(r, c, text):
        at = f"{chr(65 + c)}{r + 1}"
        if (r, c) == number_at:
            return f'<c r="{at}"><v>{text}</v></c>'
        return f'<c r="{at}" t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'

    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    rel = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    pkg = "http://schemas.openxmlformats.org/package/2006"
    body = "".join(f'<row r="{r + 1}">' + "".join(cell(r, c, t) for c, t in enumerate(row) if t) + "</row>" for r, row in enumerate(rows))
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{pkg}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
        '<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{pkg}/relationships"><Relationship Id="r1" Type="{rel}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{rel}"><sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{pkg}/relationships"><Relationship Id="r1" Type="{rel}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>',
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, text in parts.items():
            z.writestr(zipfile.ZipInfo(name, (2019, 3, 14, 0, 0, 0)), '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n' + text)
    return out.getvalue()


def failures(paid, failed, lie=0):
    rows = [[str(len(paid)), yuan(sum(p[6] for p in paid) + lie)]]
    rows += [[p[4], p[2], yuan(p[6]), why] for p, why in failed]
    return csv(rows, quote_all=False)


def main():
    data = csv([TITLES] + [row(p) for p in PEOPLE])
    put("csv-plus-control", f"request/{DATE}/{STEM}.csv", data)
    put("csv-plus-control", f"request/{DATE}/{STEM}.csv.xml", control(f"{STEM}.csv", data))
    paid, failed = [PEOPLE[0], PEOPLE[2], PEOPLE[4]], [(PEOPLE[1], "户名不符,请核对"), (PEOPLE[3], "账户已销户")]
    put("csv-plus-control", f"result/{DATE}/{STEM}_R.csv", failures(paid, failed))
    put("csv-plus-control", f"result-all-paid/{DATE}/{STEM}_R.csv", failures(PEOPLE, []))
    # One fen less is declared than the payments without a line make.
    put("csv-plus-control", f"result-lie-quarantine/{DATE}/{STEM}_R.csv", failures(paid, failed, lie=-1))
    put("csv-plus-control", f"return/{DATE}/{STEM}_T.csv", csv([[PEOPLE[0][1], PEOPLE[0][4], yuan(PEOPLE[0][6]), "2019-04-02", "账户已销户"]], quote_all=False))
    data = workbook([TITLES] + [row(p) for p in PEOPLE])
    put("sheet-plus-control", f"request/{DATE}/{STEM}.xlsx", data)
    put("sheet-plus-control", f"request/{DATE}/{STEM}.xlsx.xml", control(f"{STEM}.xlsx", data))
    titles = ["序号", "对账ID", "姓名", "收款人账号", "金额(元)", "处理结果", "失败原因"]
    words = [("成功", ""), ("失败", "户名不符"), ("失败", "交易超时"), ("处理中", ""), ("成功", "")]
    rows = [titles] + [[str(p[0]), p[1], p[2], p[4], yuan(p[6]), *said] for p, said in zip(PEOPLE, words)]
    put("sheet-plus-control", f"result/{DATE}/{STEM}_R.xlsx", workbook(rows))
    # A spreadsheet made a number of the account: its last digits are gone.
    rows[1][3] = "6.21700123456789E+18"
    put("sheet-plus-control", f"result-mangled-quarantine/{DATE}/{STEM}_R.xlsx", workbook(rows, number_at=(1, 3)))


if __name__ == "__main__":
    main()
