//! Records that have their place but are not written yet.

/// Records that lie one after the other in one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Commit log offset of the first.
    pub(crate) offset: i64,
    /// Where they begin in the buffer; they reach to the next run, or to the buffer's end.
    pub(crate) at: usize,
}

/// Buffers larger than this are given back when empty, so that a burst leaves no memory behind.
const KEPT_BYTES_MAX: usize = 1 << 20;

/// A buffer of records in log order.
#[derive(Debug, Default)]
pub(crate) struct Staging {
    bytes: Vec<u8>,
    runs: Vec<Run>,
    records: usize,
    /// Store timestamp of the newest record.
    timestamp: i64,
}

impl Staging {
    /// Bytes staged.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Records staged.
    pub(crate) fn records(&self) -> usize {
        self.records
    }

    /// Store timestamp of the newest record.
    pub(crate) fn timestamp(&self) -> i64 {
        self.timestamp
    }

    /// Begins a run: what is pushed next lies at `offset`, in another segment than before.
    pub(crate) fn begin_run(&mut self, offset: i64) {
        self.runs.push(Run { offset, at: self.bytes.len() });
    }

    /// Whether a run was begun.
    pub(crate) fn has_run(&self) -> bool {
        !self.runs.is_empty()
    }

    /// Appends bytes that are no record (a blank).
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends records.
    pub(crate) fn push_records(&mut self, bytes: &[u8], records: usize, timestamp: i64) {
        self.bytes.extend_from_slice(bytes);
        self.records += records;
        self.timestamp = timestamp;
    }

    /// The runs with their bytes.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (i64, &[u8])> {
        let ends = self.runs.iter().skip(1).map(|run| run.at).chain([self.bytes.len()]);
        self.runs
            .iter()
            .zip(ends)
            .map(|(run, end)| (run.offset, self.bytes.get(run.at..end).unwrap_or_default()))
    }

    /// Everything staged.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Empties the buffer, to be used again.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        }
        self.runs.clear();
        self.records = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_keep_their_places() {
        let mut staging = Staging::default();
        staging.begin_run(100);
        staging.push_records(b"abc", 1, 7);
        staging.push_bytes(b"blank");
        staging.begin_run(200);
        staging.push_records(b"de", 1, 8);
        let runs: Vec<_> = staging.runs().collect();
        assert_eq!(runs, [(100, &b"abcblank"[..]), (200, &b"de"[..])]);
        assert_eq!((staging.records(), staging.timestamp(), staging.len()), (2, 8, 10));
        staging.clear();
        assert!(staging.len() == 0 && !staging.has_run());
    }
}
