//! An independent judge of a broker's history.
//!
//! A test tells it of every send that begins, every send that was acknowledged, every message that
//! was delivered and every consumer offset that was stored or read; and finally what the queues
//! hold. It knows nothing of sockets, files or our client: messages are recognised by their bodies,
//! which say who sent them and carry a checksum of their own. Its verdicts are [`Violation`]s.
//!
//! ```
//! use rocketmq_history::{History, MessageId, Place, Survival, body};
//!
//! let history = History::default();
//! let id = MessageId { producer: 1, number: 0 };
//! let place = Place::new("T", 0, 0);
//! history.begin(id, "T", 0);
//! history.acknowledged(id, &place, Survival::Always);
//! let kept = [(place, body::encode(id, 100))];
//! assert!(history.judge(&kept).violations.is_empty());
//! assert_eq!(history.judge(&[]).violations.len(), 1, "the message is lost");
//! ```

pub mod body;
mod judge;
mod record;

pub use judge::{Report, Violation};
pub use record::{History, MessageId, Place, Survival};
