//! Which name server is asked (contract `wire.md` 7.5): one is kept while it answers; when it does
//! not, the others are tried in turn.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use rocketmq_common::clock;
use rocketmq_protocol::topic::FAQ;
use rocketmq_protocol::{Frame, HeaderFields, RequestCode, ResponseCode};
use rocketmq_remoting::{RemotingClient, RemotingError, Request};

use crate::LOGGER;
use crate::error::ClientError;
use crate::instance::success;

/// The addresses of a list.
fn parsed(list: &str) -> Vec<String> {
    // An endpoint such as http://host:port is cut to what follows its last slash.
    let list = match list.strip_prefix("http://") {
        Some(_) => list.rsplit('/').next().unwrap_or_default(),
        None => list,
    };
    let addresses = list.split(';').map(str::trim).filter(|address| !address.is_empty());
    addresses.map(str::to_string).collect()
}

/// The list of name servers.
pub(crate) struct NameServers {
    list: RwLock<Vec<String>>,
    chosen: AtomicUsize,
}

impl NameServers {
    pub(crate) fn new(namesrv_addr: Option<&str>) -> NameServers {
        let start = (clock::monotonic_nanos() / 1000) as usize % 999;
        NameServers {
            list: RwLock::new(namesrv_addr.map(parsed).unwrap_or_default()),
            chosen: AtomicUsize::new(start),
        }
    }

    /// Takes over another list, `host:port;host:port`; true if it is another one.
    pub(crate) fn replace(&self, list: &str) -> bool {
        let (new, mut list) = (parsed(list), self.list.write());
        if new.len() == list.len() && new.iter().all(|address| list.contains(address)) {
            return false;
        }
        tracing::info!(target: LOGGER, "name server address updated. NEW : {new:?} , OLD: {list:?}");
        *list = new;
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.read().is_empty()
    }

    /// Every name server.
    pub(crate) fn all(&self) -> Vec<String> {
        self.list.read().clone()
    }

    /// Asks one name server; the next ones when it cannot be reached.
    pub(crate) async fn ask(
        &self,
        client: &RemotingClient,
        timeout: Duration,
        code: RequestCode,
        fields: &dyn HeaderFields,
    ) -> Result<Frame, ClientError> {
        let list = self.all();
        if list.is_empty() {
            return Err(ClientError::Remoting(RemotingError::Connect {
                address: "null".to_string(),
                source: None,
            }));
        }
        let mut reason = None;
        for _ in 0..list.len() {
            let index = self.chosen.load(Ordering::Relaxed) % list.len();
            let request = Request::new(code).fields(fields);
            match client.invoke(&list[index], request, timeout).await {
                Ok(frame) => return success(frame),
                Err(RemotingError::Connect { source, .. }) => {
                    self.chosen.store(index + 1, Ordering::Relaxed);
                    reason = source;
                }
                Err(RemotingError::Send { reason: why, .. }) => {
                    self.chosen.store(index + 1, Ordering::Relaxed);
                    reason = Some(io::Error::other(why));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let address = format!("[{}]", list.join(", "));
        Err(ClientError::Remoting(RemotingError::Connect { address, source: reason }))
    }

    /// The error of a call that needs a route, when there is no name server at all.
    pub(crate) fn missing(&self) -> Option<ClientError> {
        let text = format!("No name server address, please set it.{FAQ}");
        self.is_empty().then(|| ClientError::client(ResponseCode::NO_NAME_SERVER_EXCEPTION, text))
    }
}
