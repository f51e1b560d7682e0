#!/usr/bin/env python3
"""Writes the golden bytes of the counter's printed list (柜面清单), from the layout's table alone; see write_goldens.py."""

from write_goldens import DATE, PEOPLE, TOTAL, UNIT, put, yuan

PROFILE, NAME = "pipe-gbk-report", "0512037"
WIDTHS = [4, 20, 20, 16, 40]
TITLES = ["序号", "户名", "账号", "金额", "处理结果"]
ROWS_A_PAGE = 2


def size(text):
    return len(text.encode("gbk"))


def padded(text, width, right=False):
    blank = " " * (width - size(text))
    return blank + text if right else text + blank


def rule(left, middle, right):
    return left + middle.join("─" * (width // 2) for width in WIDTHS) + right


def row(cells, right=(3,)):
    return "│" + "│".join(padded(c, w, i in right) for i, (c, w) in enumerate(zip(cells, WIDTHS))) + "│"


def page(number, title, rows):
    lines = [" " * 30 + f"代发业务处理结果清单（{title}）", f"单位编号：{UNIT}    批次日期：{DATE}    打印日期：20190315    第{number}页", rule("┌", "┬", "┐"),
             row([padded(t, w) for t, w in zip(TITLES, WIDTHS)])]
    for each in rows:
        lines += [rule("├", "┼", "┤"), row(each)]
    return lines + [rule("└", "┴", "┘"), ""]


def report(name, title, listed, paid, failed):
    """`listed`: people and words; `paid` and `failed`: how many, of how much."""
    rows = [[str(n).rjust(4), p[2], p[4], f"{p[6] // 100:,}.{p[6] % 100:02d}", words] for n, (p, words) in enumerate(listed, 1)]
    pages = [rows[at:at + ROWS_A_PAGE] for at in range(0, len(rows), ROWS_A_PAGE)]
    lines = [line for number, of in enumerate(pages, 1) for line in page(number, title, of)]
    lines.append(f"合计：共{len(PEOPLE)}笔 {yuan(TOTAL)}元，成功{paid[0]}笔 {yuan(paid[1])}元，失败{failed[0]}笔 {yuan(failed[1])}元")
    put(PROFILE, f"{name}/{DATE}/{NAME}.LST", "".join(line + "\r\n" for line in lines).encode("gbk"))


def request():
    lines = [f"0|0|{DATE}|{UNIT}|0|0|{len(PEOPLE)}|{yuan(TOTAL)}|"]
    for seq, _, payee, ident, account, _, fen, _, ordinal in PEOPLE:
        lines.append(f"{seq}|{payee}|{yuan(fen)}|{account}|{UNIT}|{'1' if ident else ''}|{ident}|{ordinal:02d}|")
    put(PROFILE, f"request/{DATE}/{NAME}", "".join(line + "\r\n" for line in lines).encode("gbk"))


def of(people):
    return len(people), sum(p[6] for p in people)


request()
failed, paid = [PEOPLE[1], PEOPLE[3], PEOPLE[4]], [PEOPLE[0], PEOPLE[2]]
words = ["户名不符,原户名为[王坤]", "该卡已做挂失登记", "账户已销户"]
report("result", "失败", list(zip(failed, words)), of(paid), of(failed))
report("result-all-paid", "成功", [(p, "交易成功") for p in PEOPLE], of(PEOPLE), (0, 0))
# One failure less than the sums say.
report("result-short-quarantine", "失败", list(zip(failed, words))[:2], of(paid), of(failed))
# The sums say that more was paid than the payments without a row come to.
report("result-lie-quarantine", "失败", list(zip(failed, words)), (2, of(paid)[1] + 1), of(failed))
