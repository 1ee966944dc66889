//! Style rules of the classic pages (oauth-federation.md §12.3): only of the classes that the pages offer, and nothing
//! that could fetch or run something.

/// Classes that rules can be of, and the states that each has rules for.
const CLASSES: [(&str, &[&str]); 15] = [
    ("background", &[]),
    ("banner", &[]),
    ("errorMessage", &[]),
    ("idpButton", &["hover"]),
    ("idpDescription", &[]),
    ("inputField", &["focus"]),
    ("label", &[]),
    ("legalText", &[]),
    ("logo", &[]),
    ("passwordCheck-notValid", &[]),
    ("passwordCheck-valid", &[]),
    ("redirect", &[]),
    ("socialButton", &[]),
    ("submitButton", &["hover"]),
    ("textDescription", &[]),
];
/// What the name of every class ends with.
const SUFFIX: &str = "-customizable";
/// What no declaration holds, in lower case: what leaves the style sheet, runs something, or hides either.
const FORBIDDEN: [&str; 7] = ["@", "<", "\\", "url(", "expression(", "javascript:", "behavior:"];

/// Says what is wrong with style rules, if anything.
///
/// Decision: the service's words are not recorded.
pub fn fault(css: &str) -> Option<String> {
    let Some(text) = without_comments(css) else { return Some("CSS has a comment without an end.".to_owned()) };
    let lower = text.to_ascii_lowercase();
    if let Some(found) = FORBIDDEN.iter().find(|forbidden| lower.contains(*forbidden)) {
        return Some(format!("CSS must not contain {found}"));
    }
    let mut rest = text.trim();
    while !rest.is_empty() {
        let rule = rest.split_once('{').and_then(|(selectors, tail)| {
            let (declarations, tail) = tail.split_once('}')?;
            (!declarations.contains('{')).then_some((selectors, tail))
        });
        let Some((selectors, tail)) = rule else { return Some("CSS is not a list of rules.".to_owned()) };
        if let Some(selector) = selectors.split(',').map(str::trim).find(|selector| !is_offered(selector)) {
            let shown: String = selector.chars().take(100).collect();
            return Some(format!("CSS has rules for {shown}, which is not among the classes that can be customized."));
        }
        rest = tail.trim();
    }
    None
}

/// The text without what stands between `/*` and `*/`; nothing where a comment does not end.
fn without_comments(css: &str) -> Option<String> {
    let mut kept = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, comment)) = rest.split_once("/*") {
        kept.push_str(before);
        // As browsers do: a comment separates.
        kept.push(' ');
        rest = comment.split_once("*/")?.1;
    }
    kept.push_str(rest);
    Some(kept)
}

fn is_offered(selector: &str) -> bool {
    let Some(selector) = selector.strip_prefix('.') else { return false };
    let (class, state) = selector.split_once(':').map_or((selector, None), |(class, state)| (class, Some(state)));
    let Some(class) = class.strip_suffix(SUFFIX) else { return false };
    CLASSES.iter().any(|(name, states)| *name == class && state.is_none_or(|state| states.contains(&state)))
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn rules_of_the_offered_classes_are_taken() {
        for good in [
            "",
            " /* nothing */ ",
            ".logo-customizable { max-width: 60%; }",
            ".label-customizable{font-weight:400}.banner-customizable, .background-customizable { color: #fff; }",
            ".submitButton-customizable:hover { color: #fff } .inputField-customizable:focus { outline: 0 }",
            ".passwordCheck-notValid-customizable { color: #DF3312; }",
        ] {
            assert_eq!(fault(good), None, "{good}");
        }
    }

    #[test]
    fn everything_else_is_not() {
        for bad in [
            "body { color: red }",
            ".logo { color: red }",
            ".logo-customizable:hover { color: red }",
            ".logo-customizable .x { color: red }",
            ".logo-customizable, * { color: red }",
            "@import 'https://example.com/x.css';",
            "@media screen { .logo-customizable { color: red } }",
            ".logo-customizable { background: URL(https://example.com/x) }",
            ".logo-customizable { background: u/**/rl } </style><script>alert(1)</script>",
            ".logo-customizable { width: expression(alert(1)) }",
            ".logo-customizable { color: \\72 ed }",
            ".logo-customizable { color: red",
            ".logo-customizable { .label-customizable { color: red } }",
            ".logo-customizable",
            "} .logo-customizable {",
            "/* no end",
        ] {
            assert!(fault(bad).is_some(), "{bad}");
        }
    }
}
