//! What each task of a consumer is doing, for `mqadmin consumerStatus -s`: in the form of Java's
//! thread dump, of which each entry is a thread. A task has no stack that could be shown while it
//! waits; it says in words what it is at.

use std::fmt::Write;
use std::sync::atomic::{AtomicU8, Ordering};

/// One task.
pub(crate) struct Task {
    /// Java's name of the thread that does this.
    pub(crate) thread: String,
    /// A state of Java's threads.
    pub(crate) state: &'static str,
    /// What it does.
    pub(crate) what: String,
}

/// The text of the field `jstack`.
pub(crate) fn text(tasks: &[Task]) -> String {
    let mut text = String::new();
    for (index, Task { thread, state, what }) in tasks.iter().enumerate() {
        let id = index + 1;
        // Writing to a string cannot fail.
        let _ = write!(text, "{thread:<40}TID: {id} STATE: {state}\n{thread:<40}{what}\n\n");
    }
    text
}

/// What the task that pulls a queue is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Asks the broker, which may hold the request.
    Pull,
    /// Waits: the consumer or the queue is suspended, or the queue is not locked.
    Pause,
    /// Waits until fewer messages wait here.
    Full,
    /// Waits after an answer or an error.
    Rest,
    /// Waits to be taken again after its offset was not in the queue.
    StartOver,
}

const STEPS: [Step; 5] = [Step::Pull, Step::Pause, Step::Full, Step::Rest, Step::StartOver];

impl Step {
    /// State and words.
    pub(crate) fn describe(self) -> (&'static str, &'static str) {
        match self {
            Step::Pull => ("RUNNABLE", "pulls"),
            Step::Pause => ("TIMED_WAITING", "is suspended, or waits for the lock of"),
            Step::Full => ("TIMED_WAITING", "waits for room: flow control of"),
            Step::Rest => ("TIMED_WAITING", "waits for the next pull of"),
            Step::StartOver => ("TIMED_WAITING", "waits to start over after an illegal offset of"),
        }
    }
}

/// The step of a task, which others look at.
pub(crate) struct CurrentStep(AtomicU8);

impl CurrentStep {
    pub(crate) fn new() -> CurrentStep {
        CurrentStep(AtomicU8::new(Step::Pull as u8))
    }

    pub(crate) fn set(&self, step: Step) {
        self.0.store(step as u8, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Step {
        let known = STEPS.get(usize::from(self.0.load(Ordering::Relaxed)));
        known.copied().unwrap_or(Step::Pull)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_look_like_javas() {
        let task = |thread: &str, state| Task {
            thread: thread.to_string(),
            state,
            what: "does this".to_string(),
        };
        let blank = " ".repeat(40 - "RebalanceService".len());
        let expected = format!(
            "RebalanceService{blank}TID: 1 STATE: WAITING\nRebalanceService{blank}does this\n\n"
        );
        let tasks = [task("RebalanceService", "WAITING"), task("b", "RUNNABLE")];
        let text = text(&tasks);
        assert!(text.starts_with(&expected), "{text}");
        assert!(text.contains("TID: 2 STATE: RUNNABLE\n"), "{text}");
    }

    #[test]
    fn every_step_can_be_read_back() {
        let current = CurrentStep::new();
        for step in STEPS {
            current.set(step);
            assert_eq!(current.get(), step);
        }
    }
}
