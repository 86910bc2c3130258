//! The same work on each of many items, on all processors: what a start does with every queue.

use std::thread;

use crate::error::StoreError;

/// Fewer items than this are not worth a thread.
const ITEMS_PER_THREAD: usize = 256;
/// More threads than this only wait for the same disk.
const THREADS_MAX: usize = 8;

/// Results of `act`, in the order of the items; the first error of each thread ends its part.
///
/// # Errors
/// One of those that `act` returned.
pub(crate) fn map<T: Sync, R: Send>(
    items: &[T],
    act: impl Fn(&T) -> Result<R, StoreError> + Sync,
) -> Result<Vec<R>, StoreError> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let threads = processors.min(THREADS_MAX).min(items.len() / ITEMS_PER_THREAD);
    if threads < 2 {
        return items.iter().map(act).collect();
    }
    let share = items.len().div_ceil(threads);
    let parts = thread::scope(|scope| {
        let act = &act;
        let handles: Vec<_> = items
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(act).collect::<Result<Vec<R>, _>>()))
            .collect();
        let join = |handle: thread::ScopedJoinHandle<'_, _>| match handle.join() {
            Ok(part) => part,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        handles.into_iter().map(join).collect::<Result<Vec<Vec<R>>, StoreError>>()
    })?;
    Ok(parts.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_and_errors_come_through() {
        let items: Vec<usize> = (0..10 * ITEMS_PER_THREAD).collect();
        assert_eq!(map(&items, |item| Ok(item * 2)).unwrap()[777], 1554);
        let failed = map(&items, |item| match item {
            2000 => Err(StoreError::Shutdown),
            _ => Ok(()),
        });
        assert!(matches!(failed, Err(StoreError::Shutdown)));
        assert_eq!(map(&items[..0], |_| Ok(())).unwrap(), []);
    }
}
