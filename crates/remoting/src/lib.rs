//! Connections: framing, request/response matching, coalesced writes, back-pressure, TLS detection.
