//! Codes, frames, headers, bodies and stored messages of RocketMQ 4.9.2: bytes only, no I/O.
//!
//! Every number and name on the wire is declared here once; encoders, decoders and tables derive
//! from these declarations. The byte layouts are those of the compatibility contract (`wire.md`,
//! `requests.md`, `store.md`).

pub mod body;
pub mod code;
pub mod fields;
pub mod frame;
pub mod header;
mod json_header;
pub mod language;
pub mod message;
mod text;
pub mod topic;
pub mod version;

pub use code::{RequestCode, ResponseCode};
pub use fields::{FieldValue, FieldWriter, Fields, HeaderError, HeaderFields, NoFields};
pub use frame::{Frame, FrameError, FrameHead, SerializeType};
pub use language::Language;
