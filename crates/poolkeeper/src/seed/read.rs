//! Files to values: TOML, JSON or YAML, by the ending of the file's name. Line numbers are kept, and nothing may be
//! named twice.

mod json;
mod toml;
mod yaml;

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, bail};

use super::node::{Complaint, Entry, Node, Value};

/// Largest file in bytes. CloudFormation takes templates of up to a million.
const LARGEST: u64 = 16 << 20;

/// Reads a file.
///
/// # Errors
/// When it cannot be read, or is not of the format that its name promises: file and line.
pub fn file(path: &Path) -> anyhow::Result<Node> {
    let shown = path.display();
    let parse = match path.extension().and_then(|ending| ending.to_str()) {
        Some("toml") => toml::parse,
        Some("json") => json::parse,
        Some("yaml" | "yml" | "template") => yaml::parse,
        _ => bail!("{shown}: the name must end in .toml, .json, .yaml or .yml, which says what is in the file"),
    };
    let length = std::fs::metadata(path).with_context(|| format!("cannot read {shown}"))?.len();
    anyhow::ensure!(length <= LARGEST, "{shown} has {length} bytes; more than {LARGEST} are not read");
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let node = parse(text.trim_start_matches('\u{feff}'));
    node.and_then(|node| distinct(&node, "").map(|()| node)).map_err(|complaint| complaint.of_file(&shown.to_string()))
}

/// The line of a byte, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// Refuses names that a map has twice: which of them counts would be anybody's guess.
fn distinct(node: &Node, key: &str) -> Result<(), Complaint> {
    match &node.value {
        Value::Map(entries) => {
            let mut seen = BTreeSet::new();
            for Entry { key: name, line, value } in entries {
                let key = join(key, name);
                if !seen.insert(name) {
                    return Err(Complaint::new(*line, key, "this is given twice: leave one of them out"));
                }
                distinct(value, &key)?;
            }
            Ok(())
        }
        Value::List(items) => {
            items.iter().enumerate().try_for_each(|(number, item)| distinct(item, &format!("{key}[{number}]")))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => Ok(()),
    }
}

/// The path of a name below another one.
pub fn join(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Complaint, Node, Value, distinct, json, toml, yaml};

    const TOML: &str = "# pools\n[[UserPools]]\nId = \"us-east-1_A\"\nNumber = 1_000\n\n[UserPools.Policies]\nOn = true\nList = [\n  \"a\",\n  \"b\",\n]\n";
    const JSON: &str = "{\n  \"UserPools\": [\n    {\"Id\": \"us-east-1_A\", \"Number\": 1000,\n     \"Policies\": {\"On\": true, \"List\": [\n       \"a\",\n       \"b\"]}}]}";
    const YAML: &str = "# pools\nUserPools:\n  - Id: us-east-1_A\n    Number: 1000\n    Policies:\n      On: true\n      List: [a,\n        \"b\"]\n";

    fn line(node: &Node, path: &[&str]) -> usize {
        path.iter()
            .fold(node, |node, name| match &node.value {
                Value::List(items) => &items[name.parse::<usize>().unwrap()],
                _ => node.get(name).unwrap(),
            })
            .line
    }

    #[test]
    fn the_three_formats_say_the_same_and_know_their_lines() {
        let expected = json!({"UserPools": [
            {"Id": "us-east-1_A", "Number": 1000, "Policies": {"On": true, "List": ["a", "b"]}}
        ]});
        let second = ["UserPools", "0", "Policies", "List", "1"];
        let number = ["UserPools", "0", "Number"];
        for (node, lines) in [
            (toml::parse(TOML).unwrap(), [10, 4]),
            (json::parse(JSON).unwrap(), [6, 3]),
            (yaml::parse(YAML).unwrap(), [8, 4]),
            (yaml::parse(JSON).unwrap(), [6, 3]),
        ] {
            assert_eq!(node.json(), expected);
            assert_eq!([line(&node, &second), line(&node, &number)], lines);
        }
    }

    #[test]
    fn faults_are_named_by_line() {
        type Parse = fn(&str) -> Result<Node, Complaint>;
        for (parse, text, expected) in [
            (toml::parse as Parse, "a = 1\nb = \n", 2),
            (toml::parse, "a = 1\na = 2\n", 2),
            (toml::parse, "a = 1\nb = 2026-01-01\n", 2),
            (json::parse, "{\n\"a\": 1,\n\"b\": }", 3),
            (json::parse, "", 1),
            (yaml::parse, "a: 1\nb: [1, 2\nc: 3\n", 3),
            (yaml::parse, "a: 1\n---\nb: 2\n", 2),
            (yaml::parse, "a: *nobody\n", 1),
            (yaml::parse, "? [a]\n: b\n", 1),
        ] {
            assert_eq!(parse(text).unwrap_err().line, expected, "{text:?}");
        }
        for node in
            [json::parse("{\"x\": {\n\"a\": 1,\n\"a\": 2}}").unwrap(), yaml::parse("x:\n  a: 1\n  a: 2\n").unwrap()]
        {
            let complaint = distinct(&node, "").unwrap_err();
            assert_eq!((complaint.line, complaint.key.as_str()), (3, "x.a"));
        }
    }

    #[test]
    fn yaml_has_its_own_words() {
        let text = "\
base: &base {a: 1, b: ~, c: 'yes', d: yes, e: 0x1F, f: 1.5, g: \"1\", h: !!str 7, i: -3, j: 0o17, k: null}
copy: *base
text: |
  two
  lines
ref: !Ref Pool
arn: !GetAtt Pool.Arn
sub: !Sub '${Pool}-x'
join: !Join [':', [!Ref 'AWS::Region', x]]
";
        let node = yaml::parse(text).unwrap();
        let base = json!({"a": 1, "c": "yes", "d": "yes", "e": 31, "f": 1.5, "g": "1", "h": "7", "i": -3, "j": 15});
        assert_eq!(
            node.json(),
            json!({
                "base": base, "copy": base, "text": "two\nlines\n", "ref": {"Ref": "Pool"},
                "arn": {"Fn::GetAtt": "Pool.Arn"}, "sub": {"Fn::Sub": "${Pool}-x"},
                "join": {"Fn::Join": [":", [{"Ref": "AWS::Region"}, "x"]]},
            })
        );
    }

    #[test]
    fn aliases_of_aliases_do_not_grow_without_end_and_depth_has_one_too() {
        let mut text = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let alias = format!("*l{}", level - 1);
            text.push_str(&format!("l{level}: &l{level} [{}]\n", vec![alias; 10].join(", ")));
        }
        assert!(yaml::parse(&text).unwrap_err().reason.contains("too many values"));
        let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        assert!(yaml::parse(&deep).is_err());
        assert!(json::parse(&deep).is_err());
    }
}
