//! The types a configuration value may have, as text and back.

/// A type that a configuration key may have.
pub trait ConfigValue: Sized {
    /// Name of the type for reference pages.
    const TYPE_NAME: &'static str;
    /// Whether there may be no value.
    const NULLABLE: bool = false;

    /// Reads the text of a file, command line or request.
    ///
    /// # Errors
    /// What would have fitted, worded to follow `key=value is not `.
    fn from_text(text: &str) -> Result<Self, String>;

    /// The text shown in listings; an absent value is empty.
    fn to_text(&self) -> String;
}

/// What may stand as the default of a field of type `T`: a `T`, and `&'static str` for `String`.
pub trait ConfigDefault<T> {
    /// The default value.
    fn into_default(self) -> T;
}

impl<T: ConfigValue> ConfigDefault<T> for T {
    fn into_default(self) -> T {
        self
    }
}

impl ConfigDefault<String> for &'static str {
    fn into_default(self) -> String {
        self.to_owned()
    }
}

/// A text that is none of an enum's names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text} is not {}", self.expected())]
pub struct UnknownName {
    text: String,
    names: &'static [&'static str],
}

impl UnknownName {
    /// `text` was given where one of `names` was wanted.
    pub fn new(text: &str, names: &'static [&'static str]) -> UnknownName {
        UnknownName { text: text.to_owned(), names }
    }

    /// What would have fitted.
    pub fn expected(&self) -> String {
        format!("one of {}; write the name exactly so", self.names.join(", "))
    }
}

impl ConfigValue for String {
    const TYPE_NAME: &'static str = "string";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn to_text(&self) -> String {
        self.clone()
    }
}

impl ConfigValue for Option<String> {
    const TYPE_NAME: &'static str = "string";
    const NULLABLE: bool = true;

    fn from_text(text: &str) -> Result<Self, String> {
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    fn to_text(&self) -> String {
        self.clone().unwrap_or_default()
    }
}

impl ConfigValue for bool {
    const TYPE_NAME: &'static str = "bool";

    fn from_text(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("true") {
            Ok(true)
        } else if text.eq_ignore_ascii_case("false") {
            Ok(false)
        } else {
            Err("a truth value; give true or false".to_owned())
        }
    }

    fn to_text(&self) -> String {
        self.to_string()
    }
}

impl ConfigValue for f64 {
    const TYPE_NAME: &'static str = "double";

    fn from_text(text: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|_| "a number; give one such as 0.75".to_owned())
    }

    fn to_text(&self) -> String {
        crate::java::double_to_string(*self)
    }
}

macro_rules! whole_number {
    ($type:ty, $name:literal) => {
        impl ConfigValue for $type {
            const TYPE_NAME: &'static str = $name;

            fn from_text(text: &str) -> Result<Self, String> {
                text.trim().parse().map_err(|_| {
                    format!(
                        "a whole number; give one between {} and {}, without unit",
                        <$type>::MIN,
                        <$type>::MAX
                    )
                })
            }

            fn to_text(&self) -> String {
                self.to_string()
            }
        }
    };
}

whole_number!(i32, "int");
whole_number!(i64, "long");
