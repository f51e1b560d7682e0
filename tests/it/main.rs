//! The one integration-test binary: goldens, stories, transport, mail, the house rules.
#![cfg_attr(test, expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot set up its world should stop there"))]

mod config;
mod tidy;
mod unit;
mod lists;
mod people;
mod harness;
mod letters;
mod mail;
mod harness;
mod transport;
