//! The checks of a profile's files: what we send, what the bank sends, by which names, and what its statuses mean.

use std::collections::HashMap;

use toml::Spanned;

use super::flag::FlagPattern;
use super::layout::Layout;
use super::meaning::{Meaning, ReasonMap, StatusMap, StatusRule, StatusTest};
use super::package::{MEGABYTES, Packing, RATIO, Unpacking};
use super::plan::{Content, Enquiry, Fault, Inbound, Request, RowMeaning, fault, regex, whole_regex};
use super::spec::{InboundSpec, Spec, StatusSpec, ZipSpec};
use super::template::{self, PathToken, Piece, Recogniser};
use super::totals::DigestKind;
use crate::domain::exchange::{InboundKind, Outcome};
use crate::domain::reason::ReasonClass;

/// A profile's parts that its files refer to.
pub struct Scope<'a> {
    pub spec: &'a Spec,
    pub names: &'a [&'a str],
    pub layouts: &'a [Layout],
    pub layout_numbers: &'a HashMap<&'a str, usize>,
}

impl Scope<'_> {
    fn path(&self, text: &Spanned<String>) -> Result<Vec<Piece<PathToken>>, Fault> {
        let pieces = template::parse(text.get_ref(), &|n, f| PathToken::read(n, f, self.names)).map_err(|what| fault(text, what))?;
        if pieces.iter().any(|p| matches!(p, Piece::Optional(_))) {
            return Err(fault(text, "[ ] has no place in a path"));
        }
        let is_escaping = text.get_ref().starts_with('/') || text.get_ref().split('/').any(|part| part == ".." || part == ".");
        if is_escaping || text.get_ref().contains('\\') {
            return Err(fault(text, "a path is relative, and stays below the bank's folder"));
        }
        Ok(pieces)
    }

    fn flag(&self, text: &Spanned<String>) -> Result<FlagPattern, Fault> {
        FlagPattern::new(text.get_ref(), self.spec.charset, self.names).map_err(|what| fault(text, what))
    }

    fn flag_of_ours(&self, text: &Spanned<String>) -> Result<FlagPattern, Fault> {
        let flag = self.flag(text)?;
        flag.cannot_render().map_or(Ok(flag), |what| Err(fault(text, what)))
    }

    fn layout_number(&self, name: &Spanned<String>) -> Result<usize, Fault> {
        self.layout_numbers.get(name.get_ref().as_str()).copied().ok_or_else(|| {
            let mut known: Vec<&str> = self.layout_numbers.keys().copied().collect();
            known.sort_unstable();
            fault(name, format!("there is no layout {:?}; allowed: {}", name.get_ref(), known.join(", ")))
        })
    }

    pub fn request(&self) -> Result<Request, Fault> {
        let at = &self.spec.request;
        let written = at.get_ref();
        let layout = self.layout_number(&written.layout)?;
        if let Some(what) = self.layouts.get(layout).and_then(Layout::cannot_render) {
            return Err(fault(&written.layout, what));
        }
        let of_ours = |pieces: &[Piece<PathToken>], text: &Spanned<String>, allows_name: bool| {
            let bad = pieces.iter().find(|p| match p {
                Piece::Value(PathToken::Account | PathToken::Asked(_)) => true,
                Piece::Value(PathToken::Name | PathToken::Slice(..)) => !allows_name,
                Piece::Value(_) | Piece::Literal(_) | Piece::Optional(_) => false,
            });
            bad.map_or(Ok(()), |_| Err(fault(text, "{account} belongs to statements, {asked} to enquiries, {name} to flag_name and key")))
        };
        let (dir, name, key) = (self.path(&written.dir)?, self.path(&written.name)?, self.path(&written.key)?);
        of_ours(&dir, &written.dir, false)?;
        of_ours(&name, &written.name, false)?;
        of_ours(&key, &written.key, true)?;
        if written.name.get_ref().contains('/') || written.name.get_ref().is_empty() {
            return Err(fault(&written.name, "a name is not empty and has no /; folders stand in dir"));
        }
        let (flag_name, flag) = match (&written.flag_name, &written.flag) {
            (None, None) => (None, None),
            (Some(name), Some(flag)) => (Some(self.path(name)?), Some(self.flag_of_ours(flag)?)),
            (Some(one), None) | (None, Some(one)) => return Err(fault(one, "flag_name and flag stand together or not at all")),
        };
        let zip = written.zip.as_ref().map(|zip| self.packed(zip, &name)).transpose()?;
        Ok(Request { dir, name, key, flag_name, flag, layout, zip })
    }

    /// What we ask, and that somebody reads the answer.
    pub fn enquiry(&self, inbound: &[Inbound]) -> Result<Option<Enquiry>, Fault> {
        let answer = self.spec.inbound.iter().find(|i| i.get_ref().kind == InboundKind::Enquiry);
        let Some(at) = &self.spec.enquiry else {
            return match answer {
                Some(answer) => Err(fault(answer, "an answer to an enquiry needs [enquiry], which says how we ask")),
                None => Ok(None),
            };
        };
        let written = at.get_ref();
        let has_answer = inbound.iter().any(|i| i.kind == InboundKind::Enquiry && matches!(i.content, Content::Lines { .. }));
        if !has_answer {
            return Err(fault(at, "no [[inbound]] of kind enquiry: nobody would read what the bank answers"));
        }
        let layout = self.layout_number(&written.layout)?;
        if let Some(what) = self.layouts.get(layout).and_then(Layout::cannot_render) {
            return Err(fault(&written.layout, what));
        }
        let (dir, name) = (self.path(&written.dir)?, self.path(&written.name)?);
        for (pieces, text) in [(&dir, &written.dir), (&name, &written.name)] {
            if pieces.iter().any(|p| matches!(p, Piece::Value(PathToken::Account))) {
                return Err(fault(text, "{account} belongs to statements"));
            }
        }
        if written.name.get_ref().contains('/') || written.name.get_ref().is_empty() {
            return Err(fault(&written.name, "a name is not empty and has no /; folders stand in dir"));
        }
        if !name.iter().any(|p| matches!(p, Piece::Value(PathToken::Asked(_)))) {
            return Err(fault(&written.name, "the name needs {asked:MMdd} or another day of asking: the next enquiry has another name"));
        }
        Ok(Some(Enquiry { dir, name, layout }))
    }

    pub fn inbounds(&self, request: &Request) -> Result<Vec<Inbound>, Fault> {
        let mut out: Vec<Inbound> = Vec::new();
        for at in &self.spec.inbound {
            let built = self.inbound(at.get_ref(), request)?;
            if out.iter().any(|i| i.kind == built.kind && i.role == built.role) {
                return Err(fault(&at.get_ref().role, "this kind has another file of the same role"));
            }
            out.push(built);
        }
        self.flags_speak_of_data(&mut out)?;
        let digests: Vec<((InboundKind, String), Vec<DigestKind>)> = out
            .iter()
            .filter_map(|i| match &i.content {
                Content::Flag(flag, of) => Some(((i.kind, of.clone()), flag.digests())),
                Content::Lines { .. } | Content::Statement(_) => None,
            })
            .collect();
        for file in &mut out {
            if let Content::Lines { digests: asked, .. } = &mut file.content {
                let is_asked = |of: &&((InboundKind, String), Vec<DigestKind>)| of.0.0 == file.kind && of.0.1 == file.role;
                *asked = digests.iter().filter(is_asked).flat_map(|(_, d)| d.iter().copied()).collect();
            }
        }
        Ok(out)
    }

    /// A flag speaks of the role that it names, else of the first data file of its kind; no file has two.
    fn flags_speak_of_data(&self, files: &mut [Inbound]) -> Result<(), Fault> {
        let mut taken: Vec<(InboundKind, String)> = Vec::new();
        for (at, number) in self.spec.inbound.iter().zip(0..) {
            let written = at.get_ref();
            if written.flag.is_none() {
                if let Some(of) = &written.of {
                    return Err(fault(of, "of stands beside flag: it says which file the flag speaks of"));
                }
                continue;
            }
            let data: Vec<String> = files
                .iter()
                .filter(|i| i.kind == written.kind && !matches!(i.content, Content::Flag(..)))
                .map(|i| i.role.clone())
                .collect();
            let of = match &written.of {
                Some(of) if data.contains(of.get_ref()) => of.get_ref().clone(),
                Some(of) => return Err(fault(of, format!("there is no such data file of this kind; allowed: {}", data.join(", ")))),
                None => data.first().cloned().ok_or_else(|| fault(&written.role, "a flag needs a data file of the same kind"))?,
            };
            let place = (written.kind, of.clone());
            if taken.contains(&place) {
                return Err(fault(&written.role, format!("the file {of:?} has a flag already; of = \"<role>\" names another")));
            }
            taken.push(place);
            if let Some(Content::Flag(_, speaks_of)) = files.get_mut(number).map(|i| &mut i.content) {
                *speaks_of = of;
            }
        }
        Ok(())
    }

    /// How our file is packed, and how that is read again.
    fn packed(&self, at: &Spanned<ZipSpec>, name: &[Piece<PathToken>]) -> Result<(Packing, Unpacking), Fault> {
        let written = at.get_ref();
        let theirs = [written.max_megabytes.as_ref().map(Spanned::span), written.max_ratio.as_ref().map(Spanned::span)];
        let theirs = theirs.into_iter().chain([written.optional.as_ref().map(Spanned::span), written.besides.as_ref().map(Spanned::span)]);
        if let Some(span) = theirs.flatten().next() {
            return Err(Fault { span, what: "optional, besides, max_megabytes and max_ratio are for what a bank packs".to_owned() });
        }
        let (member, unpacking) = self.member(written, name)?;
        Ok((Packing { member, is_stored: written.store.as_ref().is_some_and(|s| *s.get_ref()) }, unpacking))
    }

    /// How a bank's file is unpacked.
    fn unpacked(&self, at: &Spanned<ZipSpec>, request: &Request) -> Result<Unpacking, Fault> {
        let written = at.get_ref();
        if let Some(store) = &written.store {
            return Err(fault(store, "store is for what we pack; a bank's is read either way"));
        }
        let (_, mut unpacking) = self.member(written, &request.name)?;
        unpacking.is_optional = written.optional.as_ref().is_some_and(|o| *o.get_ref());
        for pattern in written.besides.iter().flat_map(Spanned::get_ref) {
            unpacking.besides.push(whole_regex(pattern)?);
        }
        for (bound, most) in [(&written.max_megabytes, 1 << 20), (&written.max_ratio, 1 << 20)] {
            if let Some(bound) = bound.as_ref().filter(|b| *b.get_ref() == 0 || *b.get_ref() > most) {
                return Err(fault(bound, format!("a bound is a number from 1 to {most}")));
            }
        }
        let megabytes = written.max_megabytes.as_ref().map_or(MEGABYTES, |m| *m.get_ref());
        unpacking.bytes_max = megabytes << 20;
        unpacking.ratio_max = written.max_ratio.as_ref().map_or(RATIO, |r| *r.get_ref());
        Ok(unpacking)
    }

    fn member(&self, written: &ZipSpec, name: &[Piece<PathToken>]) -> Result<(Vec<Piece<PathToken>>, Unpacking), Fault> {
        let text = &written.member;
        let member = self.path(text)?;
        let is_alien = |p: &Piece<PathToken>| matches!(p, Piece::Value(PathToken::Account | PathToken::Asked(_)));
        if text.get_ref().is_empty() || text.get_ref().contains('/') || member.iter().any(is_alien) {
            return Err(fault(text, "a member has a plain name: no folder, no {account}, no {asked}"));
        }
        let known = written_out(&member, name).map_err(|what| fault(text, what))?;
        let recogniser = Recogniser::new(&known, &[], &|extra| self.pattern_of(extra)).map_err(|what| fault(text, what))?;
        let unpacking = Unpacking {
            member: recogniser,
            besides: Vec::new(),
            is_optional: false,
            bytes_max: MEGABYTES << 20,
            ratio_max: RATIO,
            dialect: self.spec.charset,
        };
        Ok((member, unpacking))
    }

    fn pattern_of(&self, extra: &str) -> String {
        self.spec.extra.get(extra).map_or_else(String::new, |e| format!("(?:{})", e.get_ref().pattern.get_ref()))
    }

    fn inbound(&self, written: &InboundSpec, request: &Request) -> Result<Inbound, Fault> {
        let path = self.of_request(&written.path, request)?;
        let key = match &written.key {
            Some(key) => self.of_request(key, request)?,
            None if written.kind == InboundKind::Statement => return Err(fault(&written.path, "a statement needs a key of its own")),
            None => written_out(&request.key, &request.name).map_err(|what| fault(&written.path, what))?,
        };
        let recogniser = Recogniser::new(&path, &key, &|extra| self.pattern_of(extra)).map_err(|what| fault(&written.path, what))?;
        let dir = directory(&path);
        if dir.iter().any(|p| matches!(p, Piece::Value(t) if !matches!(t, PathToken::Date(_)))) {
            return Err(fault(&written.path, "a folder may carry dates only: it is listed before any file is known"));
        }
        let mut content = self.content(written)?;
        if let Some(at) = &written.zip {
            let Content::Lines { zip, .. } = &mut content else { return Err(fault(at, "what is packed is a data file with a layout")) };
            *zip = Some(Box::new(self.unpacked(at, request)?));
        }
        Ok(Inbound { kind: written.kind, role: written.role.get_ref().clone(), dir, recogniser, required: written.required, content })
    }

    fn of_request(&self, text: &Spanned<String>, request: &Request) -> Result<Vec<Piece<PathToken>>, Fault> {
        written_out(&self.path(text)?, &request.name).map_err(|what| fault(text, what))
    }

    fn content(&self, written: &InboundSpec) -> Result<Content, Fault> {
        if let Some(form) = &written.form {
            let beside = [&written.layout, &written.flag, &written.status, &written.file_status].into_iter().flatten().next();
            return match (written.kind, beside, &written.outcome) {
                (InboundKind::Statement, None, None) => Ok(Content::Statement(*form.get_ref())),
                (InboundKind::Statement, Some(other), _) => Err(fault(other, "a statement has a form of its own, or a layout, not both")),
                (InboundKind::Statement, None, Some(outcome)) => Err(fault(outcome, "a statement's entries have no outcome")),
                (InboundKind::Ack | InboundKind::Result | InboundKind::Return | InboundKind::Enquiry, ..) => {
                    Err(fault(form, "camt and MT are forms of statements"))
                }
            };
        }
        let name = match (&written.layout, &written.flag) {
            (Some(name), None) => name,
            (None, Some(flag)) => return self.flag(flag).map(|f| Content::Flag(f, String::new())),
            (Some(_), Some(flag)) => return Err(fault(flag, "a file is data (layout) or a flag (flag), not both")),
            (None, None) => return Err(fault(&written.role, "a file needs a layout, or a flag; a statement may have a form instead")),
        };
        let layout = self.layout_number(name)?;
        let meaning = match (written.kind, &written.status, &written.outcome) {
            (InboundKind::Statement, None, None) => RowMeaning::None,
            (InboundKind::Statement, Some(status), _) => return Err(fault(status, "a statement's entries have no status")),
            (InboundKind::Statement, None, Some(outcome)) => return Err(fault(outcome, "a statement's entries have no outcome")),
            (_, Some(status), None) => RowMeaning::Status(self.status_map(status)?),
            (_, None, Some(outcome)) => {
                let Some(is_final) = &written.is_final else {
                    return Err(fault(outcome, "an outcome needs final = true or false beside it"));
                };
                let meaning = Meaning { outcome: *outcome.get_ref(), is_final: *is_final.get_ref() };
                RowMeaning::File(checked(meaning, outcome)?)
            }
            (_, Some(status), Some(_)) => return Err(fault(status, "a file has a status map or one outcome, not both")),
            (_, None, None) => return Err(fault(&written.role, "a file of answers needs status = \"<map>\" or outcome")),
        };
        let says_paid = match &meaning {
            RowMeaning::Status(map) => map.rules.iter().any(|r| was_credited(r.meaning.outcome)),
            RowMeaning::File(meaning) => was_credited(meaning.outcome),
            RowMeaning::None => false,
        };
        if written.kind == InboundKind::Ack && says_paid {
            return Err(fault(&written.role, "an ack speaks of the file: it is accepted, failed or unknown, never paid"));
        }
        if let (None, Some(is_final)) = (&written.outcome, &written.is_final) {
            return Err(fault(is_final, "final stands beside outcome only; a status map has its own"));
        }
        let needs = match &meaning {
            RowMeaning::Status(map) if map.needs_status() => Some("status"),
            RowMeaning::Status(_) | RowMeaning::File(_) | RowMeaning::None => None,
        };
        if let Some(what) = self.layouts.get(layout).and_then(|l| l.cannot_answer(written.kind, needs)) {
            return Err(fault(name, what));
        }
        let levels = written.file_status.as_ref().map(|name| self.status_map(name)).transpose()?;
        if levels.is_none() && self.layouts.get(layout).is_some_and(Layout::has_levels) {
            return Err(fault(name, "the layout reads file_status or group_status: file_status = \"<map>\" says what they mean"));
        }
        Ok(Content::Lines { layout, meaning, levels, digests: Vec::new(), zip: None })
    }

    fn status_map(&self, name: &Spanned<String>) -> Result<StatusMap, Fault> {
        let rules = self.spec.status.get(name.get_ref()).ok_or_else(|| {
            let known: Vec<&str> = self.spec.status.keys().map(String::as_str).collect();
            fault(name, format!("there is no status map {:?}; allowed: {}", name.get_ref(), known.join(", ")))
        })?;
        let mut map = StatusMap::default();
        for rule in rules {
            if map.rules.last().is_some_and(|r| matches!(r.test, StatusTest::Otherwise) && r.codes.is_none() && r.text.is_none()) {
                return Err(fault(rule, "is never reached: the rule before it takes every status"));
            }
            map.rules.push(status_rule(rule)?);
        }
        if map.rules.is_empty() {
            return Err(fault(name, "the status map has no rules"));
        }
        Ok(map)
    }

    /// A code whose reason says "the outcome is unknown" must not be a final failure in a status map: it would free a
    /// claim for a second payment.
    pub fn finality_of_doubtful_reasons(&self, file: &Inbound, reasons: &ReasonMap) -> Result<(), Fault> {
        let Content::Lines { layout, meaning: RowMeaning::Status(map), .. } = &file.content else { return Ok(()) };
        let has_code_column = self.layouts.get(*layout).is_some_and(Layout::has_code_column);
        let frees = |status: &str, code: &str| map.decide(status, code, "").is_some_and(|m| m.outcome == Outcome::Failed && m.is_final);
        for (code, reason) in reasons.codes() {
            let is_final_failure = if has_code_column { map.named().any(|s| frees(s, code)) } else { frees(code, code) };
            if reason.class() == ReasonClass::Enquire && is_final_failure {
                let place = self.spec.reason.iter().flat_map(|r| r.get_ref().codes.iter()).find(|c| c.get_ref() == code);
                let what = format!(
                    "the code {code:?} means {} (the outcome is unknown), and the status map makes it a final failure; list it there as unknown",
                    reason.code()
                );
                return Err(Fault { span: place.map_or(0..0, Spanned::span), what });
            }
        }
        Ok(())
    }
}

