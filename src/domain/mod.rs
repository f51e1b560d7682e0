//! Nouns. Nothing here reads a clock, a file, an environment or a database.

/// What a batch and its rows must satisfy.
pub mod batch;
/// Working days, cut-offs and windows.
pub mod calendar;
/// The projects that a list may name (补贴项目目录).
pub mod catalogue;
/// The links of the audit log.
pub mod chain;
/// Months and years that end at zero (清零).
pub mod closing;
/// What a bank is told, and what it says: the shapes that every profile maps to.
pub mod exchange;
/// Payment files and answer files, where they stand.
pub mod file;
/// Identity numbers (公民身份号码), references, digests.
pub mod ids;
/// One attempt to pay, and its only door between states.
pub mod instruction;
/// The ledger as another program reads it.
pub mod journal;
/// The language of what people read.
pub mod language;
/// Accounts, entries, movements.
pub mod ledger;
/// Names, identity numbers and cards that print masked.
pub mod masked;
/// Which line of a statement is which movement of ours.
pub mod matching;
/// What a database should remember of what was published.
pub mod memory;
/// Money: an integer count of fen (分).
pub mod money;
/// The result of a payout, published again.
pub mod publication;
/// Publishing as moves: shared by the pass, the store and the model.
pub mod publishing;
/// Why a payment failed, and what that asks of whom.
pub mod reason;
/// Why money goes back to the treasury, and what proves it.
pub mod refund;
/// What is told to departments, banks and finance IT: the facts, before anybody words them.
pub mod report;
/// A bank's words without the identities in them.
pub mod scrub;
/// Sums of statements' entries.
pub mod statement;
/// How each state is left: by itself, or by which commands.
pub mod stuck;
/// Instants and business dates.
pub mod time;
/// Is a day of an account in order.
pub mod verdict;
