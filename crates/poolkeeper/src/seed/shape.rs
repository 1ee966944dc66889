//! Values of a file against the API's shapes: names that the API does not have, and values of another type, found
//! before anything is changed. Lengths, patterns and all else is left to the operations.

use serde_json::Number;
use wire::{
    Operation,
    schema::{Kind, Member, Shape},
};

use super::{
    node::{Complaint, Node, Value},
    read::join,
};

/// The members of an operation's request.
pub fn members(operation: Operation) -> &'static [Member] {
    if let Kind::Structure { members } = operation.input().kind { members } else { &[] }
}

/// Checks a value, named `key` in complaints.
///
/// # Errors
/// For the first name that the shape does not have and the first value of another type.
pub fn check(node: &Node, shape: &Shape, key: &str) -> Result<(), Complaint> {
    match (&shape.kind, &node.value) {
        (_, Value::Null) | (Kind::Document, _) => Ok(()),
        (Kind::Structure { members }, Value::Map(entries)) => entries.iter().try_for_each(|entry| {
            let key = join(key, &entry.key);
            let Some(member) = members.iter().find(|member| member.name == entry.key) else {
                let names: Vec<&str> = members.iter().map(|member| member.name).collect();
                return Err(unknown(entry.line, key, &entry.key, &names));
            };
            check(&entry.value, member.shape, &key)
        }),
        (Kind::List { member, .. }, Value::List(items)) => {
            items.iter().enumerate().try_for_each(|(number, item)| check(item, member, &format!("{key}[{number}]")))
        }
        (Kind::Map { value, .. }, Value::Map(entries)) => {
            entries.iter().try_for_each(|entry| check(&entry.value, value, &join(key, &entry.key)))
        }
        (Kind::String { .. } | Kind::Blob { .. }, Value::Text(_))
        | (Kind::Integer { .. } | Kind::Timestamp, Value::Number(_))
        | (Kind::Boolean, Value::Bool(_)) => Ok(()),
        (kind, _) => Err(node.is_not(key, name_of(kind))),
    }
}

/// The complaint about a name that nothing has.
pub fn unknown(line: usize, key: impl Into<String>, name: &str, known: &[&str]) -> Complaint {
    let similar = known.iter().find(|known| known.eq_ignore_ascii_case(name) || known.trim_end_matches('s') == name);
    let reason = match similar {
        Some(similar) => format!("there is no such key; did you mean `{similar}`?"),
        None => format!("there is no such key; possible are {}", known.join(", ")),
    };
    Complaint::new(line, key, reason)
}

/// Texts that stand for numbers and truth values, and the other way round, become what the shape wants: CloudFormation
/// takes them so.
pub fn coerce(node: &mut Node, shape: &Shape) {
    match (&shape.kind, &mut node.value) {
        (Kind::Structure { members }, Value::Map(entries)) => {
            for entry in entries {
                if let Some(member) = members.iter().find(|member| member.name == entry.key) {
                    coerce(&mut entry.value, member.shape);
                }
            }
        }
        (Kind::List { member, .. }, Value::List(items)) => items.iter_mut().for_each(|item| coerce(item, member)),
        (Kind::Map { value, .. }, Value::Map(entries)) => {
            entries.iter_mut().for_each(|entry| coerce(&mut entry.value, value));
        }
        (Kind::Integer { .. }, Value::Text(text)) => {
            if let Ok(number) = text.parse::<i64>() {
                node.value = Value::Number(Number::from(number));
            }
        }
        (Kind::Boolean, Value::Text(text)) => {
            if let Ok(value) = text.to_ascii_lowercase().parse() {
                node.value = Value::Bool(value);
            }
        }
        (Kind::String { .. }, Value::Bool(_) | Value::Number(_)) => {
            if let Some(text) = node.scalar() {
                node.value = Value::Text(text);
            }
        }
        _ => {}
    }
}

