//! Codes, frames, headers, bodies and stored messages of RocketMQ 4.9.2: bytes only, no I/O.
