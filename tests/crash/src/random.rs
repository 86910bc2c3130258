//! A small generator whose runs can be repeated.

/// xorshift64*.
pub struct Random(u64);

impl Random {
    /// A generator; a run with the same seed is the same.
    pub fn new(seed: u64) -> Random {
        Random(seed ^ 0x9e37_79b9_7f4a_7c15 | 1)
    }

    /// The seed of the run: `SEED`, or one of the clock's. It is printed, to be given again.
    pub fn of_run(name: &str) -> (u64, Random) {
        let given = std::env::var("SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            clock.as_nanos() as u64 % 1_000_000_000
        });
        println!("{name}: SEED={seed}");
        (seed, Random::new(seed))
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() >> 11) as usize % end.max(1)
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.number() >> 24) as u8).collect()
    }
}
