//! Where a slave finds its master (contract `ha.md` 1).

use parking_lot::Mutex;
use tokio::sync::watch;

/// A configured address shorter than this is none, as in Java.
const ADDRESS_MIN: usize = 6;

/// The addresses of a slave's master.
pub struct Master {
    /// `haMasterAddress` is configured and never changes.
    is_fixed: bool,
    /// Where the commit log is to be had.
    replication: watch::Sender<Option<String>>,
    /// Where its requests go; as the name server answered last.
    address: Mutex<Option<String>>,
}

impl Master {
    /// Unknown yet, but for a configured `haMasterAddress`.
    pub fn new(configured: Option<&str>) -> Master {
        let fixed = configured.filter(|address| address.len() >= ADDRESS_MIN);
        Master {
            is_fixed: fixed.is_some(),
            replication: watch::Sender::new(fixed.map(str::to_string)),
            address: Mutex::default(),
        }
    }

    /// Takes over what a name server answered to a registration. Without a replication address the
    /// former one stays, as in Java: a master that is away for a while comes back there.
    pub fn told(&self, replication: Option<String>, address: Option<String>) {
        *self.address.lock() = address;
        if let Some(new) = replication.filter(|_| !self.is_fixed) {
            self.replication.send_if_modified(|known| {
                let changed = known.as_ref() != Some(&new);
                *known = Some(new);
                changed
            });
        }
    }

    /// Where the master's requests go, if it is known.
    pub fn address(&self) -> Option<String> {
        self.address.lock().clone()
    }

    /// Where it is asked whether it is one of ours: there, or next to a configured
    /// `haMasterAddress` as long as no name server knows the master.
    pub fn peer_address(&self) -> Option<String> {
        self.address().or_else(|| {
            let replication = self.replication.borrow().clone().filter(|_| self.is_fixed)?;
            let (host, port) = replication.rsplit_once(':')?;
            let port = port.parse::<u16>().ok()?.checked_sub(1)?;
            Some(format!("{host}:{port}"))
        })
    }

    /// Where its commit log is to be had, now and later.
    pub fn replication(&self) -> watch::Receiver<Option<String>> {
        self.replication.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_address_stays_and_an_answered_one_moves() {
        let text = |s: &str| Some(s.to_string());
        let fixed = Master::new(Some("10.0.0.1:10912"));
        assert_eq!((fixed.address(), fixed.peer_address()), (None, text("10.0.0.1:10911")));
        fixed.told(text("10.0.0.2:10912"), text("10.0.0.2:10911"));
        assert_eq!(*fixed.replication().borrow(), text("10.0.0.1:10912"));
        assert_eq!(fixed.peer_address(), text("10.0.0.2:10911"));
        let asked = Master::new(Some("none"));
        let seen = asked.replication();
        assert_eq!(*seen.borrow(), None);
        asked.told(text("10.0.0.2:10912"), text("10.0.0.2:10911"));
        asked.told(None, None);
        assert_eq!(*seen.borrow(), text("10.0.0.2:10912"));
        assert_eq!(asked.address(), None);
    }
}
