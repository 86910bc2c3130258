//! mqadmin, quickstart programs and benchmark tools.
