//! The parameters of a query or a form.

/// Most parameters of one request: several times as many as any endpoint or page knows. Each is compared with all before.
const MOST: usize = 100;

/// Parameters as they came, in their order. None comes twice (RFC 6749 §3.1), and an empty one counts as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

/// A parameter came more than once, or there are more of them than anybody sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated;

impl Parameters {
    /// Reads what stands behind the question mark of a URL, or in the body of a form.
    ///
    /// # Errors
    /// When a parameter comes more than once, or there are more than a hundred.
    pub fn read(text: &[u8]) -> Result<Self, Repeated> {
        let mut read: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text) {
            if read.len() == MOST || read.iter().any(|(other, _)| *other == name) {
                return Err(Repeated);
            }
            read.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(read))
    }

    /// A parameter; none where it is empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// All of them, empty ones included.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// As they stand in a URL.
    #[must_use]
    pub fn to_query(&self) -> String {
        query(self.iter())
    }
}

/// Pairs of names and values as they stand in a URL.
#[must_use]
pub fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[cfg(test)]
mod tests {
    use super::{Parameters, Repeated, query};

    #[test]
    fn parameters_come_once() {
        let read = Parameters::read(b"a=1&b=%C3%A4+%26&c=&d").unwrap();
        assert_eq!((read.get("a"), read.get("b"), read.get("c"), read.get("e")), (Some("1"), Some("ä &"), None, None));
        assert_eq!(read.to_query(), "a=1&b=%C3%A4+%26&c=&d=");
        assert_eq!(Parameters::read(b"a=1&b=2&%61=1"), Err(Repeated));
        let many = |count: usize| (0..count).map(|number| format!("p{number}&")).collect::<String>();
        assert_eq!(Parameters::read(many(101).as_bytes()), Err(Repeated));
        assert!(Parameters::read(many(100).as_bytes()).is_ok());
        assert_eq!(Parameters::read(b"").unwrap().to_query(), "");
        assert_eq!(query([("x", "a b"), ("y", "é/")]), "x=a+b&y=%C3%A9%2F");
    }
}
