//! A page, written once and shown twice: as aligned text and as HTML, so that the two cannot say different things. It is a
//! letter's body, or a paper to print and sign (vouchers, certificates, public lists). HTML has inline styles only, since
//! mail readers throw style sheets away; no pictures, no links, no scripts.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesText, Event};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::domain::language::Language;

/// The text's width in columns; a Chinese character takes two.
const WIDTH: usize = 76;
/// The widest column of a table but the last.
const COLUMN_MAX: usize = 26;
/// What stands between two columns.
const GAP: usize = 2;

/// What a letter says, from top to bottom.
pub(crate) struct Page {
    pub language: Language,
    pub title: String,
    pub blocks: Vec<Block>,
}

pub(crate) enum Block {
    /// A paragraph.
    Say(String),
    /// A paragraph that must not be overlooked.
    Heed(String),
    /// Names and values.
    Facts(Vec<(String, String)>),
    /// A table, whose last row may be a sum.
    Table(Table),
    /// Numbered steps, each with the command that does it, if one does.
    Steps { title: String, steps: Vec<(String, Option<String>)> },
    /// Lines to sign on (签字栏), side by side: whose they are.
    Sign(Vec<String>),
    /// Small print.
    Foot(Vec<String>),
}

pub(crate) struct Table {
    /// Titles, and whether the column holds numbers.
    pub head: Vec<(String, bool)>,
    pub rows: Vec<Vec<String>>,
    pub has_sum: bool,
}

