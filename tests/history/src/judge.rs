//! What is wrong with a history.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use crate::body;
use crate::record::{Consumed, History, MessageId, Place, Survival};

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// An acknowledged message is not in its place.
    Lost {
        /// The message.
        id: MessageId,
        /// Where it was acknowledged.
        place: Place,
    },
    /// A message that nobody sent, or not to this queue.
    Invented {
        /// Where it was found.
        place: Place,
        /// What its body says it is.
        id: Option<MessageId>,
    },
    /// A message is in the log twice though it was sent once.
    Duplicated {
        /// The message.
        id: MessageId,
        /// Two of its places.
        places: (Place, Place),
    },
    /// A producer's later message lies before an earlier one of the same queue.
    OutOfOrder {
        /// The earlier message, which lies behind.
        earlier: MessageId,
        /// The later message.
        later: MessageId,
        /// The place of the earlier message.
        place: Place,
    },
    /// A place of a queue holds nothing though places behind it do, and is no known loss.
    Gap {
        /// The place.
        place: Place,
    },
    /// Two messages were acknowledged at, or delivered from, the same place.
    PlaceGivenTwice {
        /// The place.
        place: Place,
        /// The messages.
        ids: (MessageId, MessageId),
    },
    /// A consumer was handed something else than the queue holds there.
    DeliveredWrong {
        /// The place.
        place: Place,
        /// What was delivered.
        delivered: Option<MessageId>,
    },
    /// A consumer's offset is lower than one that had to be kept, or was never stored.
    OffsetWentBack {
        /// Consumer group.
        group: String,
        /// Topic.
        topic: String,
        /// Queue number.
        queue_id: i32,
        /// What was read.
        read: i64,
        /// The least that may be read.
        at_least: i64,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// The verdict.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Sends that began.
    pub begun: usize,
    /// Messages acknowledged.
    pub acknowledged: usize,
    /// Messages found at the end.
    pub kept: usize,
    /// Messages handed to consumers.
    pub delivered: usize,
    /// Everything that is wrong.
    pub violations: Vec<Violation>,
}

impl Report {
    /// How many violations the test holds for.
    pub fn count(&self, test: impl Fn(&Violation) -> bool) -> usize {
        self.violations.iter().filter(|violation| test(violation)).count()
    }

    /// Lost messages.
    pub fn lost(&self) -> usize {
        self.count(|violation| matches!(violation, Violation::Lost { .. }))
    }

    /// Messages that nobody sent.
    pub fn invented(&self) -> usize {
        self.count(|violation| matches!(violation, Violation::Invented { .. }))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} sent, {} acknowledged, {} kept, {} delivered; {} lost, {} invented, {} violations",
            self.begun,
            self.acknowledged,
            self.kept,
            self.delivered,
            self.lost(),
            self.invented(),
            self.violations.len()
        )?;
        for violation in self.violations.iter().take(10) {
            write!(f, "\n  {violation}")?;
        }
        Ok(())
    }
}

impl History {
    /// Compares what happened with what the queues hold: every message of every queue that was
    /// sent to, from the first offset that is still there on.
    pub fn judge(&self, kept: &[(Place, Vec<u8>)]) -> Report {
        let mut report = Report { kept: kept.len(), ..Report::default() };
        let found = self.judge_kept(kept, &mut report.violations);
        self.judge_acknowledged(&found, &mut report);
        self.judge_consumed(&found, &mut report);
        report.begun = self.begun.lock().len();
        report
    }

    /// Identity, order and gaps of what is kept.
    fn judge_kept(
        &self,
        kept: &[(Place, Vec<u8>)],
        violations: &mut Vec<Violation>,
    ) -> BTreeMap<Place, MessageId> {
        let begun = self.begun.lock();
        let mut found = BTreeMap::new();
        let mut places: HashMap<MessageId, Place> = HashMap::new();
        for (place, bytes) in kept {
            let id = body::decode(bytes);
            let known = id.filter(|id| {
                begun.get(id).is_some_and(|(topic, queue_id)| {
                    *topic == place.topic && *queue_id == place.queue_id
                })
            });
            let Some(id) = known else {
                violations.push(Violation::Invented { place: place.clone(), id });
                continue;
            };
            if let Some(first) = places.insert(id, place.clone()) {
                violations.push(Violation::Duplicated { id, places: (first, place.clone()) });
            }
            found.insert(place.clone(), id);
        }
        let mut newest: HashMap<(&str, i32, u32), MessageId> = HashMap::new();
        let mut before: Option<&Place> = None;
        for (place, id) in &found {
            if let Some(before) = before.filter(|before| {
                before.topic == place.topic
                    && before.queue_id == place.queue_id
                    && before.offset + 1 != place.offset
            }) {
                let place = Place { offset: before.offset + 1, ..place.clone() };
                violations.push(Violation::Gap { place });
            }
            before = Some(place);
            let key = (place.topic.as_str(), place.queue_id, id.producer);
            let newest = newest.entry(key).or_insert(*id);
            if newest.number > id.number {
                let (earlier, later) = (*id, *newest);
                violations.push(Violation::OutOfOrder { earlier, later, place: place.clone() });
            } else {
                *newest = *id;
            }
        }
        found
    }

