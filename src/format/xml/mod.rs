//! XML, read as a stream and without trust: no document type, no entity but the five that XML knows by itself, no nesting
//! without end, no text without end. Prefixes and namespaces say nothing: an element is its local name and its place.

/// Bytes of any declared character set, as text, with line and column.
mod source;
/// Elements, one after the other.
pub mod walker;

pub use source::{Charset, Place, XmlFault};
pub use walker::{Step, WalkError, Walker};
