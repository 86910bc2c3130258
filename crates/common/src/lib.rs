//! Configuration tables, .properties files, the fastjson dialect, logs in logback's form, clock and host facts.

pub mod config;
pub mod durable;
pub mod fastjson;
pub mod java;
pub mod properties;
