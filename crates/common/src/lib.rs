//! Configuration tables, .properties files, the fastjson dialect, logs in logback's form, clock and host facts.

pub mod clock;
pub mod config;
pub mod durable;
pub mod fastjson;
pub mod home;
pub mod host;
pub mod java;
pub mod logging;
pub mod properties;
