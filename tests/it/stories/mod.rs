//! Stories: what must hold when people, banks and crashes do what they do, told through the real passes over a real store.

pub mod bank;
pub mod papers;
pub mod world;

mod absent;
mod acts;
mod answers;
pub mod cases;
pub mod close;
mod doctor;
mod enquiries;
mod evidence;
mod files;
mod forgotten;
mod funds;
mod gate;
mod growth;
mod history;
mod incidents;
mod iso;
mod late;
mod order;
mod packages;
mod parted;
mod parts;
mod permuted;
mod publication;
mod race;
pub mod reconcile;
pub mod refund;
mod returns;
mod reversal;
mod settlement;
mod sheets;
mod stuck;
mod substitute;
mod times;
