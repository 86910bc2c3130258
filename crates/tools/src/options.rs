//! Command-line options as Java's tools take and print them (commons-cli, 110 columns; contract
//! `admin.md` 1).

use std::collections::BTreeMap;

/// Width that usage texts are wrapped at.
const WIDTH: usize = 110;
/// Blanks between an option and its description.
const GAP: usize = 3;

/// One option.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opt {
    /// After one dash.
    pub short: &'static str,
    /// After two.
    pub long: &'static str,
    /// Whether a value follows.
    pub value: bool,
    /// Whether it must be given.
    pub required: bool,
    /// Whether it belongs to the command's exclusive group, of which exactly one must be given.
    pub group: bool,
    /// What the help says.
    pub help: &'static str,
}

/// An option with a value that may be left out.
pub(crate) const fn optional(short: &'static str, long: &'static str, help: &'static str) -> Opt {
    Opt { short, long, value: true, required: false, group: false, help }
}

/// An option with a value that must be given.
pub(crate) const fn required(short: &'static str, long: &'static str, help: &'static str) -> Opt {
    Opt { short, long, value: true, required: true, group: false, help }
}

/// An option of the exclusive group.
pub(crate) const fn either(short: &'static str, long: &'static str, help: &'static str) -> Opt {
    Opt { short, long, value: true, required: false, group: true, help }
}

/// An option without a value.
pub(crate) const fn flag(short: &'static str, long: &'static str, help: &'static str) -> Opt {
    Opt { short, long, value: false, required: false, group: false, help }
}

/// What every command takes.
pub(crate) const COMMON: [Opt; 2] = [
    flag("h", "help", "Print help"),
    optional("n", "namesrvAddr", "Name server address list, eg: 192.168.0.1:9876;192.168.0.2:9876"),
];

/// What every command takes besides, beyond Java's: not in its usage text, which scripts compare.
pub(crate) const OURS: [Opt; 3] = [
    flag("json", "json", "Print lists as JSON"),
    flag("strict", "strict", "Leave with an exit code that tells failures apart"),
    flag("verbose", "verbose", "Print what lies behind an error, too"),
];

/// Why a command line is not one of the command's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OptionError {
    /// No option has that name.
    #[error("Unrecognized option: {0}")]
    Unknown(String),
    /// A value is missing.
    #[error("Missing argument for option: {0}")]
    NoValue(String),
    /// Options are missing.
    #[error("Missing required option{}: {}", if .0.len() > 1 { "s" } else { "" }, .0.join(", "))]
    Missing(Vec<String>),
    /// Two of a group.
    #[error(
        "The option '{0}' was specified but an option from this group has already been selected: '{1}'"
    )]
    Exclusive(String, String),
}

/// An option that should be a number, in Java's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("java.lang.NumberFormatException: For input string: \"{0}\"")]
pub(crate) struct NotANumber(pub(crate) String);

/// The options given, by short name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Given(BTreeMap<&'static str, String>);

impl Given {
    /// The value of an option, trimmed as Java's commands do.
    pub(crate) fn get(&self, short: &str) -> Option<&str> {
        self.0.get(short).map(|value| value.trim())
    }

    /// The value of an option that must be given; empty if it was not.
    pub(crate) fn text(&self, short: &str) -> &str {
        self.get(short).unwrap_or_default()
    }

    /// Whether an option says `true`.
    pub(crate) fn is_true(&self, short: &str) -> bool {
        self.get(short).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// The number that an option says.
    ///
    /// # Errors
    /// Its text, if that is no number.
    pub(crate) fn number<T: std::str::FromStr>(
        &self,
        short: &str,
        default: T,
    ) -> Result<T, NotANumber> {
        match self.get(short) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| NotANumber(text.to_string())),
        }
    }

    /// Whether lists are to be JSON.
    pub(crate) fn json(&self) -> bool {
        self.has("json")
    }

    /// Whether an option was given.
    pub(crate) fn has(&self, short: &str) -> bool {
        self.0.contains_key(short)
    }
}

/// Reads a command line. Values follow as the next word or behind `=`; short flags may be
/// clustered; words that belong to no option are passed over.
pub(crate) fn parse(options: &[Opt], args: &[String]) -> Result<Given, OptionError> {
    let mut given = Given::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let ours = OURS.iter().find(|option| arg.strip_prefix("--") == Some(option.long));
        if let Some(option) = ours {
            given.0.insert(option.short, String::new());
        } else if let Some(long) = arg.strip_prefix("--") {
            let (name, inline) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_string())),
                None => (long, None),
            };
            let option = options.iter().find(|option| option.long == name);
            let option = option.ok_or_else(|| OptionError::Unknown(arg.clone()))?;
            take(&mut given, options, option, inline, &mut args)?;
        } else if let Some(short) = arg.strip_prefix('-').filter(|short| !short.is_empty()) {
            parse_short(&mut given, options, arg, short, &mut args)?;
        }
    }
    check_required(&given, options)?;
    Ok(given)
}

