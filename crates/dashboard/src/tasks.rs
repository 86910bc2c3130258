//! Work that goes on after its request was answered, such as sending many messages again.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rocketmq_common::clock;
use serde::Serialize;

use crate::answer::Failure;

/// Tasks that are remembered.
const KEPT: usize = 100;
/// Errors that one task remembers.
const ERRORS_MAX: usize = 100;

/// How far a task is.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Progress {
    pub(crate) id: u64,
    pub(crate) kind: &'static str,
    pub(crate) started: i64,
    pub(crate) total: usize,
    pub(crate) done: usize,
    pub(crate) failed: usize,
    pub(crate) finished: bool,
    pub(crate) errors: Vec<Trouble>,
}

/// What went wrong with one message.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Trouble {
    pub(crate) id: String,
    pub(crate) message: String,
}

#[derive(Default)]
pub(crate) struct Tasks(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    next: u64,
    all: HashMap<u64, Arc<Task>>,
}

/// One task.
pub(crate) struct Task(Mutex<Progress>);

impl Task {
    pub(crate) fn step(&self, id: &str, result: Result<(), Failure>) {
        let mut progress = self.0.lock();
        progress.done += 1;
        if let Err(failure) = result {
            progress.failed += 1;
            if progress.errors.len() < ERRORS_MAX {
                progress.errors.push(Trouble { id: id.to_string(), message: failure.message() });
            }
        }
    }

    pub(crate) fn finish(&self) {
        self.0.lock().finished = true;
    }
}

impl Tasks {
    pub(crate) fn begin(&self, kind: &'static str, total: usize) -> (u64, Arc<Task>) {
        let mut inner = self.0.lock();
        inner.next += 1;
        let id = inner.next;
        if inner.all.len() >= KEPT {
            let done = inner.all.iter().filter(|(_, task)| task.0.lock().finished);
            if let Some(oldest) = done.map(|(id, _)| *id).min() {
                inner.all.remove(&oldest);
            }
        }
        let progress = Progress {
            id,
            kind,
            started: clock::now_ms(),
            total,
            done: 0,
            failed: 0,
            finished: false,
            errors: Vec::new(),
        };
        let task = Arc::new(Task(Mutex::new(progress)));
        inner.all.insert(id, Arc::clone(&task));
        (id, task)
    }

    pub(crate) fn find(&self, id: u64) -> Option<Progress> {
        self.0.lock().all.get(&id).map(|task| task.0.lock().clone())
    }
}
