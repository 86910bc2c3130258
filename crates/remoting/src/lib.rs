//! Connections: framing, request/response matching, coalesced writes, back-pressure.
//!
//! One task drives one connection. It reads what the socket has, hands every complete frame to
//! the [`RequestHandler`], lets it finish the batch ([`RequestHandler::batch_end`]), and sends all
//! answers that are ready with one vectored write. Answers that come later, from any thread, go
//! through [`Deferred`] into the connection's queue and wake its task. Nothing here knows what a
//! frame means. Contract `wire.md` 7.

mod address_server;
mod call;
mod client;
pub mod config;
mod connection;
mod driver;
mod error;
mod outbound;
pub mod probe;
mod server;
pub mod signal;
pub mod tls;

pub use address_server::AddressServer;
pub use call::{Body, Call, Deferred, Request, RequestHook, Response};
pub use client::{ClientOptions, RemotingClient};
pub use connection::{CloseReason, Connection, Waiting};
pub use driver::{BatchFailed, DriverOptions, RequestHandler};
pub use error::RemotingError;
pub use server::{ConnectionCount, Server, ServerOptions};

/// Name of the logger whose lines remoting.log (broker) and namesrv.log hold.
pub const LOGGER: &str = "RocketmqRemoting";
