//! The one integration-test binary: goldens, stories, transport, mail, the house rules.
#![cfg_attr(test, expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot set up its world should stop there"))]

mod audit;
mod config;
mod corrections;
mod demo;
mod desk;
mod expected;
mod failover;
mod format;
mod fuzz;
mod harness;
mod incidents;
mod kill;
mod ledger;
mod letters;
mod lists;
mod mail;
mod model;
mod people;
mod publish;
mod reconcile;
mod refund;
mod reports;
mod sandbox;
mod sandbox_settlement;
mod service;
mod socket;
mod statement;
mod store;
mod stories;
mod switch;
mod tidy;
mod transport;
mod unit;