fn status_rule(at: &Spanned<StatusSpec>) -> Result<StatusRule, Fault> {
    let written = at.get_ref();
    let test = match (&written.is, &written.matches, written.otherwise) {
        (Some(list), None, false) => StatusTest::Is(list.clone()),
        (None, Some(pattern), false) => StatusTest::Matches(whole_regex(pattern)?),
        (None, None, true) => StatusTest::Otherwise,
        _ => return Err(fault(at, "a status rule has exactly one of is = [..], matches = \"..\", otherwise = true")),
    };
    let (codes, text) = (written.codes.clone(), written.text.as_ref().map(regex).transpose()?);
    let meaning = checked(Meaning { outcome: written.outcome, is_final: written.is_final }, at)?;
    Ok(StatusRule { test, codes, text, meaning })
}

fn checked<T>(meaning: Meaning, at: &Spanned<T>) -> Result<Meaning, Fault> {
    match (meaning.outcome, meaning.is_final) {
        (Outcome::Unknown, true) => Err(fault(at, "what is unknown cannot be final")),
        (Outcome::Returned, false) => Err(fault(at, "what was sent back was sent back: returned must be final")),
        (Outcome::Unknown, false) | (Outcome::Returned, true) | (Outcome::Accepted | Outcome::Paid | Outcome::Failed, _) => Ok(meaning),
    }
}

