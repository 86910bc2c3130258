//! Producers and consumers for RocketMQ.
