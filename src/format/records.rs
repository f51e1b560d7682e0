//! The checks of a written layout: its syntax, its records, and what tells them apart.

use regex::RegexSet;
use toml::Spanned;

use super::field::{Field, Take};
use super::layout::{Delimited, Layout, Record, Syntax, Test, field_layout};
use super::plan::{Fault, fault, regex};
use super::spec::{FieldSpec, LayoutSpec, Place, RecordSpec, Spec, SyntaxSpec, TrailingSpec};
use super::xml;

/// Digits of a length, where the profile does not say.
const PREFIX_USUAL: usize = 3;

/// Checks a layout.
///
/// # Errors
/// The first fault found.
pub fn layout(at: &Spanned<LayoutSpec>, spec: &Spec, extras: &[&str]) -> Result<Layout, Fault> {
    let written = at.get_ref();
    for pattern in &written.skip {
        regex(pattern)?;
    }
    let skip = RegexSet::new(written.skip.iter().map(Spanned::get_ref)).map_err(|e| fault(at, e.to_string()))?;
    let mut out = Layout {
        syntax: syntax(written)?,
        dialect: written.charset.unwrap_or(spec.charset),
        newline: written.newline.as_ref().map_or(spec.newline, |n| *n.get_ref()),
        skip_blank: written.skip_blank,
        skip: (!skip.is_empty()).then_some(skip),
        is_end_open: written.open_end,
        is_by_label: written.by_label,
        first: Vec::new(),
        each: Vec::new(),
        last: Vec::new(),
        any: Vec::new(),
        group: None,
        prologue: None,
        indent: written.indent.as_ref().map(|i| *i.get_ref()),
    };
    if let Some(indent) = written.indent.as_ref().filter(|_| out.syntax != Syntax::Xml) {
        return Err(fault(indent, "only XML is set in"));
    }
    for record_spec in &written.record {
        if *record_spec.get_ref().at.get_ref() == Place::Prologue {
            out.prologue = Some(Box::new(prologue(record_spec, &out, (written, extras))?));
            continue;
        }
        let built = record(record_spec, &out, (written, extras))?;
        match record_spec.get_ref().at.get_ref() {
            Place::First => out.first.push(built),
            Place::Each => out.each.push(built),
            Place::Last => out.last.push(built),
            Place::Any => out.any.push(built),
            Place::Group if out.group.is_none() => out.group = Some(built),
            Place::Group => return Err(fault(record_spec, "one element stands around the repeated ones")),
            Place::Prologue => {}
        }
    }
    if out.each.is_empty() {
        return Err(fault(at, "a layout needs a record at = \"each\""));
    }
    if out.syntax == Syntax::Xml {
        xml::layout::one_of_each(at, &out)?;
    }
    told_apart(written, &mut out)?;
    titles(at, &out)?;
    Ok(out)
}

/// Bytes before a document: a layout of their own, of one fixed record.
fn prologue(written: &Spanned<RecordSpec>, around: &Layout, of: (&LayoutSpec, &[&str])) -> Result<Layout, Fault> {
    if around.syntax != Syntax::Xml {
        return Err(fault(&written.get_ref().at, "a prologue stands before XML; in other layouts the first line is at = \"first\""));
    }
    if around.prologue.is_some() {
        return Err(fault(&written.get_ref().at, "one prologue stands before a document"));
    }
    let empty = Layout { syntax: Syntax::Fixed, first: Vec::new(), each: Vec::new(), last: Vec::new(), group: None, ..around.clone() };
    let built = record(written, &empty, of)?;
    if built.is_optional || built.lengths.len() != 1 {
        return Err(fault(written, "a prologue has one length and is always there"));
    }
    if let Some(at) = built.fields.iter().position(|f| !says_which_message(&f.take)) {
        let span = written.get_ref().field.get(at).map_or_else(|| written.span(), Spanned::span);
        return Err(Fault {
            span,
            what: "a prologue says which message it is, not what became of payments: read that from the document".to_owned(),
        });
    }
    Ok(Layout { first: vec![built], ..empty })
}

