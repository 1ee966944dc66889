//! The form of the generated constraint tables.

use std::sync::OnceLock;

use regex::Regex;

/// A shape and what its values must satisfy.
#[derive(Debug)]
pub struct Shape {
    /// Its name in the model.
    pub name: &'static str,
    /// Whether values are kept out of messages and logs.
    pub sensitive: bool,
    /// Its type with the type's constraints.
    pub kind: Kind,
}

/// A member of a structure.
#[derive(Debug)]
pub struct Member {
    /// Its name on the wire.
    pub name: &'static str,
    /// Its name in validation messages.
    pub path: &'static str,
    /// Its shape.
    pub shape: &'static Shape,
    /// Whether it must be there.
    pub required: bool,
}

/// Types and constraints. Lengths count characters of strings, elements of lists and maps, bytes of blobs.
#[derive(Debug)]
pub enum Kind {
    /// Members by name.
    Structure {
        /// In the model's order.
        members: &'static [Member],
    },
    /// Elements of one shape.
    List {
        /// Fewest elements.
        min: Option<i64>,
        /// Most elements.
        max: Option<i64>,
        /// Shape of the elements.
        member: &'static Shape,
    },
    /// Values of one shape by text.
    Map {
        /// Fewest entries.
        min: Option<i64>,
        /// Most entries.
        max: Option<i64>,
        /// Shape of the keys: text.
        key: &'static Shape,
        /// Shape of the values.
        value: &'static Shape,
    },
    /// Text.
    String {
        /// Fewest characters.
        min: Option<i64>,
        /// Most characters.
        max: Option<i64>,
        /// Pattern over the whole text.
        pattern: Option<&'static Pattern>,
        /// The only values allowed; empty when any are.
        values: &'static [&'static str],
    },
    /// Whole numbers.
    Integer {
        /// Smallest value.
        min: Option<i64>,
        /// Largest value.
        max: Option<i64>,
    },
    /// True or false.
    Boolean,
    /// A number: seconds since 1970.
    Timestamp,
    /// Base64 text.
    Blob {
        /// Fewest bytes.
        min: Option<i64>,
        /// Most bytes.
        max: Option<i64>,
    },
    /// Any JSON.
    Document,
}

/// A regular expression, compiled at its first use.
#[derive(Debug)]
pub struct Pattern {
    /// As the model writes it and messages show it.
    pub text: &'static str,
    source: &'static str,
    compiled: OnceLock<Option<Compiled>>,
}

#[derive(Debug)]
struct Compiled {
    regex: Regex,
    /// The ASCII characters of a pattern that is one class of characters, at least one of them. Tokens are such texts, and
    /// long: to look up each of their characters takes a fraction of the time of a search.
    class: Option<[bool; 128]>,
}

impl Pattern {
    /// `text` is shown, `source` is run.
    #[must_use]
    pub const fn new(text: &'static str, source: &'static str) -> Self {
        Self { text, source, compiled: OnceLock::new() }
    }

    /// Whether the whole value matches. A pattern that does not compile matches nothing (a test compiles them all).
    pub fn matches(&self, value: &str) -> bool {
        self.compiled
            .get_or_init(|| Compiled::new(self.source).ok())
            .as_ref()
            .is_some_and(|compiled| compiled.has_only_its_class(value) || compiled.regex.is_match(value))
    }

    /// Whether it compiles.
    pub fn is_valid(&self) -> bool {
        Regex::new(self.source).is_ok()
    }

    /// The same as [`Self::matches`], by the regular expression alone.
    #[cfg(test)]
    pub(crate) fn searches(&self, value: &str) -> bool {
        self.matches("");
        self.compiled.get().and_then(Option::as_ref).is_some_and(|compiled| compiled.regex.is_match(value))
    }
}

impl Compiled {
    fn new(source: &str) -> Result<Self, regex::Error> {
        let regex = Regex::new(source)?;
        let inside = source.strip_prefix("^(?:[").and_then(|rest| rest.strip_suffix("]+)$"));
        let class = inside.filter(|inside| !inside.contains(['[', ']'])).map(|_| {
            std::array::from_fn(|code| {
                u8::try_from(code).is_ok_and(|code| regex.is_match(char::from(code).encode_utf8(&mut [0; 4])))
            })
        });
        Ok(Self { regex, class })
    }

    /// What does may still match otherwise, by characters beyond ASCII.
    fn has_only_its_class(&self, value: &str) -> bool {
        let Some(class) = &self.class else { return false };
        !value.is_empty() && value.bytes().all(|byte| class.get(usize::from(byte)).is_some_and(|is_in| *is_in))
    }
}
