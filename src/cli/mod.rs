//! Door: a person's commands.

/// A city's subsidies for some working days, on one machine.
pub mod demo;
/// An invented county: its people, the lists its departments bring, the accounts its banks keep.
pub mod people;
/// Pretend banks to try a configuration against.
pub mod sandbox;
