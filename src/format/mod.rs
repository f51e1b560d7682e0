//! Shapes: bytes to records and back, driven by a bank's profile. A bank is data: everything that tells one bank from
//! another stands in its `profile.toml`, and this room knows none of them.
//!
//! The way of a profile: [`Profile::load`] reads it once into a plan and refuses what does not add up; after that
//! [`Profile::renderer`] and [`Profile::parse`] stream, in bounded memory, whatever the file's size. Parsing gives records
//! *and* faults: one bad line never hides the others. Nothing here reads a clock or decides what an answer does to money.

/// What an answer set leaves out.
pub mod absent;
/// How banks write money.
mod amount;
/// One line's columns, understood.
mod cells;
/// Character sets: strict, and careful with what banks misread.
pub mod charset;
/// One column of ours, written.
mod columns;
/// A payment file by what stands in it.
pub mod contents;
/// How banks write days.
mod date;
/// Bytes laid over fields.
pub mod explain;
/// What a column may hold.
mod field;
/// The checks of a profile's files.
mod files;
/// Which record a line is.
mod find;
/// Flag files.
mod flag;
/// The onboarding pack of a bank.
pub mod kit;
/// Its words.
mod kit_words;
/// Lines and columns.
mod layout;
/// Lines out of a stream of bytes.
mod lines;
/// Status map and reason map.
mod meaning;
/// Packages around a file.
mod package;
/// Bytes to records.
mod parse;
/// The written profile, checked.
mod plan;
/// A bank's profile: the one door to this room.
pub mod profile;
/// The checks of a layout's records.
mod records;
/// Records to bytes.
pub mod render;
/// Two files that say the same.
mod same;
/// The language for editors.
mod schema;
/// Workbooks of banks.
mod sheet;
/// The language of `profile.toml`.
mod spec;
/// Account statements: camt and MT.
pub mod statement;
/// Characters of names, written as agreed.
mod substitute;
/// What reading a file gives.
pub mod summary;
/// Where the tables called GBK and GB18030 part.
mod tables;
/// Templates for names, flags and composed texts.
mod template;
/// What the format tools show and compare.
pub mod tool;
/// Counts, sums, digests.
pub mod totals;

pub use absent::{LeftOut, left_out};
pub use charset::{Dialect, fold_name};
pub use contents::Contents;
pub use profile::{
    Absence, BindingKey, DebitModel, Exchange, InboundName, NameError, OutboundNames, Profile, ProfileError, PublishMode, Readiness,
    Response, ReturnSemantics, RoleSpec,
};
pub use render::{FieldFault, RenderError, Rendered, Renderer};
pub use same::same_contents;
pub use schema::profile_schema;
pub use substitute::Substituted;
pub use summary::{Echo, FileWord, LineFault, ParseSummary, Parsed};
pub use totals::{DigestKind, Tallier, Tally, Totals};
/// What is carried over from the channel before.
pub mod carried;
/// Failure workbooks that come back filled in.
pub mod correction;
/// Lists that departments bring.
pub mod list;
/// Workbooks.
pub mod workbook;
/// XML, as a stream.
pub mod xml;