/// Whether a value tells one message from another: ours repeated, a count, a sum, a day, words that are always the same.
const fn says_which_message(take: &Take) -> bool {
    match take {
        Take::Ignore | Take::Literal(_) | Take::Echo(_) | Take::Money(_) | Take::Number(_) | Take::Date(_) => true,
        Take::Text(_) | Take::Side | Take::Digest(_) | Take::Repeat(_) => false,
    }
}

fn syntax(written: &LayoutSpec) -> Result<Syntax, Fault> {
    let kind = *written.syntax.get_ref();
    let not_here = [
        written.delimiter.as_ref().map(Spanned::span),
        written.trailing_delimiter.as_ref().map(Spanned::span),
        written.escape.as_ref().map(Spanned::span),
        written.quote.as_ref().map(Spanned::span),
    ];
    if kind != SyntaxSpec::Delimited
        && let Some(span) = not_here.into_iter().flatten().next()
    {
        let word = match kind {
            SyntaxSpec::Fixed => "fixed",
            SyntaxSpec::Prefixed => "prefixed",
            SyntaxSpec::Sheet => "sheet",
            SyntaxSpec::Xml => "xml",
            SyntaxSpec::Delimited => "delimited",
        };
        return Err(Fault { span, what: format!("a {word} layout has no delimiters") });
    }
    if let Some(prefix) = &written.prefix
        && (kind != SyntaxSpec::Prefixed || !(1..=9).contains(prefix.get_ref()))
    {
        return Err(fault(prefix, "prefix is the count of digits, 1 to 9, of a length in a prefixed layout"));
    }
    match kind {
        SyntaxSpec::Fixed => Ok(Syntax::Fixed),
        SyntaxSpec::Prefixed => Ok(Syntax::Prefixed),
        SyntaxSpec::Sheet => Ok(Syntax::Sheet),
        SyntaxSpec::Xml => Ok(Syntax::Xml),
        SyntaxSpec::Delimited => delimited(written).map(Syntax::Delimited),
    }
}

fn delimited(written: &LayoutSpec) -> Result<Delimited, Fault> {
    let Some(delimiter) = &written.delimiter else { return Err(fault(&written.syntax, "a delimited layout needs its delimiter")) };
    let text = delimiter.get_ref();
    if text.is_empty() || text.contains(['\r', '\n', '\0']) || text.chars().any(char::is_alphanumeric) {
        return Err(fault(
            delimiter,
            "a delimiter is one or more signs, such as \"|\", \",\", \"\\t\", \"|!|\" or \"\\u001F\"; no letters, digits or line ends",
        ));
    }
    let one = |word: &Spanned<String>| match word.get_ref().chars().collect::<Vec<_>>().as_slice() {
        [sign] if sign.is_ascii_punctuation() && !text.contains(*sign) => Ok(*sign),
        _ => Err(fault(word, "is one ASCII sign that is not in the delimiter, such as \"\\\\\" or '\"'")),
    };
    let quote = written.quote.as_ref().map(one).transpose()?;
    let escape = written.escape.as_ref().map(one).transpose()?;
    if written.quote_all && quote.is_none() {
        return Err(fault(&written.syntax, "quote_all needs quote, which says with what"));
    }
    let trailing = written.trailing_delimiter.as_ref().map_or(TrailingSpec::No, |t| *t.get_ref());
    Ok(Delimited { delimiter: text.clone(), trailing, escape, quote, quotes_all: written.quote_all })
}