    fn judge_acknowledged(&self, found: &BTreeMap<Place, MessageId>, report: &mut Report) {
        let expired = self.expired.lock();
        let acknowledged = self.acknowledged.lock();
        report.acknowledged = acknowledged.len();
        let mut taken: HashMap<&Place, MessageId> = HashMap::new();
        for (id, one) in acknowledged.iter() {
            let queue = (one.place.topic.clone(), one.place.queue_id);
            let expired = expired.get(&queue).is_some_and(|first| one.place.offset < *first);
            if one.survival == Survival::Always && !expired && found.get(&one.place) != Some(id) {
                let (id, place) = (*id, one.place.clone());
                report.violations.push(Violation::Lost { id, place });
            }
            if let Some(other) = taken.insert(&one.place, *id)
                && one.survival == Survival::Always
            {
                let (place, ids) = (one.place.clone(), (other, *id));
                report.violations.push(Violation::PlaceGivenTwice { place, ids });
            }
        }
        for (id, first, second) in self.doubly_acknowledged.lock().iter() {
            let places = (first.clone(), second.clone());
            report.violations.push(Violation::Duplicated { id: *id, places });
        }
    }

    fn judge_consumed(&self, found: &BTreeMap<Place, MessageId>, report: &mut Report) {
        let begun = self.begun.lock();
        let mut offsets: HashMap<(&str, &str, i32), Stored> = HashMap::new();
        let mut crashed: HashSet<(&str, &str, i32)> = HashSet::new();
        let consumed = self.consumed.lock();
        for event in consumed.iter() {
            match event {
                Consumed::Delivered { place, id } => {
                    report.delivered += 1;
                    let wrong = match (id, found.get(place)) {
                        (None, _) => true,
                        (Some(id), Some(kept)) => id != kept,
                        // Deleted since, or lost with the power: then it was at least sent.
                        (Some(id), None) => !begun.contains_key(id),
                    };
                    if wrong {
                        let (place, delivered) = (place.clone(), *id);
                        report.violations.push(Violation::DeliveredWrong { place, delivered });
                    }
                }
                Consumed::Begun { group, topic, queue_id, offset } => {
                    let key = (group.as_str(), topic.as_str(), *queue_id);
                    offsets.entry(key).or_default().values.push(*offset);
                }
                Consumed::Stored { group, topic, queue_id, offset } => {
                    let key = (group.as_str(), topic.as_str(), *queue_id);
                    let stored = offsets.entry(key).or_default();
                    if stored.values.last() != Some(offset) {
                        stored.values.push(*offset);
                    }
                    stored.newest = stored.values.len() - 1;
                    crashed.remove(&key);
                }
                Consumed::Read { group, topic, queue_id, offset } => {
                    let key = (group.as_str(), topic.as_str(), *queue_id);
                    let Some(stored) = offsets.get(&key) else { continue };
                    let from = if crashed.contains(&key) { 0 } else { stored.newest };
                    if !stored.values[from..].contains(offset) {
                        report.violations.push(Violation::OffsetWentBack {
                            group: group.clone(),
                            topic: topic.clone(),
                            queue_id: *queue_id,
                            read: *offset,
                            at_least: stored.values[from],
                        });
                    }
                }
                Consumed::Settled => {
                    // Of a queue that a crash may have set back nothing is known until the next
                    // offset is stored.
                    let known = offsets.iter_mut().filter(|(key, _)| !crashed.contains(*key));
                    for (_, stored) in known {
                        stored.values.drain(..stored.newest);
                        stored.newest = 0;
                    }
                }
                Consumed::Crashed => {
                    crashed.extend(offsets.keys().copied());
                }
            }
        }
    }
}

/// What a group's offset of a queue may be read as.
struct Stored {
    /// In the order in which they were stored; a group without an offset may be told 0.
    values: Vec<i64>,
    /// The last that the broker said was stored. What follows may be stored too.
    newest: usize,
}

