//! What several tests set up: servers of the outside world, real ones wherever they can be had.

/// A real relay with STARTTLS and login.
pub mod smtp;
