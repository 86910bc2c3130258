//! mqadmin, quickstart programs and benchmark tools.

pub mod admin;
pub mod example;
mod options;
mod out;
mod printf;
