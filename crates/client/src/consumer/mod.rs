//! Consumers (contract `client.md` 5 to 9).

mod allocate;
mod fetch;
mod figures;
mod group;
mod limits;
mod lite;
mod offsets;
mod process_queue;
mod pull;
mod pulling;
mod push;
mod rebalance;
mod schedule;
mod send_back;
mod stacks;
mod subscription;
mod tasks;

pub use allocate::{Allocation, RoomOf};
pub use fetch::PullStatus;
pub(crate) use fetch::Pulled;
pub use lite::{LitePullConsumer, LitePullConsumerBuilder};
pub use pull::{PullConsumer, PullConsumerBuilder, PullOutcome, QueueChange};
pub use push::{ConsumeStatus, Delivery, OrderlyStatus, PushConsumer, PushConsumerBuilder};
pub use schedule::{PullTask, ScheduledPullConsumer};
pub use subscription::MessageSelector;
