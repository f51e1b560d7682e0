//! Door: a person's commands.

/// A city's subsidies for some working days, on one machine.
pub mod demo;
