//! Packages (.zip) around a data file, ours and a bank's: one member that is the file, under an agreed name. What a bank packs is
//! unpacked as a stream within bounds that are counted while it is read, never believed: a small package may claim, or hold,
//! any size. The package itself is held whole, so its own size is bounded too.

use std::io::{self, Cursor, Read, Write};

use regex::Regex;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::charset::Dialect;
use super::field::{BatchValue, Kind};
use super::summary::Echo;
use super::template::{PathToken, Piece, Recogniser};
use super::totals::{DigestKind, Tallier, Tally};

/// Bytes of one package.
const PACKED_MAX: u64 = 64 * 1024 * 1024;
/// Files in a package at most, those that mean nothing included.
const MEMBERS_MAX: usize = 16;
/// Unpacked megabytes, unless the profile says otherwise.
pub const MEGABYTES: u64 = 1024;
/// So many times larger may the member be than its packed bytes, unless the profile says otherwise. Padded columns pack well.
pub const RATIO: u64 = 200;
/// Below this nobody counts the ratio.
const SMALL: u64 = 1 << 20;
const MARK: [u8; 2] = *b"PK";

/// How our file is packed.
#[derive(Clone, Debug)]
pub struct Packing {
    /// The member's name.
    pub member: Vec<Piece<PathToken>>,
    /// Stored as it is, not compressed.
    pub is_stored: bool,
}

/// A package while it is made.
pub struct Packer(ZipWriter<Cursor<Vec<u8>>>);

impl Packer {
    /// Begins it. A package is a function of its member's name and bytes: no day stands in it.
    pub fn begin(member: &str, is_stored: bool) -> io::Result<Self> {
        let method = if is_stored { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        let options = SimpleFileOptions::default().compression_method(method).last_modified_time(DateTime::DEFAULT).unix_permissions(0o644);
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file(member, options)?;
        Ok(Self(zip))
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    /// The package's bytes.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        let bytes = self.0.finish()?.into_inner();
        if u64::try_from(bytes.len()).is_ok_and(|n| n <= PACKED_MAX) {
            Ok(bytes)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, format!("the package has more than {PACKED_MAX} bytes; set max_rows lower")))
        }
    }
}

/// How a package is read.
#[derive(Clone, Debug)]
pub struct Unpacking {
    /// What the member is called; values in its name must be those of our file.
    pub member: Recogniser,
    /// Other members that mean nothing.
    pub besides: Vec<Regex>,
    /// A file that is no package is read as it is.
    pub is_optional: bool,
    /// Unpacked bytes at most.
    pub bytes_max: u64,
    /// How many times larger than packed at most.
    pub ratio_max: u64,
    /// Of the names of members.
    pub dialect: Dialect,
}

/// What a package was.
#[derive(Debug, Default)]
pub struct Package {
    /// Counted over the package; `None` where the file was none.
    pub tally: Option<Tally>,
    /// What is wrong with it.
    pub problem: Option<String>,
    /// Values of our file that the member's name repeats.
    pub echoes: Vec<Echo>,
}

/// Unpacks as a stream into `read`.
///
/// # Errors
/// When the source fails. What is wrong with the package is said in what is given back.
pub fn unpack(
    rule: &Unpacking,
    digests: &[DigestKind],
    source: &mut dyn Read,
    read: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>,
) -> io::Result<Package> {
    let mut head = Vec::new();
    (&mut *source).take(2).read_to_end(&mut head)?;
    if rule.is_optional && head != MARK {
        read(&mut head.chain(source))?;
        return Ok(Package::default());
    }
    (&mut *source).take(PACKED_MAX - 1).read_to_end(&mut head)?;
    let mut tallier = Tallier::new(digests);
    tallier.update(&head);
    let mut package = Package { tally: Some(tallier.finish()), ..Package::default() };
    if u64::try_from(head.len()).map_or(true, |n| n > PACKED_MAX) {
        package.problem = Some(format!("the package has more than {PACKED_MAX} bytes"));
        return Ok(package);
    }
    let mut archive = match ZipArchive::new(Cursor::new(head)) {
        Ok(archive) => archive,
        Err(e) => {
            package.problem = Some(format!("is not a package (.zip) that can be read: {e}"));
            return Ok(package);
        }
    };
    let (number, name) = match choose(rule, &mut archive) {
        Ok(found) => found,
        Err(what) => {
            package.problem = Some(what);
            return Ok(package);
        }
    };
    package.echoes = echoes(rule, &name);
    let mut guarded = match archive.by_index(number) {
        Ok(member) => {
            let ratio = rule.ratio_max.saturating_mul(member.compressed_size()).max(SMALL);
            Guarded { left: rule.bytes_max.min(ratio), source: member, problem: None }
        }
        Err(e) => {
            package.problem = Some(format!("its member {name:?} cannot be unpacked: {e}"));
            return Ok(package);
        }
    };
    read(&mut guarded)?;
    package.problem = guarded.problem;
    Ok(package)
}

