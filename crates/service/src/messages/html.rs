//! Text into HTML, and HTML into text.

/// Text that means itself inside HTML, in element content as in quoted attribute values.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// Plain text as HTML that looks like it.
pub fn from_text(text: &str) -> String {
    escape(text).replace('\n', "<br>\n")
}

/// What a reader without HTML needs of a body: no tags, links followed by their address in parentheses, blocks on
/// lines of their own, the common character references resolved. Line breaks of the source stay, because templates
/// are often plain text. It never fails: what looks like no tag stays as it is.
pub fn to_text(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut link = None;
    let mut rest = html;
    let mut ends = TagEnds::of(html);
    while let Some((text, after)) = rest.split_once('<') {
        push_text(&mut out, text);
        let Some(tag) = Tag::parse(after, ends.of_tag_at(html.len() - after.len())) else {
            out.push('<');
            rest = after;
            continue;
        };
        rest = tag.after;
        match (tag.name.as_str(), tag.is_end) {
            ("!--", _) => {}
            ("script" | "style" | "head" | "title", false) => rest = skip_to_end_of(&tag.name, rest),
            ("a", false) => link = tag.href,
            ("a", true) => {
                // An address that is its own text need not be there twice.
                if let Some(address) = link.take().filter(|address| !out.ends_with(address.as_str())) {
                    out.push_str(" (");
                    out.push_str(&address);
                    out.push(')');
                }
            }
            ("li", false) => out.push_str("\n- "),
            ("br", _) => out.push('\n'),
            (
                "p" | "div" | "tr" | "table" | "ul" | "ol" | "li" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "body",
                _,
            ) if !out.is_empty() && !out.ends_with('\n') => {
                out.push('\n');
            }
            ("td" | "th", true) => out.push(' '),
            _ => {}
        }
    }
    push_text(&mut out, rest);
    tidy(&out)
}

struct Tag<'a> {
    name: String,
    is_end: bool,
    href: Option<String>,
    after: &'a str,
}

impl<'a> Tag<'a> {
    /// Reads a tag whose `<` was just read, and whose `>` is `end` bytes from there. `None` when it is none: `a < b`.
    fn parse(text: &'a str, end: Option<usize>) -> Option<Self> {
        if let Some(comment) = text.strip_prefix("!--") {
            let after = comment.split_once("-->").map_or("", |(_, after)| after);
            return Some(Self { name: "!--".to_owned(), is_end: false, href: None, after });
        }
        let end = end?;
        let (inside, after) = (text.get(..end)?, text.get(end + 1..)?);
        let (is_end, inside) = inside.strip_prefix('/').map_or((false, inside), |inside| (true, inside));
        if !inside.starts_with(|first: char| first.is_ascii_alphabetic() || first == '!') {
            return None;
        }
        let name =
            inside.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default().to_ascii_lowercase();
        let href = if name == "a" { attribute(inside, "href") } else { None };
        Some(Self { name, is_end, href, after })
    }
}

/// Where tags end: each at the first `>` outside quotes. They are looked for all at once, since a search from every `<`
/// would take the square of the time for a text that is full of them and ends none.
struct TagEnds {
    /// What follows a `<`, and the `>`, in bytes from the beginning; the first one last.
    ends: Vec<(usize, usize)>,
}

impl TagEnds {
    fn of(html: &str) -> Self {
        let mut ends = Vec::new();
        // Backwards: where a tag would end of which this much is left, if it goes on here outside quotes, inside single
        // ones, and inside double ones.
        let [mut outside, mut inside_single, mut inside_double] = [None; 3];
        for (at, byte) in html.bytes().enumerate().rev() {
            match byte {
                b'>' => outside = Some(at),
                b'\'' => std::mem::swap(&mut outside, &mut inside_single),
                b'"' => std::mem::swap(&mut outside, &mut inside_double),
                b'<' => ends.extend(outside.map(|end| (at + 1, end))),
                _ => {}
            }
        }
        Self { ends }
    }

    /// How many bytes there are between a `<`, after which the text goes on at `start`, and the `>`. Each may be asked for
    /// once, in the order of the text.
    fn of_tag_at(&mut self, start: usize) -> Option<usize> {
        while let Some((tag, end)) = self.ends.pop_if(|(tag, _)| *tag <= start) {
            if tag == start {
                return Some(end - start);
            }
        }
        None
    }
}

/// A quoted attribute's value.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let lower = tag.to_ascii_lowercase();
    let value = tag.get(lower.find(&format!("{name}="))? + name.len() + 1..)?;
    let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    let mut text = String::new();
    push_text(&mut text, value.get(1..)?.split(quote).next()?);
    Some(text)
}

fn skip_to_end_of<'a>(name: &str, text: &'a str) -> &'a str {
    let is_end = |tag: &&str| tag.get(2..2 + name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name));
    let mut tags = text.match_indices("</").filter_map(|(at, _)| text.get(at..));
    tags.find(is_end).unwrap_or_default()
}