fn record(at: &Spanned<RecordSpec>, layout: &Layout, (of, extras): (&LayoutSpec, &[&str])) -> Result<Record, Fault> {
    let written = at.get_ref();
    let mut fields = Vec::new();
    let mut ends = Vec::new();
    for field_spec in &written.field {
        let mut field = field_layout(field_spec, layout, extras)?;
        if layout.syntax == Syntax::Prefixed && field.width.is_none() && field.prefix.is_none() {
            field.prefix = Some(of.prefix.as_ref().map_or(PREFIX_USUAL, |p| *p.get_ref()));
        }
        let end = ends.last().copied().unwrap_or(0);
        offset(field_spec, layout, end)?;
        ends.push(end + field.width.unwrap_or(0));
        fields.push(field);
    }
    let pattern = written.pattern.as_ref().map(regex).transpose()?;
    groups(at, pattern.as_ref(), &fields)?;
    if fields.is_empty() && *written.at.get_ref() != Place::Any {
        return Err(fault(at, "a record needs fields"));
    }
    if layout.is_by_label
        && let Some(field) = fields.iter().position(|f| f.label.is_empty() && f.title.is_none())
    {
        let place = written.field.get(field).map_or_else(|| at.span(), Spanned::span);
        return Err(Fault { span: place, what: "in a layout by_label each column has its label".to_owned() });
    }
    let is_cut = layout.syntax == Syntax::Fixed && pattern.is_none();
    let lengths = lengths(at, is_cut, &ends)?;
    let counts = counts(written, layout, fields.len())?;
    let path = xml::layout::record_path(at, layout)?;
    Ok(Record { test: test(at, layout)?, is_optional: written.optional, lengths, counts, pattern, path, fields })
}

fn offset(at: &Spanned<FieldSpec>, layout: &Layout, end: usize) -> Result<(), Fault> {
    let Some(declared) = &at.get_ref().at else { return Ok(()) };
    if layout.syntax != Syntax::Fixed {
        return Err(fault(declared, "offsets belong to fixed layouts"));
    }
    if *declared.get_ref() != end {
        let what = format!("the field begins at byte {}, and the one before it ends at {end}", declared.get_ref());
        return Err(fault(declared, what));
    }
    Ok(())
}

fn groups(at: &Spanned<RecordSpec>, pattern: Option<&regex::Regex>, fields: &[Field]) -> Result<(), Fault> {
    let written = at.get_ref();
    for (field, spec) in fields.iter().zip(&written.field) {
        let Some(group) = &spec.get_ref().group else {
            if pattern.is_some() {
                return Err(fault(spec, "each field of a record with a pattern names its group"));
            }
            continue;
        };
        let is_there = pattern.is_some_and(|p| p.capture_names().flatten().any(|name| Some(name) == field.group.as_deref()));
        if !is_there {
            return Err(fault(
                group,
                format!("the record's pattern has no group {:?}, such as (?<{}>..)", group.get_ref(), group.get_ref()),
            ));
        }
    }
    Ok(())
}

fn lengths(at: &Spanned<RecordSpec>, is_cut: bool, ends: &[usize]) -> Result<Vec<usize>, Fault> {
    let written = at.get_ref();
    let total = ends.last().copied().unwrap_or(0);
    match (&written.length, &written.lengths) {
        (Some(length), None) if is_cut && *length.get_ref() == total => Ok(vec![total]),
        (Some(length), None) if is_cut => {
            Err(fault(length, format!("the fields make {total} bytes, the record says {}", length.get_ref())))
        }
        (None, Some(lengths)) if is_cut => {
            let strange = lengths.get_ref().iter().find(|l| !ends.contains(l));
            match strange {
                Some(length) => Err(fault(lengths, format!("no field ends at byte {length}; allowed: {ends:?}"))),
                None if lengths.get_ref().is_empty() => Err(fault(lengths, "at least one length")),
                None => Ok(lengths.get_ref().clone()),
            }
        }
        (None, None) if is_cut => Err(fault(at, "a fixed record needs its length in bytes")),
        (None, None) => Ok(Vec::new()),
        (Some(length), None) => Err(fault(length, "a length belongs to fixed layouts; columns = [..] to the others")),
        (None, Some(lengths)) => Err(fault(lengths, "lengths belong to fixed layouts; columns = [..] to the others")),
        (Some(_), Some(lengths)) => Err(fault(lengths, "length or lengths, not both")),
    }
}

