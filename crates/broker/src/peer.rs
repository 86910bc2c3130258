//! A slave's way to ask a master whether it is one of ours, and how it stands.

use std::sync::Arc;

use bytes::Bytes;
use rocketmq_common::fastjson;
use rocketmq_protocol::body::VersionedOffsets;
use rocketmq_protocol::header::{
    ReplicaStateRequestHeader, ReplicaStateResponseHeader, replica_state,
};
use rocketmq_protocol::{Frame, RequestCode, ResponseCode};
use rocketmq_remoting::Request;
use rocketmq_replication::{Greeting, MasterLine};

use crate::context::BrokerContext;
use crate::processor::pull;

/// The line of a slave to its master.
pub(crate) struct Line(pub(crate) Arc<BrokerContext>);

/// Why a master did not answer as one of ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoPeer {
    #[error("the master is not one of ours")]
    Foreign,
    #[error("{0}")]
    Unreachable(String),
}

impl Line {
    async fn ask(
        &self,
        about: &str,
        (from, count): (i64, i32),
        body: Vec<u8>,
    ) -> Result<Frame, NoPeer> {
        let context = &self.0;
        let none = || NoPeer::Unreachable("the master's address is not known".to_string());
        let master = context.master.peer_address().filter(|master| *master != context.address());
        let master = master.ok_or_else(none)?;
        let own = context.settings();
        let address = context.address();
        let header = ReplicaStateRequestHeader {
            about: about.into(),
            broker_name: own.broker.broker_name.as_str().into(),
            broker_id: own.broker.broker_id,
            broker_addr: address.as_str().into(),
            max_offset: context.store.max_physical_offset(),
            from,
            count,
        };
        let request = Request::new(RequestCode::REPLICA_STATE).fields(&header).body(body);
        let answer = context.outward.ask(&master, request).await;
        let frame = answer.map_err(|error| NoPeer::Unreachable(error.to_string()))?;
        match ResponseCode(frame.code) {
            ResponseCode::SUCCESS => Ok(frame),
            ResponseCode::REQUEST_CODE_NOT_SUPPORTED => Err(NoPeer::Foreign),
            code => {
                let remark = frame.remark().unwrap_or_default();
                Err(NoPeer::Unreachable(format!("{master}: CODE: {code} DESC: {remark}")))
            }
        }
    }

    /// Joins the offsets of this slave with its master's.
    ///
    /// # Errors
    /// The master is away, or not one of ours.
    pub(crate) async fn join_offsets(&self) -> Result<(), NoPeer> {
        let unreadable = |error: &dyn std::fmt::Display| NoPeer::Unreachable(error.to_string());
        let started_at = self.state().await?.started_at;
        let offsets = &self.0.offsets;
        let reported = offsets.to_report(started_at);
        let body = fastjson::to_vec(&reported).map_err(|error| unreadable(&error))?;
        let frame = self.ask(replica_state::OFFSETS, (0, 0), body).await?;
        let joined: VersionedOffsets =
            fastjson::from_slice(frame.body()).map_err(|error| unreadable(&error))?;
        offsets.adopt(&joined, &reported, started_at);
        Ok(())
    }

    async fn state(&self) -> Result<State, NoPeer> {
        let frame = self.ask(replica_state::STATE, (0, 0), Vec::new()).await?;
        let header = ReplicaStateResponseHeader::decode(frame.fields());
        let header = header.map_err(|error| NoPeer::Unreachable(error.to_string()))?;
        self.0.link.master_ends_at(header.max_offset);
        Ok(State { min: header.min_offset, max: header.max_offset, started_at: header.started_at })
    }
}

struct State {
    min: i64,
    max: i64,
    started_at: i64,
}

impl MasterLine for Line {
    async fn greet(&self) -> Greeting {
        match self.state().await {
            Ok(state) => Greeting::Ours { min: state.min, max: state.max },
            Err(NoPeer::Foreign) => Greeting::Foreign,
            Err(NoPeer::Unreachable(why)) => Greeting::Unknown(why),
        }
    }

    async fn read(&self, from: i64, count: usize) -> Result<Bytes, String> {
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        let answer = self.ask(replica_state::LOG, (from, count), Vec::new()).await;
        answer.map(|frame| frame.body_bytes()).map_err(|error| error.to_string())
    }

    fn connected(&self) {
        self.0.link.connected.notify_one();
    }

    fn appended(&self) {
        pull::run_ready(&self.0);
    }
}