/// The one member that is the file: its number, and its name.
fn choose(rule: &Unpacking, archive: &mut ZipArchive<Cursor<Vec<u8>>>) -> Result<(usize, String), String> {
    if archive.len() > MEMBERS_MAX {
        return Err(format!("the package holds {} files; {MEMBERS_MAX} at most", archive.len()));
    }
    let mut chosen = None;
    for number in 0..archive.len() {
        let member = archive.by_index_raw(number).map_err(|e| format!("the package's list of files cannot be read: {e}"))?;
        let name = named(member.name_raw(), rule.dialect)?;
        if member.encrypted() {
            return Err(format!("its member {name:?} is encrypted"));
        }
        if member.is_dir() || member.is_symlink() {
            return Err(format!("its member {name:?} is no plain file"));
        }
        if rule.member.values(&name).is_none() {
            if rule.besides.iter().any(|p| p.is_match(&name)) {
                continue;
            }
            return Err(format!("its member {name:?} is not one that was agreed"));
        }
        let (packed, unpacked) = (member.compressed_size(), member.size());
        if unpacked > rule.bytes_max {
            return Err(format!("its member {name:?} says {unpacked} bytes unpacked; {} at most", rule.bytes_max));
        }
        if unpacked > SMALL && unpacked > rule.ratio_max.saturating_mul(packed) {
            return Err(format!("its member {name:?} says that it is more than {} times larger than packed", rule.ratio_max));
        }
        if chosen.replace((number, name)).is_some() {
            return Err("the package holds two files where one was agreed".to_owned());
        }
    }
    chosen.ok_or_else(|| "the package does not hold the file that was agreed".to_owned())
}

/// A member's name: in UTF-8, or in the profile's character set. It names no folder and leads nowhere.
fn named(raw: &[u8], dialect: Dialect) -> Result<String, String> {
    let mut scratch = String::new();
    let text = match std::str::from_utf8(raw) {
        Ok(text) => text.to_owned(),
        Err(_) => dialect.decode(raw, &mut scratch).map_err(|_| "a member's name is not text".to_owned())?.to_owned(),
    };
    let is_plain = !text.is_empty() && !text.contains(['/', '\\', ':']) && text != ".." && !text.chars().any(char::is_control);
    if is_plain { Ok(text) } else { Err(format!("a member is called {text:?}, which is no plain name")) }
}

fn echoes(rule: &Unpacking, name: &str) -> Vec<Echo> {
    let values = rule.member.values(name).unwrap_or_default();
    let echo = |(token, text): (&PathToken, &str)| {
        let (value, kind) = match token {
            PathToken::Date(format) => (BatchValue::Date, Kind::Date(format.clone())),
            PathToken::SeqNo(_) => (BatchValue::SeqNo, Kind::Integer),
            PathToken::UnitNo => (BatchValue::UnitNo, Kind::Text),
            PathToken::BatchNo => (BatchValue::BatchNo, Kind::Text),
            PathToken::Extra(extra) => (BatchValue::Extra(extra.clone()), Kind::Text),
            PathToken::Account | PathToken::Name | PathToken::Slice(..) | PathToken::Asked(_) => return None,
        };
        Some(Echo { value, kind, text: text.to_owned(), column: "the name of the package's member".to_owned() })
    };
    values.into_iter().filter_map(echo).collect()
}

/// Reads a member up to its bound. A fault in it ends it, and is remembered: it is the file's fault, not the disk's.
struct Guarded<R> {
    source: R,
    left: u64,
    problem: Option<String>,
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.problem.is_some() {
            return Ok(0);
        }
        match self.source.read(out) {
            Ok(read) => match self.left.checked_sub(u64::try_from(read).unwrap_or(u64::MAX)) {
                Some(left) => {
                    self.left = left;
                    Ok(read)
                }
                None => self.end("the package unpacks to more than was agreed".to_owned()),
            },
            Err(e) => self.end(format!("the package cannot be unpacked: {e}")),
        }
    }
}

impl<R> Guarded<R> {
    fn end(&mut self, what: String) -> io::Result<usize> {
        self.problem = Some(what);
        Ok(0)
    }
}
