//! Who is told of messages as they become readable.

use std::sync::Arc;

use rocketmq_protocol::topic;
use rocketmq_replication::Replicas;
use rocketmq_store::{Arrival, ArrivalListener};

use crate::hold::PullHold;
use crate::schedule::Schedule;

/// Waiting pulls, the delivery of delayed messages, and slaves.
pub(crate) struct Arrivals {
    pub(crate) hold: Arc<PullHold>,
    /// None on a slave: its master delivers.
    pub(crate) schedule: Option<Arc<Schedule>>,
    pub(crate) replicas: Arc<Replicas>,
}

impl ArrivalListener for Arrivals {
    fn arrived(&self, arrival: Arrival<'_>) {
        if let Some(schedule) = &self.schedule
            && arrival.topic == topic::SCHEDULE
        {
            schedule.arrived(arrival.queue_id, arrival.queue_offset, arrival.tags_code);
        }
        self.hold.arrived(arrival);
    }

    fn written(&self, _end: i64) {
        self.replicas.wake();
    }
}
