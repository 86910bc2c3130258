//! The delay levels of `messageDelayLevel` (contract `store.md` 16).

/// RocketMQ's levels.
pub const DEFAULT_DELAY_LEVELS: &str = "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h";

/// Delay of a level that is not configured.
const UNKNOWN_LEVEL_MS: i64 = 1000;

/// Delay of each level; levels count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelayLevels {
    delays_ms: Vec<i64>,
}

impl DelayLevels {
    /// Reads delays such as `1s 5m 2h 1d`, separated by blanks.
    ///
    /// # Errors
    /// What is wrong with which piece.
    pub fn parse(text: &str) -> Result<DelayLevels, String> {
        let delays_ms = text.split(' ').filter(|piece| !piece.is_empty()).map(delay_ms);
        Ok(DelayLevels { delays_ms: delays_ms.collect::<Result<_, _>>()? })
    }

    /// The highest level; 0 when there is none.
    pub fn max_level(&self) -> i32 {
        i32::try_from(self.delays_ms.len()).unwrap_or(i32::MAX)
    }

    /// When a message stored at `store_timestamp` is due: 1 s later for an unknown level.
    pub fn delivery_time(&self, level: i32, store_timestamp: i64) -> i64 {
        let delay = usize::try_from(level).ok().and_then(|level| level.checked_sub(1));
        let delay = delay.and_then(|index| self.delays_ms.get(index)).copied();
        store_timestamp.saturating_add(delay.unwrap_or(UNKNOWN_LEVEL_MS))
    }
}

fn delay_ms(piece: &str) -> Result<i64, String> {
    let wrong =
        || format!("{piece} is no delay; give numbers with unit s, m, h or d, separated by blanks");
    let unit = piece.chars().last().ok_or_else(wrong)?;
    let unit_ms = match unit {
        's' => 1000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return Err(wrong()),
    };
    let number = piece.get(..piece.len() - unit.len_utf8()).unwrap_or_default();
    let number: u32 = number.parse().map_err(|_| wrong())?;
    Ok(i64::from(number) * unit_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_levels() {
        let levels = DelayLevels::parse(DEFAULT_DELAY_LEVELS).unwrap();
        assert_eq!(levels.max_level(), 18);
        assert_eq!(levels.delivery_time(3, 1_795_418_336_297), 1_795_418_346_297);
        assert_eq!(levels.delivery_time(18, 0), 7_200_000);
        assert_eq!(levels.delivery_time(19, 5), 1005);
        assert_eq!(levels.delivery_time(0, 5), 1005);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["1", "s", "1x", "-1s", "1ü", "99999999999s"] {
            assert!(DelayLevels::parse(text).is_err(), "{text}");
        }
    }
}
