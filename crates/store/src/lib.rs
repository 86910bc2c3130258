//! Commit log, consume queues, index, checkpoint: RocketMQ's files on disk.
