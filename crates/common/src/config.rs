//! Configuration tables: each key is declared once, with its Java name, type, default and meaning.
//!
//! [`config_table!`](crate::config_table) turns one declaration into the struct, its `Default`, the
//! list of keys for the reference page, reading and setting by Java name, and the ordered listing of
//! `-p`, logs and GET_*_CONFIG. [`apply_file`] loads a `.properties` file over one or more tables.
//!
//! ```
//! use rocketmq_common::{config_enum, config_table};
//!
//! config_enum! {
//!     /// How a broker takes part in replication.
//!     pub enum Role {
//!         /// Answers before the slave has the message.
//!         AsyncMaster = "ASYNC_MASTER",
//!         /// Copies a master.
//!         Slave = "SLAVE",
//!     }
//! }
//!
//! config_table! {
//!     /// Settings of the example.
//!     pub struct ExampleConfig {
//!         /// Name shown to clients.
//!         broker_name: String = "brokerName", "broker-a", important;
//!         /// Port to listen on.
//!         listen_port: i32 = "listenPort", 10911;
//!         /// Threads for pulls.
//!         pull_threads: i32 = "pullMessageThreadPoolNums", 16 + 2 * 2, shown("16 + 2C");
//!         /// Name servers; none: ask the address server.
//!         namesrv_addr: Option<String> = "namesrvAddr", None, important, reloadable;
//!         /// Part in replication.
//!         role: Role = "brokerRole", Role::AsyncMaster;
//!         /// Set by one name, listed by another (a quirk of Java's getters).
//!         enable_batch_push: bool = "enableBatchPush", false, listed("isEnableBatchPush");
//!     }
//! }
//!
//! let mut config = ExampleConfig::default();
//! assert_eq!(config.set("listenPort", "20911"), Ok(true));
//! assert_eq!(config.set("noSuchKey", "1"), Ok(false));
//! assert_eq!(config.get("listenPort").as_deref(), Some("20911"));
//! assert!(ExampleConfig::KEYS[0].important);
//! assert_eq!(config.entries()[3], ("namesrvAddr", String::new()));
//! ```
//!
//! A line is `field: Type = "javaKey", default, flag...;` with one doc comment. Defaults of `String`
//! fields may be `&'static str`. Flags: `important` (printed by `-m`), `reloadable` (takes effect
//! without restart), `shown("text")` (default as the reference page prints it, for computed ones),
//! `listed("name")` (name used in listings when it is not the key).

mod nearest;
mod value;

use std::path::Path;

pub use nearest::nearest_key;
pub use value::{ConfigDefault, ConfigValue, UnknownName};

use crate::properties::Properties;

/// One key of a table, for reference pages, listings and checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyInfo {
    /// Java name by which the key is set.
    pub name: &'static str,
    /// Name in listings; differs from `name` only for `listed(..)` keys.
    pub listed_name: &'static str,
    /// `string`, `int`, `long`, `bool`, `double` or the names of an enum joined by `/`.
    pub type_name: &'static str,
    /// There may be no value; Java holds a null there.
    pub nullable: bool,
    /// Default for reading by people: a literal, or the expression that computes it.
    pub default: &'static str,
    /// Printed by `-m`.
    pub important: bool,
    /// A change takes effect without a restart.
    pub reloadable: bool,
    /// Meaning.
    pub doc: &'static str,
}

/// What [`config_table!`](crate::config_table) implements; lets several tables share one file.
pub trait ConfigTable {
    /// The keys in order of declaration.
    fn keys(&self) -> &'static [KeyInfo];
    /// The value of a key as text (an absent value is empty); `None` for an unknown key.
    fn get(&self, key: &str) -> Option<String>;
    /// Sets a key from text; `Ok(false)` when this table has no such key.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when the text does not fit the type; the table is unchanged then.
    fn set(&mut self, key: &str, value: &str) -> Result<bool, ConfigError>;
    /// Listing names and values in order of declaration.
    fn entries(&self) -> Vec<(&'static str, String)>;
}

/// Why a setting cannot be used. The text is one line for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A value does not fit its key's type.
    #[error("{}{key}={value} is not {expected}", origin.as_ref().map(|name| format!("{name}: ")).unwrap_or_default())]
    Value {
        /// Where the value came from (file name, `-n`), when known.
        origin: Option<String>,
        /// Java name of the key.
        key: String,
        /// The text given.
        value: String,
        /// What would fit, and what to do.
        expected: String,
    },
    /// The file cannot be read.
    #[error("{path}: cannot be read: {cause}; check that the file exists and is readable")]
    Read {
        /// Path as given.
        path: String,
        /// The system's reason.
        cause: String,
    },
}

impl ConfigError {
    /// A value error without origin.
    pub fn value(key: &str, value: &str, expected: String) -> ConfigError {
        ConfigError::Value { origin: None, key: key.to_owned(), value: value.to_owned(), expected }
    }