const fn was_credited(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Paid | Outcome::Returned)
}

/// A template with the request's `{name}`, or a slice of it, written out: so the bank's names are told from ours.
fn written_out(template: &[Piece<PathToken>], name: &[Piece<PathToken>]) -> Result<Vec<Piece<PathToken>>, String> {
    let mut out = Vec::new();
    for piece in template {
        match piece {
            Piece::Value(PathToken::Name) => out.extend_from_slice(name),
            Piece::Value(PathToken::Slice(head, tail)) => out.extend(template::slice_of(name, *head, *tail)?),
            Piece::Value(_) | Piece::Literal(_) | Piece::Optional(_) => out.push(piece.clone()),
        }
    }
    Ok(out)
}

/// The part of a path before its last `/`.
fn directory(path: &[Piece<PathToken>]) -> Vec<Piece<PathToken>> {
    let last = path.iter().enumerate().rev().find_map(|(i, p)| match p {
        Piece::Literal(text) => text.rfind('/').map(|at| (i, text.get(..at).unwrap_or_default())),
        Piece::Value(_) | Piece::Optional(_) => None,
    });
    let Some((i, head)) = last else { return Vec::new() };
    let mut out: Vec<Piece<PathToken>> = path.iter().take(i).cloned().collect();
    if !head.is_empty() {
        out.push(Piece::Literal(head.to_owned()));
    }
    out
}