impl Page {
    /// The page as text, in lines of at most `WIDTH` columns.
    pub fn text(&self) -> String {
        let mut lines = vec![self.title.clone(), "=".repeat(self.title.width_cjk().min(WIDTH)), String::new()];
        for block in &self.blocks {
            match block {
                Block::Say(words) => lines.extend(wrap(words, WIDTH)),
                Block::Heed(words) => lines.extend(wrap(&format!("※ {words}"), WIDTH)),
                Block::Facts(facts) => lines.extend(facts_text(facts, self.language)),
                Block::Table(table) => lines.extend(table_text(table)),
                Block::Steps { title, steps } => lines.extend(steps_text(title, steps)),
                Block::Sign(whose) => {
                    lines.extend(whose.iter().map(|w| format!("{w}{}{}", self.language.pick("：", ": "), "_".repeat(24))))
                }
                Block::Foot(notes) => {
                    lines.push("-".repeat(WIDTH));
                    lines.extend(notes.iter().flat_map(|note| wrap(note, WIDTH)));
                }
            }
            lines.push(String::new());
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines.iter().fold(String::new(), |text, line| text + line.trim_end() + "\n")
    }

    /// The page as HTML: well-formed, escaped.
    ///
    /// # Errors
    /// None in memory; the writer's signature has one.
    pub fn html(&self) -> io::Result<String> {
        let mut out = Writer::new_with_indent(Vec::new(), b' ', 1);
        out.write_event(Event::DocType(BytesText::new("html")))?;
        out.create_element("html").with_attribute(("lang", self.language.pick("zh-CN", "en"))).write_inner_content(|out| {
            out.create_element("head").write_inner_content(|out| {
                out.create_element("meta").with_attribute(("charset", "utf-8")).write_empty()?;
                say(out, "title", "", &self.title)
            })?;
            out.create_element("body").with_attribute(("style", BODY)).write_inner_content(|out| {
                say(out, "h2", "font-size:19px;margin:0 0 14px 0;color:#1f3864;", &self.title)?;
                self.blocks.iter().try_for_each(|block| block_html(out, block))
            })?;
            Ok(())
        })?;
        String::from_utf8(out.into_inner()).map_err(io::Error::other)
    }
}

const BODY: &str = "font-family:'Microsoft YaHei','PingFang SC','Noto Sans CJK SC',Helvetica,Arial,sans-serif;font-size:14px;\
line-height:1.6;color:#222222;background-color:#ffffff;margin:0;padding:20px;max-width:760px;";
const CELL: &str = "border:1px solid #c9d3e0;padding:6px 10px;vertical-align:top;";
const COMMAND: &str = "font-family:Consolas,Menlo,monospace;font-size:13px;background-color:#f3f5f8;padding:3px 8px;\
border:1px solid #dde3ea;white-space:pre-wrap;";

type Html = Writer<Vec<u8>>;

fn say(out: &mut Html, tag: &str, style: &str, words: &str) -> io::Result<()> {
    let element = out.create_element(tag);
    let element = if style.is_empty() { element } else { element.with_attribute(("style", style)) };
    element.write_text_content(BytesText::new(words)).map(|_| ())
}

fn block_html(out: &mut Html, block: &Block) -> io::Result<()> {
    match block {
        Block::Say(words) => say(out, "p", "margin:0 0 12px 0;", words),
        Block::Heed(words) => {
            say(out, "p", "margin:0 0 12px 0;padding:8px 12px;background-color:#fff4e5;border-left:4px solid #e69138;", words)
        }
        Block::Facts(facts) => table_element(out, |out| {
            facts.iter().try_for_each(|(name, value)| {
                row_element(out, |out| {
                    say(out, "td", &format!("{CELL}background-color:#eef2f8;white-space:nowrap;"), name)?;
                    say(out, "td", CELL, value)
                })
            })
        }),
        Block::Table(table) => table_element(out, |out| table_html(out, table)),
        Block::Steps { title, steps } => {
            say(out, "p", "margin:0 0 4px 0;font-weight:bold;", title)?;
            let list = out.create_element("ol").with_attribute(("style", "margin:0 0 12px 0;padding-left:24px;"));
            list.write_inner_content(|out| steps.iter().try_for_each(|step| step_html(out, step)))?;
            Ok(())
        }
        Block::Sign(whose) => table_element(out, |out| {
            row_element(out, |out| {
                let style = "padding:44px 24px 4px 0;border-bottom:1px solid #222222;min-width:120px;";
                whose.iter().try_for_each(|w| say(out, "td", style, w))
            })
        }),
        Block::Foot(notes) => {
            let style = "margin-top:18px;padding-top:8px;border-top:1px solid #dddddd;font-size:12px;color:#666666;";
            let foot = out.create_element("div").with_attribute(("style", style));
            foot.write_inner_content(|out| notes.iter().try_for_each(|note| say(out, "p", "margin:0 0 4px 0;", note)))?;
            Ok(())
        }
    }
}

fn table_element(out: &mut Html, inside: impl FnOnce(&mut Html) -> io::Result<()>) -> io::Result<()> {
    let style = "border-collapse:collapse;margin:0 0 14px 0;font-size:14px;";
    out.create_element("table").with_attribute(("style", style)).write_inner_content(inside).map(|_| ())
}

fn row_element(out: &mut Html, inside: impl FnOnce(&mut Html) -> io::Result<()>) -> io::Result<()> {
    out.create_element("tr").write_inner_content(inside).map(|_| ())
}

fn table_html(out: &mut Html, table: &Table) -> io::Result<()> {
    row_element(out, |out| {
        let style = format!("{CELL}background-color:#dce6f1;text-align:left;");
        table.head.iter().try_for_each(|(title, _)| say(out, "th", &style, title))
    })?;
    let last = table.rows.len();
    (1..).zip(&table.rows).try_for_each(|(n, row)| {
        let weight = if table.has_sum && n == last { "font-weight:bold;background-color:#f5f7fa;" } else { "" };
        row_element(out, |out| {
            table.head.iter().zip(row).try_for_each(|((_, is_number), cell)| {
                let side = if *is_number { "text-align:right;white-space:nowrap;" } else { "" };
                say(out, "td", &format!("{CELL}{weight}{side}"), cell)
            })
        })
    })
}

fn step_html(out: &mut Html, (words, command): &(String, Option<String>)) -> io::Result<()> {
    let item = out.create_element("li").with_attribute(("style", "margin-bottom:4px;"));
    item.write_inner_content(|out| {
        say(out, "span", "", words)?;
        command.iter().try_for_each(|command| say(out, "div", COMMAND, command))
    })?;
    Ok(())
}

fn facts_text(facts: &[(String, String)], language: Language) -> Vec<String> {
    let colon = language.pick("：", ": ");
    let widest = facts.iter().map(|(name, _)| name.width_cjk()).max().unwrap_or(0);
    let indent = widest + colon.width_cjk();
    let one = |(name, value): &(String, String)| hang(&format!("{}{colon}", padded(name, widest, false)), value, indent);
    facts.iter().flat_map(one).collect()
}

fn steps_text(title: &str, steps: &[(String, Option<String>)]) -> Vec<String> {
    let mut lines = wrap(title, WIDTH);
    for (n, (words, command)) in (1..).zip(steps) {
        lines.extend(hang(&format!("{n:>2}. "), words, 4));
        // A command is copied, so it is never wrapped.
        lines.extend(command.iter().map(|command| format!("      {command}")));
    }
    lines
}

fn table_text(table: &Table) -> Vec<String> {
    let cells: Vec<Vec<&str>> = std::iter::once(table.head.iter().map(|(title, _)| title.as_str()).collect())
        .chain(table.rows.iter().map(|row| row.iter().map(String::as_str).collect()))
        .collect();
    let natural = |at: usize| cells.iter().filter_map(|row| row.get(at)).map(|cell| cell.width_cjk()).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..table.head.len()).map(|at| natural(at).min(COLUMN_MAX)).collect();
    let before: usize = widths.iter().rev().skip(1).map(|width| width + GAP).sum();
    if let Some(width) = widths.last_mut() {
        *width = natural(table.head.len().saturating_sub(1)).min(WIDTH.saturating_sub(before).max(16));
    }
    let rule = "-".repeat(widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1));
    let mut lines = Vec::new();
    for (n, row) in cells.iter().enumerate() {
        if n == 1 || (table.has_sum && n > 1 && n + 1 == cells.len()) {
            lines.push(rule.clone());
        }
        lines.extend(row_text(row, &widths, &table.head));
    }
    lines
}