/// Adds text with its character references resolved; an unknown reference stays as it is.
fn push_text(out: &mut String, text: &str) {
    let mut parts = text.split('&');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        match part.split_once(';').and_then(|(name, after)| Some((reference(name)?, after))) {
            Some((character, after)) => {
                out.push(character);
                out.push_str(after);
            }
            None => {
                out.push('&');
                out.push_str(part);
            }
        }
    }
}

fn reference(name: &str) -> Option<char> {
    let number = match name {
        "amp" => return Some('&'),
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        "nbsp" => return Some(' '),
        _ => name.strip_prefix('#')?,
    };
    let code = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None => number.parse().ok()?,
    };
    char::from_u32(code).filter(|character| !character.is_control() || *character == '\n')
}

/// Runs of blanks become one, lines lose their margins, more than one empty line becomes one.
fn tidy(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() && lines.last().is_none_or(String::is_empty) {
            continue;
        }
        lines.push(line);
    }
    lines.join("\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{TagEnds, escape, from_text, to_text};

    #[test]
    fn everything_that_means_something_in_html_is_escaped() {
        assert_eq!(escape(r#"<b a="1" c='2'>&"#), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;");
    }

    #[test]
    fn text_becomes_html() {
        assert_eq!(from_text("a <b>\nc & d"), "a &lt;b&gt;<br>\nc &amp; d");
    }

    #[test]
    fn html_becomes_readable_text() {
        let html = "<html><head><title>no</title><STYLE>p{}</STYLE></head><body><h1>Hi</h1><p>Your  code is <b>123</b>.\
                    <br/>Or <a class=x href=\"https://a.example/?b=1&amp;c=2\">click</a></p><!-- <p>no</p> --><ul><li>one</li><li>two\
                    </li></ul><script>1 < 2</script>&copy; 1 &lt; 2 &#39;&#x41;&nbsp;&amp;amp;</body></html>";
        insta::assert_snapshot!(to_text(html), @r"
        Hi
        Your code is 123.
        Or click (https://a.example/?b=1&c=2)

        - one

        - two
        &copy; 1 < 2 'A &amp;
        ");
    }

    #[test]
    fn plain_text_and_broken_html_stay_readable() {
        for (html, text) in [
            ("Your verification code is 123456. ", "Your verification code is 123456."),
            ("Hello,\r\n\r\n\r\nyour code:  1\n", "Hello,\n\nyour code: 1"),
            ("a < b <3 </ x", "a < b <3 </ x"),
            ("<a href='x", "<a href='x"),
            ("<a href=\"https://x.example/\">https://x.example/</a>", "https://x.example/"),
            ("<!-- open", ""),
            ("<style>open", ""),
            ("&#xD800; &#10; &#13; &;", "&#xD800;\n&#13; &;"),
            ("", ""),
            // What no tag can end in is none, and what is quoted ends none.
            ("<a <b \" <i>x", "<a <b \" x"),
            ("<a href='>'>y</a>z", "y (>)z"),
            ("<a '<b '<i ' x>y", "<a 'y"),
            ("</a '>' ></>x", "</>x"),
            ("<STYLE></scripts></Style >x<title></ title></TITLE>y", "xy"),
        ] {
            assert_eq!(to_text(html), text, "{html:?}");
        }
    }

    proptest! {
        /// What is found for all tags at once is what a search from each of them finds.
        #[test]
        fn tags_end_at_the_first_bracket_outside_quotes(html in "[<>'\"aé/]{0,40}") {
            let mut ends = TagEnds::of(&html);
            for (at, _) in html.match_indices('<') {
                let mut quote = None;
                let end = html[at + 1..].find(|character| match (quote, character) {
                    (None, '>') => true,
                    (None, '"' | '\'') => {
                        quote = Some(character);
                        false
                    }
                    (Some(open), _) => {
                        quote = quote.filter(|_| open != character);
                        false
                    }
                    _ => false,
                });
                prop_assert_eq!(ends.of_tag_at(at + 1), end);
            }
        }
    }

    /// A million characters of what looks like the beginning of something, or like pieces that are skipped: with time that
    /// grows with the square, each of them would take an hour.
    #[test]
    fn long_templates_take_no_longer_than_they_are_long() {
        for piece in
            ["<a ", "<a \"", "<a '<b \"", "</a <", "<!", "<style></style>", "<title></", "<a href=''></a", "&", "&#"]
        {
            for ending in ["", ">", "\">"] {
                let html = piece.repeat(1_000_000 / piece.len()) + ending;
                let (done, is_done) = std::sync::mpsc::channel();
                std::thread::spawn(move || done.send(to_text(&html).len()));
                let length = is_done.recv_timeout(std::time::Duration::from_secs(60));
                assert!(length.is_ok_and(|length| length <= 1_000_002), "{piece:?} and {ending:?}");
            }
        }
    }
}
