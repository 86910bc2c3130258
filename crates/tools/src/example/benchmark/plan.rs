//! What becomes of a transaction of `benchmark.TransactionProducer`: its message's body says it, so that
//! any process of the group can answer the broker.

use rocketmq_client::{LocalTransactionState, Message};

use super::random;

/// Answers to the broker's questions that a body has.
const ANSWERS: usize = 20;
/// Bytes of a body that say what is to become of it.
pub(super) const BYTES: usize = 8 + 8 + 1 + ANSWERS;

/// How often what goes wrong, 0 to 1.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rates {
    pub(super) send_rollback: f64,
    pub(super) send_unknown: f64,
    pub(super) check_rollback: f64,
    pub(super) check_unknown: f64,
}

/// What the body of a message says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The run it is of.
    pub(super) batch: i64,
    /// The message, within all runs of this producer.
    pub(super) id: i64,
    /// What the local transaction says.
    pub(super) first: LocalTransactionState,
    /// What each question of the broker is answered.
    pub(super) answers: [LocalTransactionState; ANSWERS],
}

impl Plan {
    /// As often as told: a rollback, or else not known, or else a commit.
    pub(super) fn draw(batch: i64, id: i64, rates: &Rates) -> Plan {
        Plan {
            batch,
            id,
            first: draw(rates.send_rollback, rates.send_unknown),
            answers: std::array::from_fn(|_| draw(rates.check_rollback, rates.check_unknown)),
        }
    }

    /// A message of so many bytes, at least [`BYTES`]; what follows the plan is random.
    pub(super) fn message(&self, topic: &str, size: usize) -> Message {
        let mut body = Vec::with_capacity(size.max(BYTES) + 8);
        body.extend(self.batch.to_be_bytes());
        body.extend(self.id.to_be_bytes());
        body.push(ordinal(self.first));
        body.extend(self.answers.map(ordinal));
        while body.len() < size {
            body.extend(random().to_be_bytes());
        }
        body.truncate(size.max(BYTES));
        Message::new(topic, body)
    }

    /// Reads a body; `None` if it is of something else.
    pub(super) fn read(body: &[u8]) -> Option<Plan> {
        let (batch, rest) = body.split_first_chunk()?;
        let (id, rest) = rest.split_first_chunk()?;
        let (first, rest) = rest.split_first()?;
        let mut answers = [LocalTransactionState::Unknown; ANSWERS];
        for (answer, byte) in answers.iter_mut().zip(rest.get(..ANSWERS)?) {
            *answer = state(*byte)?;
        }
        let (batch, id) = (i64::from_be_bytes(*batch), i64::from_be_bytes(*id));
        Some(Plan { batch, id, first: state(*first)?, answers })
    }
}

fn draw(rollback: f64, unknown: f64) -> LocalTransactionState {
    // 53 bits are what a number between 0 and 1 holds.
    let chance = || (random() >> 11) as f64 / (1u64 << 53) as f64;
    if chance() < rollback {
        LocalTransactionState::RollbackMessage
    } else if chance() < unknown {
        LocalTransactionState::Unknown
    } else {
        LocalTransactionState::CommitMessage
    }
}

/// The order of Java's names.
fn ordinal(state: LocalTransactionState) -> u8 {
    match state {
        LocalTransactionState::CommitMessage => 0,
        LocalTransactionState::RollbackMessage => 1,
        LocalTransactionState::Unknown => 2,
    }
}

fn state(ordinal: u8) -> Option<LocalTransactionState> {
    match ordinal {
        0 => Some(LocalTransactionState::CommitMessage),
        1 => Some(LocalTransactionState::RollbackMessage),
        2 => Some(LocalTransactionState::Unknown),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_what_becomes_of_it() {
        let rates = Rates { send_unknown: 1.0, check_rollback: 0.5, ..Rates::default() };
        let plan = Plan::draw(7, 8, &rates);
        let message = plan.message("T", 100);
        assert_eq!((message.topic.as_str(), message.body.len()), ("T", 100));
        let read = Plan::read(&message.body).unwrap();
        assert_eq!(read, plan);
        assert_eq!(read.first, LocalTransactionState::Unknown);
        assert_eq!(Plan::read(&message.body[..BYTES]), Some(plan));
        assert_eq!(Plan::read(&message.body[..BYTES - 1]), None);
        assert_eq!(Plan::read(&[9; BYTES]), None);
    }

    #[test]
    fn rates_are_kept() {
        let all = |rates| Plan::draw(1, 1, &rates).first;
        let rollback = Rates { send_rollback: 1.0, send_unknown: 1.0, ..Rates::default() };
        assert_eq!(all(rollback), LocalTransactionState::RollbackMessage);
        assert_eq!(all(Rates::default()), LocalTransactionState::CommitMessage);
    }
}
