//! XML, read as a stream and without trust: no document type, no entity but the five that XML knows by itself, no nesting
//! without end, no text without end. Prefixes and namespaces say nothing: an element is its local name and its place.

/// A document laid over the fields of its layout.
pub(super) mod explain;
/// The paths of a layout.
pub(super) mod layout;
/// Elements in.
pub(super) mod read;
/// Bytes of any declared character set, as text, with line and column.
mod source;
/// Elements, one after the other.
pub mod walker;
/// Elements out.
pub(super) mod write;

pub use source::{Charset, Place, XmlFault};
pub use walker::{Step, WalkError, Walker};
