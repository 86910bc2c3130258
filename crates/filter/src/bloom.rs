//! The bloom filter whose parameters and positions `consumerFilter.json` keeps (contract
//! `broker.md` 19). Java computes the positions for every filter, whether bit maps are in use or
//! not.

use rocketmq_common::fastjson;
use serde::{Deserialize, Serialize};

/// How many bits a bit map has, and how many of them stand for one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BloomFilter {
    hashes: u32,
    bits: u32,
}

/// The bits of one group and topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BloomFilterData {
    /// Bits of the whole map.
    pub bit_num: i32,
    /// The group's bits.
    #[serde(with = "fastjson::inline")]
    pub bit_pos: Vec<i32>,
}

impl BloomFilter {
    /// A filter for that many groups with an error rate of so many percent; `None` unless the rate
    /// lies between 1 and 99 and there is at least one group.
    pub fn new(error_percent: i32, groups: i32) -> Option<BloomFilter> {
        if !(1..100).contains(&error_percent) || groups < 1 {
            return None;
        }
        let rate = f64::from(error_percent) / 100.0;
        let hashes = (rate.ln() / 0.5_f64.ln()).ceil();
        let log2 = |value: f64| value.ln() / 2.0_f64.ln();
        let bits = (f64::from(groups) * log2(1.0 / rate) * log2(std::f64::consts::E)).ceil();
        Some(BloomFilter { hashes: hashes as u32, bits: (bits as u32).next_multiple_of(8) })
    }

    /// Where a group's bits of a topic lie.
    pub fn positions(&self, group: &str, topic: &str) -> BloomFilterData {
        let hash = murmur3_64(format!("{group}#{topic}").as_bytes());
        let (low, high) = (hash as u32 as i32, (hash >> 32) as i32);
        let bits = self.bits as i32;
        let position = |turn: u32| {
            let combined = low.wrapping_add((turn as i32).wrapping_mul(high));
            (if combined < 0 { !combined } else { combined }) % bits
        };
        BloomFilterData { bit_num: bits, bit_pos: (1..=self.hashes).map(position).collect() }
    }

    /// Whether data was made with these parameters.
    pub fn fits(&self, data: &BloomFilterData) -> bool {
        data.bit_num == self.bits as i32 && data.bit_pos.len() == self.hashes as usize
    }
}

impl BloomFilter {
    /// How many bits a bit map has.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// A bit map without bits.
    pub fn empty_map(&self) -> Vec<u8> {
        vec![0; self.bits as usize / 8]
    }
}

impl BloomFilterData {
    /// Marks the group in a bit map of the same filter.
    pub fn mark(&self, map: &mut [u8]) {
        for (byte, bit) in self.places() {
            if let Some(byte) = map.get_mut(byte) {
                *byte |= bit;
            }
        }
    }

    /// Whether a bit map of the same filter may hold the group: false only if it surely does not.
    /// A map of another length tells nothing.
    pub fn may_be_in(&self, map: &[u8]) -> bool {
        usize::try_from(self.bit_num) != Ok(map.len() * 8)
            || self.places().all(|(byte, bit)| map.get(byte).is_none_or(|b| b & bit != 0))
    }

    fn places(&self) -> impl Iterator<Item = (usize, u8)> {
        let places = self.bit_pos.iter().filter_map(|at| usize::try_from(*at).ok());
        places.map(|at| (at / 8, 1 << (at % 8)))
    }
}

/// The first half of MurmurHash3 x64 128 with seed 0.
fn murmur3_64(bytes: &[u8]) -> u64 {
    const C1: u64 = 0x87c3_7b91_1142_53d5;
    const C2: u64 = 0x4cf5_ad43_2745_937f;
    let mix1 = |k: u64| k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let mix2 = |k: u64| k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    let word =
        |part: &[u8]| part.iter().rev().fold(0_u64, |word, byte| (word << 8) | u64::from(*byte));
    let (mut h1, mut h2) = (0_u64, 0_u64);
    let mut blocks = bytes.chunks_exact(16);
    for block in &mut blocks {
        let (first, second) = block.split_at(8);
        h1 = (h1 ^ mix1(word(first))).rotate_left(27).wrapping_add(h2);
        h1 = h1.wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 = (h2 ^ mix2(word(second))).rotate_left(31).wrapping_add(h1);
        h2 = h2.wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let tail = blocks.remainder();
    let (first, second) = tail.split_at(tail.len().min(8));
    h2 ^= mix2(word(second));
    h1 ^= mix1(word(first));
    h1 ^= bytes.len() as u64;
    h2 ^= bytes.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    finish(h1).wrapping_add(finish(h2))
}

fn finish(mut h: u64) -> u64 {
    h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_those_of_java() {
        let filter = BloomFilter::new(20, 32).unwrap();
        assert_eq!(filter, BloomFilter { hashes: 3, bits: 112 });
        let data = filter.positions("groupA", "TopicTest");
        assert_eq!(data.bit_pos, [49, 5, 28]);
        // Recorded in consumerFilter.json.
        let data = filter.positions("golden_group_sql", "GoldenOne");
        assert_eq!(data, BloomFilterData { bit_num: 112, bit_pos: vec![13, 30, 47] });
        assert!(filter.fits(&data));
        assert!(!BloomFilter::new(20, 64).unwrap().fits(&data));
        let mut map = filter.empty_map();
        assert!(!data.may_be_in(&map));
        filter.positions("groupA", "TopicTest").mark(&mut map);
        let hex: String = map.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "2000001000000200000000000000");
        assert!(filter.positions("groupA", "TopicTest").may_be_in(&map) && !data.may_be_in(&map));
        assert!(data.may_be_in(&[]) && data.may_be_in(&[0; 13]));
        assert_eq!(BloomFilter::new(0, 32), None);
        assert_eq!(BloomFilter::new(20, 0), None);
    }
}