    /// The same error, naming where the value came from.
    #[must_use]
    pub fn with_origin(self, name: &str) -> ConfigError {
        match self {
            ConfigError::Value { key, value, expected, .. } => {
                ConfigError::Value { origin: Some(name.to_owned()), key, value, expected }
            }
            other => other,
        }
    }
}

/// A key of the file that no table has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKey {
    /// The key as written.
    pub key: String,
    /// A known key spelled almost like it.
    pub nearest: Option<&'static str>,
}

/// What loading a file found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Keys no table knows, in file order.
    pub unknown: Vec<UnknownKey>,
    /// The file itself, for keys read elsewhere and for rewriting it.
    pub properties: Properties,
}

/// Ends `--check` of a daemon: prints the problems and what they come to. `unknown` keys of the
/// file, named before, count too. Returns the exit code, 0 when there is nothing.
pub fn verdict(problems: &[String], unknown: usize) -> i32 {
    for problem in problems {
        eprintln!("{problem}");
    }
    match problems.len() + unknown {
        0 => {
            println!("The configuration can be used.");
            0
        }
        count => {
            eprintln!("The configuration has {count} error(s); nothing was started.");
            1
        }
    }
}

/// Loads `path` and sets its keys in every table that knows them.
///
/// # Errors
/// The first unreadable value, named with the file; tables may then be partly set and are to be
/// dropped.
pub fn apply_file(path: &Path, tables: &mut [&mut dyn ConfigTable]) -> Result<Report, ConfigError> {
    let properties = Properties::from_file(path).map_err(|error| ConfigError::Read {
        path: path.display().to_string(),
        cause: error.to_string(),
    })?;
    let origin = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let unknown = apply_properties(&origin, &properties, tables)?;
    Ok(Report { unknown, properties })
}

/// Sets the keys of `properties` in every table that knows them; returns those no table knows.
///
/// # Errors
/// The first value that does not fit, named with `origin`.
pub fn apply_properties(
    origin: &str,
    properties: &Properties,
    tables: &mut [&mut dyn ConfigTable],
) -> Result<Vec<UnknownKey>, ConfigError> {
    let mut unknown = Vec::new();
    for (key, value) in properties.iter() {
        let mut known = false;
        for table in tables.iter_mut() {
            known |= table.set(key, value).map_err(|error| error.with_origin(origin))?;
        }
        if !known {
            let candidates = tables.iter().flat_map(|table| table.keys()).map(|info| info.name);
            unknown.push(UnknownKey { key: key.to_owned(), nearest: nearest_key(key, candidates) });
        }
    }
    Ok(unknown)
}

/// Declares a configuration table; see the [module](crate::config) for the form.
#[macro_export]
macro_rules! config_table {
    (
        $(#[$struct_meta:meta])*
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $doc:literal])*
                $field:ident : $type:ty = $key:literal, $default:expr
                    $(, $flag:ident $(($argument:literal))?)* ;
            )*
        }
    ) => {
        $(#[$struct_meta])*
        #[derive(Debug, Clone, PartialEq)]
        #[allow(unreachable_pub)]
        $vis struct $name {
            $(
                $(#[doc = $doc])*
                pub $field: $type,
            )*
        }

        impl ::std::default::Default for $name {
            fn default() -> Self {
                $name {
                    $($field: <_ as $crate::config::ConfigDefault<$type>>::into_default($default),)*
                }
            }
        }

        #[allow(dead_code, unreachable_pub)]
        impl $name {
            /// The keys in order of declaration.
            pub const KEYS: &'static [$crate::config::KeyInfo] = &[
                $($crate::config::KeyInfo {
                    name: $key,
                    listed_name: $crate::config::pick(
                        &[$($crate::__config_flag!(listed $flag $($argument)?)),*],
                        $key,
                    ),
                    type_name: <$type as $crate::config::ConfigValue>::TYPE_NAME,
                    nullable: <$type as $crate::config::ConfigValue>::NULLABLE,
                    default: $crate::config::pick(
                        &[$($crate::__config_flag!(shown $flag $($argument)?)),*],
                        $crate::config::literal_text(stringify!($default)),
                    ),
                    important: false $(|| $crate::__config_flag!(important $flag $($argument)?))*,
                    reloadable: false $(|| $crate::__config_flag!(reloadable $flag $($argument)?))*,
                    doc: concat!($($doc),*).trim_ascii(),
                },)*
            ];

            /// The value of a key (by its name or listing name) as text; an absent value is empty.
            pub fn get(&self, key: &str) -> ::std::option::Option<::std::string::String> {
                $(
                    if key == $key
                        $($(|| $crate::__config_flag!(listed $flag $argument) == Some(key))?)*
                    {
                        return Some($crate::config::ConfigValue::to_text(&self.$field));
                    }
                )*
                None
            }

            /// Sets a key from text; `Ok(false)` when the table has no such key.
            ///
            /// # Errors
            /// When the text does not fit the key's type; the table is unchanged then.
            pub fn set(
                &mut self,
                key: &str,
                value: &str,
            ) -> ::std::result::Result<bool, $crate::config::ConfigError> {
                match key {
                    $($key => {
                        self.$field = <$type as $crate::config::ConfigValue>::from_text(value)
                            .map_err(|expected| {
                                $crate::config::ConfigError::value(key, value, expected)
                            })?;
                        Ok(true)
                    })*
                    _ => Ok(false),
                }
            }

            /// Listing names and values in order of declaration.
            pub fn entries(&self) -> ::std::vec::Vec<(&'static str, ::std::string::String)> {
                Self::KEYS
                    .iter()
                    .map(|info| info.listed_name)
                    .zip([$($crate::config::ConfigValue::to_text(&self.$field)),*])
                    .collect()
            }
        }

        impl $crate::config::ConfigTable for $name {
            fn keys(&self) -> &'static [$crate::config::KeyInfo] {
                Self::KEYS
            }
            fn get(&self, key: &str) -> ::std::option::Option<::std::string::String> {
                $name::get(self, key)
            }
            fn set(
                &mut self,
                key: &str,
                value: &str,
            ) -> ::std::result::Result<bool, $crate::config::ConfigError> {
                $name::set(self, key, value)
            }
            fn entries(&self) -> ::std::vec::Vec<(&'static str, ::std::string::String)> {
                $name::entries(self)
            }
        }
    };
}