impl Default for Stored {
    fn default() -> Stored {
        Stored { values: vec![0], newest: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> MessageId {
        MessageId { producer: 1, number }
    }

    fn at(offset: i64) -> Place {
        Place::new("T", 0, offset)
    }

    /// Three messages, acknowledged at the offsets 0, 1, 2.
    fn history(survival: Survival) -> (History, Vec<(Place, Vec<u8>)>) {
        let history = History::default();
        let mut kept = Vec::new();
        for number in 0..3 {
            history.begin(id(number), "T", 0);
            history.acknowledged(id(number), &at(i64::from(number)), survival);
            kept.push((at(i64::from(number)), body::encode(id(number), 10)));
        }
        (history, kept)
    }

    fn only(report: &Report) -> &Violation {
        assert_eq!(report.violations.len(), 1, "{report}");
        &report.violations[0]
    }

    #[test]
    fn a_good_history_is_good() {
        let (history, kept) = history(Survival::Always);
        history.delivered(&at(1), &kept[1].1);
        history.offset_stored("g", "T", 0, 2);
        history.offset_read("g", "T", 0, 2);
        let report = history.judge(&kept);
        assert!(report.violations.is_empty(), "{report}");
        assert_eq!(
            (report.begun, report.acknowledged, report.kept, report.delivered),
            (3, 3, 3, 1)
        );
    }

    #[test]
    fn each_kind_of_violation_is_found() {
        let (history, kept) = history(Survival::Always);
        assert!(matches!(
            only(&history.judge(&kept[..2])),
            Violation::Lost { id: MessageId { number: 2, .. }, .. }
        ));
        assert!(matches!(only(&history.judge(&kept[1..])), Violation::Lost { .. }));
        let mut gap = kept.clone();
        gap.remove(1);
        let report = history.judge(&gap);
        assert!(report.lost() == 1 && report.count(|v| matches!(v, Violation::Gap { .. })) == 1);
        let mut invented = kept.clone();
        invented.push((at(3), body::encode(id(9), 10)));
        assert!(matches!(only(&history.judge(&invented)), Violation::Invented { .. }));
        let mut twice = kept.clone();
        twice.push((at(3), kept[2].1.clone()));
        assert!(matches!(only(&history.judge(&twice)), Violation::Duplicated { .. }));
        let mut altered = kept.clone();
        altered[1].1[30] ^= 1;
        let report = history.judge(&altered);
        assert_eq!((report.lost(), report.invented()), (1, 1), "{report}");
        let mut swapped = kept.clone();
        (swapped[0].1, swapped[1].1) = (kept[1].1.clone(), kept[0].1.clone());
        let report = history.judge(&swapped);
        assert_eq!(report.count(|v| matches!(v, Violation::OutOfOrder { .. })), 1);
        let mut elsewhere = kept.clone();
        elsewhere[2].0.queue_id = 1;
        assert_eq!(history.judge(&elsewhere).invented(), 1);
    }

    #[test]
    fn a_place_is_given_once_and_a_message_acknowledged_once() {
        let (history, kept) = history(Survival::Always);
        history.begin(id(7), "T", 0);
        history.acknowledged(id(7), &at(2), Survival::Always);
        let report = history.judge(&kept);
        assert_eq!(report.count(|v| matches!(v, Violation::PlaceGivenTwice { .. })), 1);
        let (history, kept) = super::tests::history(Survival::Always);
        history.acknowledged(id(2), &at(5), Survival::Always);
        assert_eq!(history.judge(&kept).count(|v| matches!(v, Violation::Duplicated { .. })), 1);
    }

    #[test]
    fn a_power_cut_forgives_only_what_was_promised_less() {
        let (weak, kept) = history(Survival::MayBeLost);
        weak.power_cut(&kept[..1]);
        assert!(weak.judge(&kept[..1]).violations.is_empty());
        let (strong, kept) = history(Survival::Always);
        strong.power_cut(&kept[..1]);
        assert_eq!(strong.judge(&kept[..1]).lost(), 2);
    }

    #[test]
    fn deliveries_and_offsets_are_judged() {
        let (history, kept) = history(Survival::Always);
        history.delivered(&at(1), &kept[2].1);
        assert!(matches!(only(&history.judge(&kept)), Violation::DeliveredWrong { .. }));
        let (history, kept) = super::tests::history(Survival::Always);
        for offset in [1, 2, 3] {
            history.offset_stored("g", "T", 0, offset);
        }
        history.offset_read("g", "T", 0, 2);
        assert!(matches!(only(&history.judge(&kept)), Violation::OffsetWentBack { .. }));
        // After a crash what was not settled may be forgotten, but not what was.
        let (history, kept) = super::tests::history(Survival::Always);
        for offset in [1, 2] {
            history.offset_stored("g", "T", 0, offset);
        }
        history.offsets_settled();
        history.offset_stored("g", "T", 0, 3);
        history.crashed();
        history.offset_read("g", "T", 0, 2);
        assert!(history.judge(&kept).violations.is_empty());
        history.offset_read("g", "T", 0, 1);
        assert!(matches!(only(&history.judge(&kept)), Violation::OffsetWentBack { .. }));
        // An orderly end after a crash brings nothing back that the crash took.
        let (history, kept) = super::tests::history(Survival::Always);
        for offset in [1, 2] {
            history.offset_stored("g", "T", 0, offset);
        }
        history.crashed();
        history.offsets_settled();
        history.offset_read("g", "T", 0, 1);
        assert!(history.judge(&kept).violations.is_empty());
    }
}
