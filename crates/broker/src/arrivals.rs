//! Who is told of messages as they become readable.

use std::sync::Arc;

use rocketmq_protocol::topic;
use rocketmq_store::{Arrival, ArrivalListener};

use crate::hold::PullHold;
use crate::schedule::Schedule;

/// Waiting pulls, and the delivery of delayed messages.
pub(crate) struct Arrivals {
    pub(crate) hold: Arc<PullHold>,
    pub(crate) schedule: Arc<Schedule>,
}

impl ArrivalListener for Arrivals {
    fn arrived(&self, arrival: Arrival<'_>) {
        if arrival.topic == topic::SCHEDULE {
            self.schedule.arrived(arrival.queue_id, arrival.queue_offset, arrival.tags_code);
        }
        self.hold.arrived(arrival);
    }
}
