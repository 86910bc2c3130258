//! Who is told of messages as they become readable.

use std::sync::Arc;

use rocketmq_protocol::topic;
use rocketmq_replication::Replicas;
use rocketmq_store::{Arrival, ArrivalListener};

use crate::filters::Filters;
use crate::hold::PullHold;
use crate::schedule::Schedule;

/// Waiting pulls, the delivery of delayed messages, and slaves.
pub(crate) struct Arrivals {
    pub(crate) hold: Arc<PullHold>,
    /// None on a slave: its master delivers.
    pub(crate) schedule: Option<Arc<Schedule>>,
    pub(crate) replicas: Arc<Replicas>,
    /// The filters whose bit maps are kept, with `enableCalcFilterBitMap`.
    pub(crate) filters: Option<Arc<Filters>>,
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

    fn bit_map(&self, topic: &str, properties: &[u8]) -> Vec<u8> {
        let filters = self.filters.as_ref();
        filters.map(|filters| filters.bit_map(topic, properties)).unwrap_or_default()
    }

    fn written(&self, _end: i64) {
        self.replicas.wake();
    }
}
