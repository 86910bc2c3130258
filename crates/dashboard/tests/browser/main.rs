//! The page as a user has it: in a real browser, in front of a live cluster.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod login;
mod pages;
mod settings;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod webdriver;
mod writes;
