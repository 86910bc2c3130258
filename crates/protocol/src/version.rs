//! Version numbers of peers (contract `wire.md` 5).

/// 4.9.2, the version every process of this distribution reports.
pub const CURRENT: i32 = 397;
/// From here on REGISTER_BROKER carries a `RegisterBrokerBody`.
pub const V3_0_11: i32 = 37;
/// Clients below get no reset-offset and consumer-status pushes.
pub const V3_0_7_SNAPSHOT: i32 = 28;
/// Clients below are not asked for running info or direct consumption.
pub const V3_1_8_SNAPSHOT: i32 = 62;
/// From here on `maxReconsumeTimes` of the request is honoured.
pub const V3_4_9: i32 = 121;
/// Brokers below cannot filter by anything but tags.
pub const V4_1_0_SNAPSHOT: i32 = 232;
/// The largest number 4.9.2 has a name for.
const HIGHER_VERSION: i32 = 612;

/// From here on the list has one snapshot and one release for each patch level, and ten patch
/// levels for each minor version.
const FIRST_4_0_0_SNAPSHOT: i32 = 212;

/// `V4_9_2`, as tables and logs print a version number.
pub fn describe(version: i32) -> String {
    if version >= HIGHER_VERSION {
        return "HIGHER_VERSION".to_string();
    }
    let steps = version - FIRST_4_0_0_SNAPSHOT;
    if steps < 0 {
        // The numbers before 4.0.0 follow no rule, and no such client is left.
        return format!("V3_({version})");
    }
    let (minor_steps, in_minor) = (steps / 20, steps % 20);
    let suffix = if in_minor % 2 == 0 { "_SNAPSHOT" } else { "" };
    format!("V{}_{}_{}{suffix}", 4 + minor_steps / 10, minor_steps % 10, in_minor / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describes_the_versions_of_the_contract() {
        assert_eq!(describe(397), "V4_9_2");
        assert_eq!(describe(396), "V4_9_2_SNAPSHOT");
        assert_eq!(describe(393), "V4_9_0");
        assert_eq!(describe(413), "V5_0_0");
        assert_eq!(describe(479), "V5_3_3");
        assert_eq!(describe(611), "V5_9_9");
        assert_eq!(describe(612), "HIGHER_VERSION");
        assert_eq!(describe(9000), "HIGHER_VERSION");
        assert_eq!(describe(V4_1_0_SNAPSHOT), "V4_1_0_SNAPSHOT");
    }
}