fn row_text(row: &[&str], widths: &[usize], head: &[(String, bool)]) -> Vec<String> {
    let folded: Vec<Vec<String>> = row.iter().zip(widths).map(|(cell, width)| wrap(cell, *width)).collect();
    let height = folded.iter().map(Vec::len).max().unwrap_or(0);
    let line = |n: usize| {
        let cells = folded.iter().zip(widths).zip(head);
        let cells = cells.map(|((lines, width), (_, is_number))| padded(lines.get(n).map_or("", String::as_str), *width, *is_number));
        cells.collect::<Vec<_>>().join(&" ".repeat(GAP))
    };
    (0..height).map(line).collect()
}

/// Words behind a label, their further lines indented below.
fn hang(label: &str, words: &str, indent: usize) -> Vec<String> {
    let lines = wrap(words, WIDTH.saturating_sub(indent)).into_iter();
    lines.enumerate().map(|(n, line)| if n == 0 { format!("{label}{line}") } else { " ".repeat(indent) + &line }).collect()
}

fn padded(words: &str, width: usize, to_the_right: bool) -> String {
    let gap = " ".repeat(width.saturating_sub(words.width_cjk()));
    if to_the_right { gap + words } else { words.to_owned() + &gap }
}

/// Folds words into lines of so many columns: Latin words stay whole, Chinese breaks anywhere but before a closing mark.
fn wrap(words: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for piece in pieces(words) {
        if line.width_cjk() + piece.trim_end().width_cjk() > width && !line.is_empty() {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        if !(line.is_empty() && piece == " ") {
            line.push_str(&piece);
        }
        // A word longer than the line is cut, since a text that runs out of a narrow column is worse.
        while line.trim_end().width_cjk() > width {
            let head = fitting(&line, width);
            let rest = line.split_off(head);
            lines.push(std::mem::replace(&mut line, rest));
        }
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// The longest beginning, in bytes, that fits; at least one character.
fn fitting(line: &str, width: usize) -> usize {
    let mut used = 0;
    let fits = |(_, c): &(usize, char)| {
        used += c.width_cjk().unwrap_or(0);
        used <= width
    };
    let kept = line.char_indices().take_while(fits).last();
    let first = line.chars().next().map_or(0, char::len_utf8);
    kept.map_or(first, |(at, c)| at + c.len_utf8())
}

/// The smallest pieces between which a line may break.
fn pieces(words: &str) -> Vec<String> {
    const NO_LINE_BEGINS: &str = "。，、；：！？）」』】》”’…％.,;:!?)]}%";
    const NO_LINE_ENDS: &str = "（「『【《“‘([{";
    let mut pieces: Vec<String> = Vec::new();
    for c in words.chars() {
        let before = pieces.last().and_then(|piece| piece.chars().next_back());
        let together = before.is_some_and(|b| {
            let latin = |c: char| c.width_cjk() == Some(1) && c != ' ';
            (latin(b) && latin(c)) || NO_LINE_BEGINS.contains(c) || NO_LINE_ENDS.contains(b) || (c == ' ' && b != ' ')
        });
        match pieces.last_mut() {
            Some(piece) if together => piece.push(c),
            Some(_) | None => pieces.push(c.to_string()),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_where_a_reader_expects_it() {
        assert_eq!(wrap("请核对并更正收款人信息，经审批后重新发放", 10), ["请核对并更", "正收款人信", "息，经审批", "后重新发放"]);
        assert_eq!(wrap("一二三四，五六", 8), ["一二三", "四，五六"]);
        assert_eq!(wrap("find the reason with the bank", 10), ["find the", "reason", "with the", "bank"]);
        assert_eq!(wrap("abcdefghijkl", 5), ["abcde", "fghij", "kl"]);
        assert_eq!(wrap("", 5), [""]);
        for width in 2..30 {
            let long = "户名不符（system busy）：2019年3月20日，共 12 笔、金额1,234.56元。";
            assert!(wrap(long, width).iter().all(|line| line.width_cjk() <= width.max(4)), "{width}: {:?}", wrap(long, width));
            assert_eq!(wrap(long, width).concat().replace(' ', ""), long.replace(' ', ""));
        }
    }

    #[test]
    fn columns_align_by_what_the_eye_sees() {
        let table = Table {
            head: vec![("原因".to_owned(), false), ("笔数".to_owned(), true)],
            rows: vec![vec!["户名不符".to_owned(), "12".to_owned()], vec!["busy".to_owned(), "3".to_owned()]],
            has_sum: false,
        };
        assert_eq!(table_text(&table), ["原因      笔数", "--------------", "户名不符    12", "busy         3"]);
    }
}
