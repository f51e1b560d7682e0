//! (room)
/// Facts to the words of a mail.
pub mod letters;