fn parse_short<'a>(
    given: &mut Given,
    options: &[Opt],
    arg: &str,
    short: &str,
    args: &mut impl Iterator<Item = &'a String>,
) -> Result<(), OptionError> {
    let exact = options.iter().find(|option| option.short == short || option.long == short);
    if let Some(option) = exact {
        return take(given, options, option, None, args);
    }
    // A cluster: flags first, then perhaps one option with its value behind it.
    for (at, letter) in short.char_indices() {
        let name = &short[at..at + letter.len_utf8()];
        let option = options.iter().find(|option| option.short == name);
        let option = option.ok_or_else(|| OptionError::Unknown(arg.to_string()))?;
        let rest = &short[at + letter.len_utf8()..];
        if option.value && !rest.is_empty() {
            let value = rest.strip_prefix('=').unwrap_or(rest);
            return take(given, options, option, Some(value.to_string()), args);
        }
        take(given, options, option, None, args)?;
    }
    Ok(())
}

fn take<'a>(
    given: &mut Given,
    options: &[Opt],
    option: &Opt,
    inline: Option<String>,
    args: &mut impl Iterator<Item = &'a String>,
) -> Result<(), OptionError> {
    if option.group {
        let other =
            options.iter().find(|o| o.group && o.short != option.short && given.has(o.short));
        if let Some(other) = other {
            let (name, other) = (option.short.to_string(), other.short.to_string());
            return Err(OptionError::Exclusive(name, other));
        }
    }
    let value = match (option.value, inline) {
        (false, _) => String::new(),
        (true, Some(value)) => value,
        (true, None) => match args.next() {
            Some(value) => value.clone(),
            None => return Err(OptionError::NoValue(option.short.to_string())),
        },
    };
    // Of an option given twice the first one counts, as in Java.
    given.0.entry(option.short).or_insert(value);
    Ok(())
}

fn check_required(given: &Given, options: &[Opt]) -> Result<(), OptionError> {
    let required = options.iter().filter(|option| option.required && !given.has(option.short));
    let mut missing: Vec<_> = required.map(|option| option.short.to_string()).collect();
    let group: Vec<_> = options.iter().filter(|option| option.group).collect();
    if !group.is_empty() && group.iter().all(|option| !given.has(option.short)) {
        let names: Vec<_> = group.iter().map(|o| format!("-{} {}", o.short, o.help)).collect();
        missing.push(format!("[{}]", names.join(", ")));
    }
    if missing.is_empty() { Ok(()) } else { Err(OptionError::Missing(missing)) }
}

/// The usage text of a program with those options.
pub(crate) fn usage(program: &str, options: &[Opt]) -> String {
    let mut sorted: Vec<&Opt> = options.iter().collect();
    sorted.sort_by_key(|option| option.short.to_lowercase());
    let mut text = String::new();
    let syntax = format!("usage: {program} {}", syntax(&sorted));
    wrap(&mut text, &syntax, "usage: ".len());
    let heads: Vec<String> = sorted.iter().map(|option| head(option)).collect();
    let widest = heads.iter().map(String::len).max().unwrap_or(0);
    for (option, head) in sorted.iter().zip(&heads) {
        let line = format!("{head:<width$}{}", option.help, width = widest + GAP);
        wrap(&mut text, &line, widest + GAP);
    }
    text
}

/// ` -t,--topic <arg>`
fn head(option: &Opt) -> String {
    let value = if option.value { " <arg>" } else { "" };
    format!(" -{},--{}{value}", option.short, option.long)
}

fn syntax(sorted: &[&Opt]) -> String {
    let mut parts = Vec::new();
    let mut group_done = false;
    for option in sorted {
        let text = word(option);
        if option.group {
            if !group_done {
                let group: Vec<_> = sorted.iter().filter(|o| o.group).map(|o| word(o)).collect();
                // commons-cli leaves a blank behind a required group.
                parts.push(format!("{} ", group.join(" | ")));
                group_done = true;
            }
        } else if option.required {
            parts.push(text);
        } else {
            parts.push(format!("[{text}]"));
        }
    }
    parts.join(" ")
}

fn word(option: &Opt) -> String {
    format!("-{}{}", option.short, if option.value { " <arg>" } else { "" })
}

/// Appends the text in lines of at most [`WIDTH`] columns, broken at blanks; further lines are
/// indented.
fn wrap(out: &mut String, text: &str, indent: usize) {
    let mut rest = text.trim_end().to_string();
    while rest.chars().count() > WIDTH {
        let Some(at) = rest[..=WIDTH.min(rest.len() - 1)].rfind(' ').filter(|at| *at > indent)
        else {
            break;
        };
        out.push_str(rest[..at].trim_end());
        out.push('\n');
        rest = format!("{}{}", " ".repeat(indent), rest[at..].trim_start());
    }
    out.push_str(&rest);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_string).collect()
    }

    fn options() -> Vec<Opt> {
        let own = [
            either("b", "brokerAddr", "which broker"),
            either("c", "clusterName", "which cluster"),
            required("t", "topic", "topic name"),
            flag("l", "list", "list"),
        ];
        COMMON.iter().chain(&own).copied().collect()
    }

    #[test]
    fn takes_every_form_of_an_option() {
        for line in
            ["-t T -b a:1 -l", "--topic=T --brokerAddr a:1 --list", "-b a:1 -lt T", "-tT -ba:1 -l"]
        {
            let given = parse(&options(), &args(&format!("{line} -t second"))).unwrap();
            assert_eq!(
                (given.get("t"), given.get("b"), given.has("l")),
                (Some("T"), Some("a:1"), true),
                "{line}"
            );
        }
    }

    #[test]
    fn refuses_what_commons_cli_refuses() {
        for line in ["-b a", "-t T", "-t", "-t T -b a -z", "-t T -b a -c c", "-zz"] {
            assert!(parse(&options(), &args(line)).is_err(), "{line}");
        }
    }
}