fn counts(written: &RecordSpec, layout: &Layout, fields: usize) -> Result<Vec<usize>, Fault> {
    let Some(columns) = &written.columns else { return Ok(Vec::new()) };
    if matches!(layout.syntax, Syntax::Fixed | Syntax::Xml) {
        return Err(fault(columns, "columns = [..] belongs to delimited, prefixed and sheet layouts; lengths to fixed ones"));
    }
    let mut counts = columns.get_ref().clone();
    counts.sort_unstable();
    if counts.is_empty() || counts.iter().any(|c| *c == 0 || *c > fields) {
        return Err(fault(columns, format!("the record has {fields} fields; allowed: 1 to {fields}")));
    }
    Ok(counts)
}

fn test(at: &Spanned<RecordSpec>, layout: &Layout) -> Result<Test, Fault> {
    let written = at.get_ref();
    let mut test = Test {
        starts_with: written.starts_with.as_ref().map(|s| encoded(s, s.get_ref(), layout)).transpose()?,
        matches: written.matches.as_ref().map(regex).transpose()?,
        line: written.line.as_ref().map(|l| *l.get_ref()),
        ..Test::default()
    };
    if let Some(mark) = &written.mark {
        let word = mark.get_ref();
        match (word.at, word.column) {
            (Some(offset), None) => test.at = Some((offset, encoded(mark, &word.is, layout)?)),
            (None, Some(column)) if column > 0 && layout.syntax != Syntax::Fixed => test.column = Some((column, word.is.clone())),
            (None, Some(_)) => {
                return Err(fault(mark, "columns count from 1, between delimiters; in fixed layouts at = <offset in bytes>"));
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err(fault(mark, "a mark stands at a byte (at) or is a column (column), and says what it is"));
            }
        }
    }
    if written.matches.is_none() && test.matches.is_none() && *written.at.get_ref() != Place::Each {
        // A pattern that the line must have to be read tells it apart, too.
        test.matches = written.pattern.as_ref().map(regex).transpose()?;
    }
    if *written.at.get_ref() == Place::Any && test.is_open() {
        return Err(fault(at, "a record at = \"any\" needs a sign of its own: starts_with, mark, matches, line or pattern"));
    }
    Ok(test)
}

fn encoded<T>(at: &Spanned<T>, text: &str, layout: &Layout) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    layout.dialect.encode(text, &mut bytes).map_err(|e| fault(at, e.to_string()))?;
    Ok(bytes)
}

/// Of several records at one place each but the last has a sign of its own: by words, or by its length.
fn told_apart(written: &LayoutSpec, layout: &mut Layout) -> Result<(), Fault> {
    let several = layout.each.len() > 1;
    for record in layout.each.iter_mut().filter(|_| several) {
        if record.test.is_open() {
            record.test.columns.clone_from(&record.counts);
            record.test.length = record.lengths.first().copied();
        }
    }
    let of = |place: Place| written.record.iter().filter(move |r| *r.get_ref().at.get_ref() == place);
    for (place, records) in [(Place::Each, &layout.each), (Place::Last, &layout.last)] {
        let open = records.iter().rev().skip(1).position(|r| r.test.is_open());
        if let Some(at) = open.and_then(|from_end| of(place).nth(records.len() - 2 - from_end)) {
            return Err(fault(
                &at.get_ref().at,
                "another record stands there already: this one needs starts_with, mark, matches or columns",
            ));
        }
    }
    for (place, records) in [(Place::First, &layout.first), (Place::Last, &layout.last)] {
        let unmarked = records.iter().position(|r| r.is_optional && r.test.is_open());
        if let Some(at) = unmarked.and_then(|i| of(place).nth(i)) {
            return Err(fault(at, "a record that may be missing needs starts_with, mark or matches"));
        }
    }
    Ok(())
}

fn titles(at: &Spanned<LayoutSpec>, layout: &Layout) -> Result<(), Fault> {
    if !layout.has_titles() {
        return Ok(());
    }
    let is_split = matches!(layout.syntax, Syntax::Delimited(_) | Syntax::Sheet);
    let [each] = layout.each.as_slice() else { return Err(fault(at, "a layout with titles has one repeated record")) };
    if !is_split || each.fields.iter().any(|f| f.title.is_none()) {
        return Err(fault(at, "titles belong to all columns of the repeated record of a delimited or sheet layout, or to none"));
    }
    Ok(())
}
