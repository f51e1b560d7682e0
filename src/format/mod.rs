//! (room)

/// Payment lists that departments bring.
pub mod list;
