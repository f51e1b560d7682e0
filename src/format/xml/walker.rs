//! Elements one after the other, each by its path of local names. What a schema could not mean is refused where it stands: a
//! document type, an entity of somebody's making, text between elements, a second root.

use std::fmt;
use std::io::{self, Read};

use quick_xml::Reader;
use quick_xml::errors::Error;
use quick_xml::events::{BytesStart, Event};

use super::source::{Charset, Place, Source, XmlFault};
use crate::format::totals::{Tallier, Tally};

/// No message nests deeper.
const DEPTH_MAX: usize = 64;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An element begins.
    Open,
    /// The element that the path names ends.
    Close,
    /// The document ends.
    End,
}

/// Why a walk stops.
#[derive(Debug)]
pub enum WalkError {
    /// The file is at fault.
    Fault(XmlFault),
    /// Reading failed.
    Io(io::Error),
}

impl From<XmlFault> for WalkError {
    fn from(fault: XmlFault) -> Self {
        Self::Fault(fault)
    }
}

struct Level {
    /// How long the path was before.
    before: usize,
    place: Place,
    has_children: bool,
}

/// Walks through a document.
pub struct Walker<'r> {
    reader: Reader<Source<'r>>,
    buffer: Vec<u8>,
    path: String,
    levels: Vec<Level>,
    text: String,
    attributes: Vec<(String, String)>,
    /// The element that was closed last is still on the path.
    is_closing: bool,
    /// The element opened last was `<x/>`.
    is_empty: bool,
    has_root: bool,
}

impl fmt::Debug for Walker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Walker at {}", self.path)
    }
}

impl<'r> Walker<'r> {
    /// Begins a walk.
    ///
    /// # Errors
    /// When the first bytes cannot be read, or say a character set that is not the agreed one.
    pub fn new(source: &'r mut dyn Read, charset: Charset, tallier: Tallier) -> Result<Self, WalkError> {
        let source = Source::new(source, charset, tallier).map_err(WalkError::Io)??;
        Ok(Self {
            reader: Reader::from_reader(source),
            buffer: Vec::new(),
            path: String::new(),
            levels: Vec::new(),
            text: String::new(),
            attributes: Vec::new(),
            is_closing: false,
            is_empty: false,
            has_root: false,
        })
    }

    /// Local names from the root to the current element, joined by `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The local name of the current element.
    pub fn name(&self) -> &str {
        self.path.rsplit_once('/').map_or(self.path.as_str(), |(_, name)| name)
    }

    /// How many elements are open.
    pub fn depth(&self) -> usize {
        self.levels.len()
    }

    /// The text of the element that closes, without blanks at its ends.
    pub fn text(&self) -> &str {
        self.text.trim_matches([' ', '\t', '\r', '\n'])
    }

    /// Whether the element that closes had none inside.
    pub fn is_leaf(&self) -> bool {
        self.levels.last().is_none_or(|l| !l.has_children)
    }

    /// An attribute of the element that was opened last, by its local name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Its attributes, without those that declare namespaces.
    pub fn attributes(&self) -> &[(String, String)] {
        &self.attributes
    }

    /// Where the current element begins.
    pub fn place(&self) -> Place {
        self.levels.last().map_or(self.reader.get_ref().place(), |l| l.place)
    }

    /// What is wrong at the current element.
    pub fn fault(&self, what: impl Into<String>) -> XmlFault {
        XmlFault { place: self.place(), what: what.into() }
    }

    /// What was counted.
    ///
    /// # Errors
    /// When reading the rest fails.
    pub fn finish(self) -> io::Result<Tally> {
        self.reader.into_inner().finish()
    }

    /// The next beginning or end.
    ///
    /// # Errors
    /// When the document is not sound, or reading fails.
    pub fn step(&mut self) -> Result<Step, WalkError> {
        if std::mem::take(&mut self.is_closing)
            && let Some(level) = self.levels.pop()
        {
            self.path.truncate(level.before);
            self.text.clear();
        }
        if std::mem::take(&mut self.is_empty) {
            self.is_closing = true;
            return Ok(Step::Close);
        }
        loop {
            self.buffer.clear();
            let mut buffer = std::mem::take(&mut self.buffer);
            self.reader.get_mut().renew();
            let from = self.reader.get_ref().place();
            let event = self.reader.read_event_into(&mut buffer);
            let step = match event {
                Ok(event) => self.event(&event, from),
                Err(error) => Err(self.refused(error, from)),
            };
            self.buffer = buffer;
            if let Some(step) = step? {
                return Ok(step);
            }
        }
    }

