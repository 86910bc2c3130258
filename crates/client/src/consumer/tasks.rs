//! The tasks in which a consumer's listeners run: they are let finish, but none outlives the
//! consumer.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;

/// Tasks of one consumer; dropping them ends them.
pub(super) struct Tasks(Mutex<Option<JoinSet<()>>>);

impl Tasks {
    pub(super) fn new() -> Tasks {
        Tasks(Mutex::new(Some(JoinSet::new())))
    }

    /// Runs a future, unless the consumer has ended.
    pub(super) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        if let Some(set) = &mut *self.0.lock() {
            while set.try_join_next().is_some() {}
            set.spawn(future);
        }
    }

    /// Takes no more futures, gives those that run some time to finish, and ends the others. None
    /// runs any more when this returns.
    pub(super) async fn close(&self, grace: Duration) {
        let Some(mut set) = self.0.lock().take() else { return };
        let finished = async { while set.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(grace, finished).await;
        set.shutdown().await;
    }

    /// Ends every task without waiting for it.
    pub(super) fn abandon(&self) {
        drop(self.0.lock().take());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tasks_get_some_time_and_then_end() {
        let tasks = Arc::new(Tasks::new());
        let finished = Arc::new(AtomicUsize::new(0));
        let work = |seconds| {
            let finished = Arc::clone(&finished);
            async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                finished.fetch_add(1, Ordering::SeqCst);
            }
        };
        tasks.spawn(work(1));
        tasks.spawn(work(5));
        tasks.spawn(work(3600));
        let begun = tokio::time::Instant::now();
        tasks.close(Duration::from_secs(10)).await;
        assert_eq!((finished.load(Ordering::SeqCst), begun.elapsed().as_secs()), (2, 10));
        tasks.spawn(work(0));
        assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
    }
}
