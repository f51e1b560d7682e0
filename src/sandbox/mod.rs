//! (room)

/// Invented people, the lists about them, and what their banks know.
pub mod people;
