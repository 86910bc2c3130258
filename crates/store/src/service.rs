//! Named background threads that can be woken and stopped.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::error::StoreError;

#[derive(Debug, Default)]
struct Wishes {
    wake: bool,
    stop: bool,
}

/// Wakes and stops one thread.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    wishes: Mutex<Wishes>,
    changed: Condvar,
}

impl Signal {
    /// Wakes the thread, or keeps it from sleeping next time.
    pub(crate) fn wake(&self) {
        self.wishes.lock().wake = true;
        self.changed.notify_one();
    }

    /// Asks the thread to end.
    pub(crate) fn stop(&self) {
        self.wishes.lock().stop = true;
        self.changed.notify_all();
    }

    /// Whether the thread was asked to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.wishes.lock().stop
    }

    /// Sleeps until woken, stopped or timed out. Returns false when the thread must end.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        let mut wishes = self.wishes.lock();
        if !wishes.wake && !wishes.stop {
            let deadline = Instant::now() + timeout;
            while !wishes.wake && !wishes.stop {
                if self.changed.wait_until(&mut wishes, deadline).timed_out() {
                    break;
                }
            }
        }
        wishes.wake = false;
        !wishes.stop
    }

    /// Sleeps for the whole time unless stopped. Returns false when the thread must end.
    pub(crate) fn sleep(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let mut wishes = self.wishes.lock();
        while !wishes.stop && !self.changed.wait_until(&mut wishes, deadline).timed_out() {}
        !wishes.stop
    }
}

/// A running thread; stopped and waited for when dropped.
#[derive(Debug)]
pub(crate) struct Service {
    signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Starts a thread under RocketMQ's name for it. `run` gets the thread's signal.
    pub(crate) fn start(
        name: &'static str,
        signal: Arc<Signal>,
        run: impl FnOnce(&Signal) + Send + 'static,
    ) -> Result<Service, StoreError> {
        tracing::info!(target: "RocketmqStore", "Try to start service thread:{name} started:false lastThread:null");
        let own = Arc::clone(&signal);
        let body = move || {
            run(&own);
            tracing::info!(target: "RocketmqStore", "{name} service end");
        };
        let thread = std::thread::Builder::new().name(name.to_string()).spawn(body);
        let thread = Some(thread.map_err(|source| StoreError::Thread { name, source })?);
        Ok(Service { signal, thread })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.signal.stop();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn is_woken_and_stopped() {
        let (sent, received) = mpsc::channel();
        let signal = Arc::new(Signal::default());
        let service = Service::start("test", Arc::clone(&signal), move |signal| {
            while signal.wait(Duration::from_secs(60)) {
                sent.send(()).unwrap();
            }
        });
        signal.wake();
        received.recv_timeout(Duration::from_secs(30)).unwrap();
        drop(service);
        assert!(received.recv().is_err());
    }
}
