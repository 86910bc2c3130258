//! What a command is and what it is given to run with.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use rocketmq_client::ClientError;
use rocketmq_client::admin::AdminClient;
use rocketmq_protocol::body::ClusterInfo;

use super::failure::Failure;
use crate::options::{self, COMMON, Given, Opt};
use crate::out::out;

/// What Java prints, without a line end, for a cluster that is not there.
pub(crate) const NO_CLUSTER: &str = "[error] Make sure the specified clusterName exists or the \
                                     name server connected to is correct.";

pub(crate) type Outcome<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;

/// One command.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// Java's class, which error texts name.
    pub(crate) class: &'static str,
    pub(crate) description: &'static str,
    pub(crate) options: &'static [Opt],
    pub(crate) run: for<'a> fn(&'a Session) -> Outcome<'a>,
}

impl Command {
    pub(crate) fn all_options(&self) -> Vec<Opt> {
        COMMON.iter().chain(self.options).copied().collect()
    }

    pub(crate) fn usage(&self) -> String {
        options::usage(&format!("mqadmin {}", self.name), &self.all_options())
    }
}

/// One run of a command.
pub(crate) struct Session {
    pub(crate) admin: AdminClient,
    pub(crate) given: Given,
    /// Exit code of the first failure that the command went on after.
    complaint: Cell<Option<i32>>,
}

impl Session {
    pub(crate) fn new(admin: AdminClient, given: Given) -> Session {
        Session { admin, given, complaint: Cell::new(None) }
    }

    /// Prints a failure that the command goes on after.
    pub(crate) fn complain(&self, failure: impl Into<Failure>) {
        let failure = failure.into();
        eprintln!("{}", failure.cause());
        self.note(&failure);
    }

    /// Remembers a failure for the exit code without a word.
    pub(crate) fn note(&self, failure: &Failure) {
        self.complaint.set(self.complaint.get().or(Some(failure.exit_code())));
    }

    /// Exit code of what went wrong on the way.
    pub(crate) fn complaint(&self) -> Option<i32> {
        self.complaint.get()
    }

    /// Every cluster and broker.
    pub(crate) async fn cluster_info(&self) -> Result<ClusterInfo, ClientError> {
        self.admin.cluster_info().await
    }

    /// Master addresses of a cluster by broker name; prints [`NO_CLUSTER`] when there is none.
    pub(crate) async fn masters(&self, cluster: &str) -> Result<BTreeMap<String, String>, Failure> {
        Ok(masters(&self.cluster_info().await?, cluster))
    }

    /// Addresses of every master and slave of a cluster; prints [`NO_CLUSTER`] when there is none.
    pub(crate) async fn masters_and_slaves(&self, cluster: &str) -> Result<Vec<String>, Failure> {
        let info = self.cluster_info().await?;
        let Some(names) = info.cluster_addr_table.get(cluster) else {
            out!("{NO_CLUSTER}");
            return Ok(Vec::new());
        };
        let data = names.iter().filter_map(|name| info.broker_addr_table.get(name));
        Ok(data.flat_map(|data| data.broker_addrs.values().cloned()).collect())
    }

    /// The brokers that `-b` or `-c` name: that one, or the masters of the cluster.
    pub(crate) async fn targets(&self) -> Result<Vec<String>, Failure> {
        if let Some(address) = self.given.get("b") {
            return Ok(vec![address.to_string()]);
        }
        let Some(cluster) = self.given.get("c") else { return Err(Failure::Usage) };
        Ok(self.masters(cluster).await?.into_values().collect())
    }
}

/// Master addresses of a cluster by broker name; prints [`NO_CLUSTER`] when there is none.
pub(crate) fn masters(info: &ClusterInfo, cluster: &str) -> BTreeMap<String, String> {
    let Some(names) = info.cluster_addr_table.get(cluster) else {
        out!("{NO_CLUSTER}");
        return BTreeMap::new();
    };
    let data = names.iter().filter_map(|name| info.broker_addr_table.get(name));
    data.filter_map(|data| Some((data.broker_name.clone(), data.master()?.to_string()))).collect()
}
