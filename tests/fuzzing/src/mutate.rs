//! Mutations, where no fuzzer is at hand: as libFuzzer makes them, without its eyes.

/// xorshift64*.
pub struct Random(u64);

/// Numbers that lengths and offsets break at.
const TELLING: [i64; 12] =
    [0, 1, -1, 127, 128, 255, 32767, 65535, i32::MAX as i64, i32::MIN as i64, i64::MAX, i64::MIN];
/// Words that texts break at.
const WORDS: [&[u8]; 16] = [
    b"\"", b"{", b"[", b"}", b"\\u0000", b"\\", b"'", b",", b":", b"null", b"1e999", b"\x01",
    b"\x02", b"(", b" AND ", b"\xff",
];

impl Random {
    /// A generator; a run with the same seed is the same.
    pub fn new(seed: u64) -> Random {
        Random(seed ^ 0x9e37_79b9_7f4a_7c15 | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as usize % end.max(1)
    }

    /// One of the seeds, changed in one to eight places.
    pub fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..1 + self.below(8) {
            let at = self.below(bytes.len() + 1);
            let len = (1 + self.below(16)).min(bytes.len() - at);
            match self.below(8) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => bytes[at] = self.below(256) as u8,
                2 => drop(bytes.drain(at..at + len)),
                3 => {
                    let word = WORDS[self.below(WORDS.len())];
                    drop(bytes.splice(at..at, word.iter().copied()));
                }
                4 => {
                    let number = TELLING[self.below(TELLING.len())].to_be_bytes();
                    let width = [1, 2, 4, 8][self.below(4)].min(bytes.len() - at);
                    bytes[at..at + width].copy_from_slice(&number[8 - width..]);
                }
                5 => {
                    let copy = bytes[at..at + len].to_vec();
                    let to = self.below(bytes.len() + 1);
                    drop(bytes.splice(to..to, copy));
                }
                6 => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len() + 1);
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[from..]);
                }
                _ => bytes.truncate(at),
            }
        }
        bytes
    }
}
