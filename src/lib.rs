//! bankgate: the bank-facing edge of a city's subsidy payments (惠民惠农补贴“一卡通”).
//!
//! Read in this order; `src/README.md` is the map.

/// Door: a person's commands.
pub mod cli;
/// Wire: the only reader of the system clock.
pub mod clock;
/// The configuration file: read, checked, explained.
pub mod config;
/// Door: the long-running loop over the passes.
pub mod daemon;
/// Nouns: money, dates, states, reasons, accounts. Pure.
pub mod domain;
/// Shapes: bytes to records and back, driven by a bank's profile. Pure.
pub mod format;
/// Wire: outgoing mail.
pub mod mail;
/// Verbs: what the gateway does, one pass a step of a payment's way.
pub mod passes;
/// Door: pretend banks behind a real SFTP server, for the demo and for trying things out.
pub mod sandbox;
/// Wire: the database, and the only SQL.
pub mod store;
/// Wire: the banks' mailboxes, over SFTP or a directory.
pub mod transport;
