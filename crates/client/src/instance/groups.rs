//! One client id may be in a group only once within a process: a broker would take two for one.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use rocketmq_protocol::topic::FAQ;

use crate::error::ClientError;

type Key = (&'static str, String, String);

static CLAIMED: Mutex<BTreeSet<Key>> = Mutex::new(BTreeSet::new());

/// The right of a client id to be in a group; ends when it is dropped.
pub(super) struct Claim(Key);

impl Claim {
    /// As a producer of the group.
    pub(super) fn producer(client_id: &str, group: &str) -> Result<Claim, ClientError> {
        Claim::new("producer", client_id, group)
    }

    /// As a consumer of the group.
    pub(super) fn consumer(client_id: &str, group: &str) -> Result<Claim, ClientError> {
        Claim::new("consumer", client_id, group)
    }

    fn new(role: &'static str, client_id: &str, group: &str) -> Result<Claim, ClientError> {
        let key = (role, client_id.to_string(), group.to_string());
        if CLAIMED.lock().insert(key.clone()) {
            return Ok(Claim(key));
        }
        Err(ClientError::illegal(format!(
            "The {role} group[{group}] has been created before, specify another name please.{FAQ}"
        )))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        CLAIMED.lock().remove(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_free_again_when_its_member_is_gone() {
        let first = Claim::producer("groups-test", "g").unwrap();
        let error = Claim::producer("groups-test", "g").err().unwrap().to_string();
        assert!(error.contains("The producer group[g] has been created before, specify another"));
        assert!(Claim::consumer("groups-test", "g").is_ok());
        assert!(Claim::producer("groups-test-2", "g").is_ok());
        drop(first);
        assert!(Claim::producer("groups-test", "g").is_ok());
    }
}
