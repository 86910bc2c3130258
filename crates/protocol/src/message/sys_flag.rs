//! Bits of a message's sysFlag (contract `store.md` 3.2) and of a pull's (contract `requests.md` 2.1).

/// The body is zlib-compressed.
pub const COMPRESSED: i32 = 0x1;
/// The topic's filter type is MULTI_TAG.
pub const MULTI_TAGS: i32 = 0x2;
/// A half message.
pub const TRANSACTION_PREPARED: i32 = 0x4;
/// A committed message of a transaction.
pub const TRANSACTION_COMMIT: i32 = 0x8;
/// A rolled-back one.
pub const TRANSACTION_ROLLBACK: i32 = 0xC;
/// Where the transaction state lies.
pub const TRANSACTION_MASK: i32 = 0xC;
/// The born host is an IPv6 address.
pub const BORN_HOST_V6: i32 = 0x10;
/// The store host is an IPv6 address.
pub const STORE_HOST_V6: i32 = 0x20;

/// Pull: `commitOffset` is to be stored.
pub const PULL_COMMIT_OFFSET: i32 = 0x1;
/// Pull: wait for messages when there are none.
pub const PULL_SUSPEND: i32 = 0x2;
/// Pull: the subscription comes with the request.
pub const PULL_SUBSCRIPTION: i32 = 0x4;
/// Pull: class filter, which nothing serves any more.
pub const PULL_CLASS_FILTER: i32 = 0x8;
/// Pull: sent by a lite pull consumer.
pub const PULL_LITE: i32 = 0x10;
