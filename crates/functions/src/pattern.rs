//! Patterns for ARNs: any text, in which `*` stands for any number of characters.

use std::fmt;

/// An ARN, or a pattern for several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArnPattern(String);

impl ArnPattern {
    /// A pattern; `*` stands for any number of characters, none included.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is for this ARN.
    #[must_use]
    pub fn matches(&self, arn: &str) -> bool {
        let mut pieces = self.0.split('*');
        let Some(mut rest) = pieces.next().and_then(|first| arn.strip_prefix(first)) else { return false };
        let Some(last) = pieces.next_back() else { return rest.is_empty() };
        for piece in pieces {
            // The earliest place leaves the most for the pieces that follow.
            let Some((_, after)) = rest.split_once(piece) else { return false };
            rest = after;
        }
        rest.ends_with(last)
    }

    /// The part between the colons before it that is the region, where the pattern says which.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.0.split(':').nth(3).filter(|region| !region.is_empty() && !region.contains('*'))
    }

    /// The function's name, where the pattern says which: `arn:aws:lambda:REGION:ACCOUNT:function:NAME`.
    #[must_use]
    pub fn function_name(&self) -> Option<&str> {
        let mut parts = self.0.split(':').skip(5);
        let name = if parts.next() == Some("function") { parts.next() } else { self.0.rsplit(':').next() };
        name.filter(|name| !name.is_empty() && !name.contains('*'))
    }
}

impl fmt::Display for ArnPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::ArnPattern;

    #[test]
    fn stars_stand_for_anything() {
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:pre-sign-up";
        for pattern in [
            arn,
            "*",
            "**",
            "arn:*",
            "*:pre-sign-up",
            "arn:aws:lambda:*:*:function:pre-sign-up",
            "arn:aws:lambda:*:*:function:*",
            "*sign*up",
            "*pre-sign-up*",
        ] {
            assert!(ArnPattern::new(pattern).matches(arn), "{pattern}");
        }
        for pattern in [
            "",
            "arn",
            "arn:aws:lambda:eu-west-1:123456789012:function:pre-sign-up:live",
            "*:function:pre-sign",
            "arn:*:function:post-*",
            "*sign-up*sign-up",
            "pre-sign-up*",
        ] {
            assert!(!ArnPattern::new(pattern).matches(arn), "{pattern}");
        }
        assert!(!ArnPattern::new("ab*ba").matches("aba"), "both ends of a pattern need characters of their own");
    }

    #[test]
    fn a_pattern_says_what_it_says() {
        let whole = ArnPattern::new("arn:aws:lambda:eu-west-1:123456789012:function:pre-sign-up:live");
        assert_eq!((whole.region(), whole.function_name()), (Some("eu-west-1"), Some("pre-sign-up")));
        let half = ArnPattern::new("arn:aws:lambda:*:*:function:pre-sign-up");
        assert_eq!((half.region(), half.function_name()), (None, Some("pre-sign-up")));
        let nothing = ArnPattern::new("arn:aws:lambda:*");
        assert_eq!((nothing.region(), nothing.function_name()), (None, None));
        assert_eq!(ArnPattern::new("*:pre-sign-up").function_name(), Some("pre-sign-up"));
    }
}
