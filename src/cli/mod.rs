//! Door: a person's commands.

/// A city's subsidies for some working days, on one machine.
pub mod demo;
/// Pretend banks to try a configuration against.
pub mod sandbox;
