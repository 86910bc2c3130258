//! Whether a slave's log is the beginning of its master's, looked at before the link is made, and
//! where a slave with an empty log begins.
//!
//! The link itself cannot tell: whatever a master sends at a slave's end is appended there.

use rocketmq_store::MessageStore;

use crate::link::{Greeting, MasterLine};

/// Bytes at the slave's end that are compared with the master's.
const TAIL_BYTES: i64 = 4096;
/// Bytes that a full copy begins with.
const FIRST_BYTES: usize = 32 << 10;

/// What a slave does about its master.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Connects and asks for what is behind this offset. `known` says that the logs are one.
    From { offset: i64, known: bool },
    /// Does not connect: the logs are not one.
    Not(String),
    /// Asks again later.
    Later(String),
}

/// Looks at the master. `full` asks for its whole log if this one is empty (`haFullSync`).
pub(crate) async fn fit(store: &MessageStore, line: &impl MasterLine, full: bool) -> Fit {
    let own = store.max_physical_offset();
    let (min, max) = match line.greet().await {
        Greeting::Ours { min, max } => (min, max),
        Greeting::Unknown(why) if full && own == 0 => {
            return Fit::Later(format!(
                "haFullSync=true, and the master cannot be asked where its log begins: {why}"
            ));
        }
        Greeting::Foreign if full && own == 0 => {
            return Fit::Later("haFullSync=true, but the master is Java's, which gives an empty slave its last segment only: copy its store, or set haFullSync=false".into());
        }
        Greeting::Unknown(_) | Greeting::Foreign => {
            return Fit::From { offset: own, known: false };
        }
    };
    if own > 0 {
        return compare(store, line, own, min, max).await;
    }
    if !full || min < 0 || max == 0 {
        return Fit::From { offset: 0, known: true };
    }
    if min > 0 {
        return Fit::From { offset: min, known: true };
    }
    // To report 0 means to ask for the last segment, so the first bytes come another way.
    match line.read(0, FIRST_BYTES).await {
        Ok(bytes) => match store.append_replicated(0, &bytes) {
            Ok(end) => Fit::From { offset: end, known: true },
            Err(error) => Fit::Later(error.to_string()),
        },
        Err(error) => Fit::Later(error),
    }
}

async fn compare(
    store: &MessageStore,
    line: &impl MasterLine,
    own: i64,
    min: i64,
    max: i64,
) -> Fit {
    if own > max {
        return Fit::Not(format!(
            "this slave's commit log ends at {own}, the master's at {max}: the master has lost what this slave still has"
        ));
    }
    if own < min {
        return Fit::Not(format!(
            "this slave's commit log ends at {own}, the master's begins at {min}: what lies between is deleted there"
        ));
    }
    let segment = i64::from(store.config().mapped_file_size_commit_log).max(1);
    let start = (own - 1) / segment * segment;
    let from = (own - TAIL_BYTES).max(start).max(store.min_physical_offset()).max(min);
    let count = usize::try_from(own - from).unwrap_or(0);
    let Some(ours) = store.read_log(from, count).filter(|_| count > 0) else {
        return Fit::From { offset: own, known: true };
    };
    match line.read(from, ours.len()).await {
        Ok(theirs) if theirs == ours => Fit::From { offset: own, known: true },
        Ok(theirs) if theirs.len() < ours.len() => {
            Fit::Later("the master did not send the end of this slave's log".into())
        }
        Ok(_) => Fit::Not(format!(
            "the last {} bytes before {own} of this slave's commit log are not those of the master's",
            ours.len()
        )),
        Err(error) => Fit::Later(error),
    }
}