/// The value that a validation message means, by the path that the message gives, as deep as it can be found: its line
/// and its key below `key`.
pub fn place(node: &Node, shape: &Shape, path: &str, key: &str) -> (usize, String) {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let below = match (&shape.kind, &node.value) {
        (Kind::Structure { members }, Value::Map(_)) => members
            .iter()
            .find(|member| member.path == first)
            .and_then(|member| Some((node.get(member.name)?, member.shape, join(key, member.name), rest))),
        (Kind::List { member, .. }, Value::List(items)) => {
            // `1.member`, counted from 1.
            let number = first.parse::<usize>().unwrap_or_default().saturating_sub(1);
            let rest = rest.strip_prefix("member").unwrap_or(rest).trim_start_matches('.');
            items.get(number).map(|item| (item, *member, format!("{key}[{number}]"), rest))
        }
        _ => None,
    };
    match below {
        Some((node, shape, key, rest)) => place(node, shape, rest, &key),
        None => (node.line, key.to_owned()),
    }
}

const fn name_of(kind: &Kind) -> &'static str {
    match kind {
        Kind::Structure { .. } | Kind::Map { .. } => "a table",
        Kind::List { .. } => "a list",
        Kind::String { .. } | Kind::Blob { .. } => "a text",
        Kind::Integer { .. } | Kind::Timestamp => "a number",
        Kind::Boolean => "true or false",
        Kind::Document => "a value",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wire::Operation;

    use super::{check, coerce, place};
    use crate::seed::read;

    fn node(text: &str) -> crate::seed::node::Node {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.yaml");
        std::fs::write(&path, text).unwrap();
        read::file(&path).unwrap()
    }

    #[test]
    fn names_and_types_are_the_apis() {
        let shape = Operation::CreateUserPool.input();
        let complaint = |text: &str| {
            let complaint = check(&node(text), shape, "Pool").unwrap_err();
            format!("{}: {}: {}", complaint.line, complaint.key, complaint.reason)
        };
        assert!(
            check(&node("PoolName: x\nSchema: [{Name: a, Mutable: true}]\nUserPoolTags: {a: b}"), shape, "").is_ok()
        );
        assert_eq!(
            complaint("PoolName: x\npoolName: y"),
            "2: Pool.poolName: there is no such key; did you mean `PoolName`?"
        );
        assert!(
            complaint("PoolName: x\nFoo: y").starts_with("2: Pool.Foo: there is no such key; possible are PoolName,")
        );
        assert_eq!(
            complaint("Policies:\n  PasswordPolicy:\n    MinimumLength: eight"),
            "3: Pool.Policies.PasswordPolicy.MinimumLength: this must be a number, and it is a text"
        );
        assert_eq!(complaint("Schema:\n- Name: a\n- b"), "3: Pool.Schema[1]: this must be a table, and it is a text");
    }

    #[test]
    fn cloudformation_takes_texts_for_numbers() {
        let mut policy = node("PoolName: 7\nPolicies: {PasswordPolicy: {MinimumLength: '8', RequireSymbols: 'True'}}");
        coerce(&mut policy, Operation::CreateUserPool.input());
        assert_eq!(
            policy.json(),
            json!({"PoolName": "7", "Policies": {"PasswordPolicy": {"MinimumLength": 8, "RequireSymbols": true}}})
        );
    }

    #[test]
    fn paths_of_messages_lead_to_lines() {
        let shape = Operation::CreateUserPool.input();
        let pool =
            node("PoolName: x\nSchema:\n- Name: a\n- Name: b\nPolicies:\n  PasswordPolicy:\n    MinimumLength: 8");
        assert_eq!(place(&pool, shape, "schema.2.member.name", "P"), (4, "P.Schema[1].Name".to_owned()));
        let path = "policies.passwordPolicy.minimumLength";
        assert_eq!(place(&pool, shape, path, "P"), (7, "P.Policies.PasswordPolicy.MinimumLength".to_owned()));
        assert_eq!(place(&pool, shape, "lambdaConfig.x", "P"), (1, "P".to_owned()));
    }
}