    fn refused(&mut self, error: Error, from: Place) -> WalkError {
        if let Some(fault) = self.reader.get_mut().take_fault() {
            return WalkError::Fault(fault);
        }
        match error {
            Error::Io(e) => WalkError::Io(io::Error::new(e.kind(), e.to_string())),
            Error::Syntax(_)
            | Error::IllFormed(_)
            | Error::InvalidAttr(_)
            | Error::Encoding(_)
            | Error::Escape(_)
            | Error::Namespace(_) => XmlFault { place: from, what: error.to_string() }.into(),
        }
    }

    fn event(&mut self, event: &Event<'_>, from: Place) -> Result<Option<Step>, WalkError> {
        let fault = |what: &str| XmlFault { place: from, what: what.to_owned() };
        match event {
            Event::Start(start) => self.open(start, from).map(|()| Some(Step::Open)),
            Event::Empty(start) => {
                self.open(start, from)?;
                self.is_empty = true;
                Ok(Some(Step::Open))
            }
            Event::End(_) => {
                self.is_closing = true;
                self.whole_or_between(from)?;
                Ok(Some(Step::Close))
            }
            Event::Text(text) => self.add(&text.xml10_content(), from).map(|()| None),
            Event::CData(text) => self.add(&text.xml10_content(), from).map(|()| None),
            Event::GeneralRef(reference) => {
                let found = match reference.resolve_char_ref() {
                    Ok(Some(found)) => Some(found),
                    Ok(None) => quick_xml::escape::resolve_xml_entity(reference).and_then(|text| text.chars().next()),
                    Err(error) => return Err(fault(&error.to_string()).into()),
                };
                let found =
                    found.ok_or_else(|| fault("refers to an entity that XML does not know by itself; entities are not expanded"))?;
                self.add(found.encode_utf8(&mut [0; 4]), from).map(|()| None)
            }
            Event::DocType(_) => Err(fault("has a document type (DTD), which no bank's message needs; it is refused").into()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => Ok(None),
            Event::Eof if !self.levels.is_empty() => Err(fault(&format!("ends inside <{}>: the file may be torn", self.name())).into()),
            Event::Eof if !self.has_root => Err(fault("holds no element").into()),
            Event::Eof => Ok(Some(Step::End)),
        }
    }

    fn open(&mut self, start: &BytesStart<'_>, place: Place) -> Result<(), WalkError> {
        self.whole_or_between(place)?;
        if self.levels.is_empty() && std::mem::replace(&mut self.has_root, true) {
            return Err(XmlFault { place, what: "has a second root element".to_owned() }.into());
        }
        if self.levels.len() >= DEPTH_MAX {
            return Err(XmlFault { place, what: format!("nests deeper than {DEPTH_MAX} elements") }.into());
        }
        if let Some(parent) = self.levels.last_mut() {
            parent.has_children = true;
        }
        self.levels.push(Level { before: self.path.len(), place, has_children: false });
        if !self.path.is_empty() {
            self.path.push('/');
        }
        self.path.push_str(start.local_name().as_ref());
        self.text.clear();
        self.attributes.clear();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|e| XmlFault { place, what: e.to_string() })?;
            let name: &str = attribute.key.as_ref();
            if name == "xmlns" || name.starts_with("xmlns:") {
                continue;
            }
            let value = quick_xml::escape::unescape(&attribute.value).map_err(|e| XmlFault { place, what: e.to_string() })?;
            let local: &str = name.rsplit_once(':').map_or(name, |(_, local)| local);
            self.attributes.push((local.to_owned(), value.into_owned()));
        }
        Ok(())
    }

    fn add(&mut self, text: &str, from: Place) -> Result<(), WalkError> {
        if self.levels.is_empty() && !is_blank(text) {
            return Err(XmlFault { place: from, what: "has text outside its root element".to_owned() }.into());
        }
        self.text.push_str(text);
        if self.text.len() > super::source::TEXT_MAX {
            return Err(XmlFault { place: from, what: "a text is longer than any value may be".to_owned() }.into());
        }
        Ok(())
    }

    /// Text stands in an element that has nothing else, or it is blank.
    fn whole_or_between(&mut self, place: Place) -> Result<(), WalkError> {
        let (is_close, has_children) = (self.is_closing, self.levels.last().is_some_and(|l| l.has_children));
        if is_close && !has_children {
            return Ok(());
        }
        if !is_blank(&self.text) {
            return Err(XmlFault { place, what: "text stands between elements, where none can mean anything".to_owned() }.into());
        }
        self.text.clear();
        Ok(())
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
}
