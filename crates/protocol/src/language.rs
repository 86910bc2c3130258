//! Languages of peers (contract `wire.md` 4).

/// The number a peer sends for the language it is written in.
///
/// Our own processes send [`Language::JAVA`]: 4.9.2 peers know no number for Rust and some of
/// their paths fail on an unknown one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Language(pub u8);

/// Names by number, in the order of the wire.
const NAMES: [&str; 14] = [
    "JAVA", "CPP", "DOTNET", "PYTHON", "DELPHI", "ERLANG", "RUBY", "OTHER", "HTTP", "GO", "PHP",
    "OMS", "RUST", "NODE_JS",
];

impl Language {
    /// Java, and what our processes call themselves.
    pub const JAVA: Language = Language(0);
    /// C++ clients, which read some answers in another shape.
    pub const CPP: Language = Language(1);
    /// A name or number that no version knows; Java 4.9.2 holds a null there.
    pub const UNKNOWN: Language = Language(u8::MAX);

    /// The language of that name, [`Language::UNKNOWN`] when no version has it.
    pub fn from_name(name: &str) -> Language {
        match NAMES.iter().position(|n| *n == name) {
            Some(index) => Language(index as u8),
            None => Language::UNKNOWN,
        }
    }

    /// The name as JSON headers and tables show it; unknown ones read `OTHER`.
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or("OTHER")
    }
}
