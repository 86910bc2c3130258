//! The directories a process belongs to.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// What a daemon prints before it exits with −2 when [`rocketmq_home`] is not set.
pub const ROCKETMQ_HOME_MISSING: &str = "Please set the ROCKETMQ_HOME variable in your environment to match the location of the RocketMQ installation";

/// The user's home directory (Java's `user.home`), where logs, store and local offsets lie: `HOME`,
/// else the root directory.
pub fn user_home() -> PathBuf {
    set(env::var_os("HOME")).map_or_else(|| PathBuf::from("/"), PathBuf::from)
}

/// The user's home directory as text, for defaults such as `<home>/store`.
pub fn user_home_text() -> String {
    user_home().to_string_lossy().into_owned()
}

/// The installation's directory: environment variable `ROCKETMQ_HOME`; an empty one counts as unset.
pub fn rocketmq_home() -> Option<String> {
    set(env::var_os("ROCKETMQ_HOME")).map(|home| home.to_string_lossy().into_owned())
}

/// A Java system property: a `-Dname=value` word of `JAVA_OPT` or `JAVA_OPT_EXT`.
pub fn system_property(name: &str) -> Option<String> {
    let options = ["JAVA_OPT", "JAVA_OPT_EXT"].map(|name| env::var(name).unwrap_or_default());
    let words = options.iter().flat_map(|options| options.split_whitespace());
    let values = words.filter_map(|word| word.strip_prefix("-D")?.strip_prefix(name));
    values.filter_map(|rest| rest.strip_prefix('=')).next_back().map(str::to_string)
}

fn set(value: Option<OsString>) -> Option<OsString> {
    value.filter(|text| !text.is_empty())
}