/// Answers one question about one flag; a flag that does not exist matches no arm.
#[doc(hidden)]
#[macro_export]
macro_rules! __config_flag {
    (important important) => {
        true
    };
    (important reloadable) => {
        false
    };
    (important shown $argument:literal) => {
        false
    };
    (important listed $argument:literal) => {
        false
    };
    (reloadable reloadable) => {
        true
    };
    (reloadable important) => {
        false
    };
    (reloadable shown $argument:literal) => {
        false
    };
    (reloadable listed $argument:literal) => {
        false
    };
    (shown shown $argument:literal) => {
        ::std::option::Option::Some($argument)
    };
    (shown $($other:tt)*) => {
        ::std::option::Option::None
    };
    (listed listed $argument:literal) => {
        ::std::option::Option::Some($argument)
    };
    (listed $($other:tt)*) => {
        ::std::option::Option::None::<&'static str>
    };
}

/// Declares an enum that configuration tables (and others) write by fixed names: the enum, its
/// `as_str`, `NAMES`, `Display`, `FromStr` and [`ConfigValue`](crate::config::ConfigValue).
#[macro_export]
macro_rules! config_enum {
    (
        $(#[$enum_meta:meta])*
        $vis:vis enum $name:ident {
            $(
                $(#[$variant_meta:meta])*
                $variant:ident = $text:literal
            ),* $(,)?
        }
    ) => {
        $(#[$enum_meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        $vis enum $name {
            $($(#[$variant_meta])* $variant,)*
        }

        #[allow(dead_code, unreachable_pub)]
        impl $name {
            /// The names in order of declaration.
            pub const NAMES: &'static [&'static str] = &[$($text),*];

            /// The name on disk and wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)*
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::config::UnknownName;

            fn from_str(text: &str) -> ::std::result::Result<Self, Self::Err> {
                match text {
                    $($text => Ok($name::$variant),)*
                    _ => Err($crate::config::UnknownName::new(text, Self::NAMES)),
                }
            }
        }

        impl $crate::config::ConfigValue for $name {
            const TYPE_NAME: &'static str = $crate::__config_names!($($text),*);

            fn from_text(text: &str) -> ::std::result::Result<Self, ::std::string::String> {
                text.trim().parse().map_err(|error: $crate::config::UnknownName| error.expected())
            }

            fn to_text(&self) -> ::std::string::String {
                self.as_str().to_owned()
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __config_names {
    ($first:literal $(, $next:literal)*) => { concat!($first $(, "/", $next)*) };
}

/// The first given text, else the other one (for the macro's constants).
#[doc(hidden)]
pub const fn pick(given: &[Option<&'static str>], otherwise: &'static str) -> &'static str {
    let mut at = 0;
    while at < given.len() {
        if let Some(text) = given[at] {
            return text;
        }
        at += 1;
    }
    otherwise
}

/// The default expression as people read it: string literals without quotes, `None` as nothing.
#[doc(hidden)]
pub const fn literal_text(expression: &'static str) -> &'static str {
    let bytes = expression.as_bytes();
    if let [b'N', b'o', b'n', b'e'] = bytes {
        return "";
    }
    match bytes {
        [b'"', middle @ .., b'"'] => match std::str::from_utf8(middle) {
            Ok(text) => text,
            Err(_) => expression,
        },
        _ => expression,
    }
}

#[cfg(test)]
mod tests;
