//! What each member of the requests of pools and app clients does: model/members.toml, compared with the model, the
//! code and the tests, and written as tables into docs/compatibility.md. Nothing that a caller can say is stored and
//! ignored without standing here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    path::Path,
};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use crate::model::Model;

const MEMBERS: &str = "model/members.toml";

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    requests: Vec<Requests>,
}

/// Operations whose requests have members in common.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requests {
    operations: Vec<String>,
    /// By path.
    members: BTreeMap<String, Member>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Member {
    does: Does,
    /// The part of the server that will give it effect.
    until: Option<String>,
    /// Which values are an exception.
    but: Option<String>,
    /// How the code's refusal begins.
    refuses: Option<String>,
    /// `module::function` of a golden case.
    test: String,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Does {
    Effect,
    Kept,
    Refused,
}

/// The tables, once everything in the file has been found to be true as far as that can be seen from outside.
pub fn tables(root: &Path, model: &Model) -> anyhow::Result<String> {
    let file = std::fs::read_to_string(root.join(MEMBERS)).context(MEMBERS)?;
    let file: Members = toml::from_str(&file).context(MEMBERS)?;
    let code = refusing_code(root)?;
    let mut tables = String::from(
        "## Members of requests\n\n\
         What the members of these requests do. \"Kept\" means checked, stored and answered; the part that is named \
         will use it. Nothing else is stored without effect.\n",
    );
    for requests in &file.requests {
        let names = requests.operations.join(", ");
        let leaves = leaves(model, &requests.operations)?;
        writeln!(tables, "\n### {names}\n\n| Member | What it does | Proved by |\n|---|---|---|")?;
        complete(requests, &leaves).with_context(|| names.clone())?;
        // In the model's order, so that the table reads like the documentation.
        let mut written = BTreeSet::new();
        for leaf in &leaves {
            let Some((path, member)) = covering(requests, leaf) else { continue };
            if written.insert(path) {
                check(root, path, member, &code).with_context(|| format!("{path} of {names}"))?;
                writeln!(tables, "| `{path}` | {} | `{}` |", effect(member), member.test)?;
            }
        }
    }
    Ok(tables)
}

/// Every member of the operations' requests that has no members of its own, once each, in the model's order.
fn leaves(model: &Model, operations: &[String]) -> anyhow::Result<Vec<String>> {
    let mut leaves = Vec::new();
    for name in operations {
        let operation = model.operations.get(name).with_context(|| format!("the model has no operation {name}"))?;
        add_leaves(model, &operation.input, "", &mut leaves)?;
    }
    Ok(leaves)
}

fn add_leaves(model: &Model, shape: &str, path: &str, leaves: &mut Vec<String>) -> anyhow::Result<()> {
    let shape = model.shape(shape)?;
    match shape.kind.as_str() {
        "structure" => {
            for (name, member) in shape.member_shapes()? {
                let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                add_leaves(model, member, &path, leaves)?;
            }
        }
        "list" | "map" => add_leaves(model, shape.element()?, path, leaves)?,
        _ if leaves.iter().any(|leaf| leaf == path) => {}
        _ => leaves.push(path.to_owned()),
    }
    Ok(())
}

/// The longest path in the file that names this member or what it is in.
fn covering<'a>(requests: &'a Requests, leaf: &str) -> Option<(&'a str, &'a Member)> {
    let covers = |path: &str| leaf.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let covering = requests.members.iter().filter(|(path, _)| covers(path));
    covering.max_by_key(|(path, _)| path.len()).map(|(path, member)| (path.as_str(), member))
}

/// Whether the file speaks of every member, and of nothing else.
fn complete(requests: &Requests, leaves: &[String]) -> anyhow::Result<()> {
    let missing: Vec<&String> = leaves.iter().filter(|leaf| covering(requests, leaf).is_none()).collect();
    ensure!(missing.is_empty(), "{MEMBERS} says nothing of these members: {missing:?}");
    let used: BTreeSet<&str> =
        leaves.iter().filter_map(|leaf| covering(requests, leaf)).map(|(path, _)| path).collect();
    let extra: Vec<&String> = requests.members.keys().filter(|path| !used.contains(path.as_str())).collect();
    ensure!(extra.is_empty(), "{MEMBERS} names members that the model does not have, or names twice: {extra:?}");
    Ok(())
}

/// Whether what the file says of a member agrees with itself, the code and the tests.
fn check(root: &Path, path: &str, member: &Member, code: &str) -> anyhow::Result<()> {
    if (member.does == Does::Effect) == member.until.is_some() {
        bail!("`until` belongs to what is kept or refused, and to nothing else");
    }
    if member.does == Does::Refused && member.refuses.is_none() {
        bail!("`refuses` must say how the code names it");
    }
    if let Some(name) = &member.refuses {
        ensure!(code.contains(&format!("\"{name}")), "no operation of pools or clients refuses anything as \"{name}\"");
    }
    let (module, function) = member.test.rsplit_once("::").context("a test is `module::function`")?;
    let file = format!("crates/web/tests/api/{}.rs", module.replace("::", "/"));
    let tests = std::fs::read_to_string(root.join(&file)).with_context(|| format!("no tests in {file}"))?;
    ensure!(tests.contains(&format!("async fn {function}()")), "{file} has no test {function}");
    let name = path.rsplit_once('.').map_or(path, |(_, name)| name);
    ensure!(tests.contains(name), "{file} does not mention {name}");
    Ok(())
}

/// The source of the operations that refuse members by name.
fn refusing_code(root: &Path) -> anyhow::Result<String> {
    let mut code = String::new();
    for topic in ["pools", "clients"] {
        let folder = root.join("crates/service/src/operations").join(topic);
        for file in std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            code.push_str(&std::fs::read_to_string(file?.path())?);
        }
    }
    Ok(code)
}

fn effect(member: &Member) -> String {
    let until = member.until.as_deref().unwrap_or_default();
    let mut text = match member.does {
        Does::Effect => "takes effect".to_owned(),
        Does::Kept => format!("kept; takes effect with {until}"),
        Does::Refused => format!("refused until {until}"),
    };
    if let Some(but) = &member.but {
        text.push_str("; ");
        text.push_str(but);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Does, MEMBERS, Member, Members, Requests, check, complete, leaves, tables};
    use crate::{model::Model, output::repository_root};

    #[test]
    fn the_committed_file_is_complete_and_true() {
        let root = repository_root().unwrap();
        let tables = tables(&root, &Model::read(&root).unwrap()).unwrap();
        assert!(tables.contains("\n| `DcrConfiguration` | refused until dynamic client registration |"), "{tables}");
    }

    #[test]
    fn what_is_missing_or_made_up_is_found() {
        let root = repository_root().unwrap();
        let model = Model::read(&root).unwrap();
        let leaves = leaves(&model, &["CreateUserPool".to_owned()]).unwrap();
        assert!(leaves.iter().any(|leaf| leaf == "Schema.StringAttributeConstraints.MinLength"), "{leaves:?}");
        let requests = |members: &str| -> Requests {
            let file = format!("[[requests]]\noperations = []\n[requests.members]\n{members}");
            toml::from_str::<Members>(&file).unwrap().requests.remove(0)
        };
        let missing = complete(&requests(""), &leaves).unwrap_err().to_string();
        assert!(missing.contains(MEMBERS) && missing.contains("\"PoolName\""), "{missing}");
        let all: String =
            model.shape("CreateUserPoolRequest").unwrap().members.keys().fold(String::new(), |all, name| {
                all + name + " = { does = \"effect\", test = \"pools::a_new_pool_shows_all_defaults\" }\n"
            });
        complete(&requests(&all), &leaves).unwrap();
        let extra = format!("{all}Nonsense = {{ does = \"effect\", test = \"a::b\" }}\n");
        let extra = complete(&requests(&extra), &leaves).unwrap_err().to_string();
        assert!(extra.contains("\"Nonsense\""), "{extra}");

        let member = |does, until: Option<&str>, refuses: Option<&str>, test: &str| Member {
            does,
            until: until.map(str::to_owned),
            but: None,
            refuses: refuses.map(str::to_owned),
            test: test.to_owned(),
        };
        let good = "pools::a_new_pool_shows_all_defaults";
        let code = "not_supported(\"DeviceConfiguration\")";
        let refusal =
            |member: &Member| check(&root, "DeletionProtection", member, code).map_err(|error| error.to_string());
        refusal(&member(Does::Effect, None, None, good)).unwrap();
        refusal(&member(Does::Refused, Some("devices"), Some("DeviceConfiguration"), good)).unwrap();
        for (wrong, reason) in [
            (member(Does::Effect, Some("x"), None, good), "until"),
            (member(Does::Kept, None, None, good), "until"),
            (member(Does::Refused, Some("x"), None, good), "refuses"),
            (member(Does::Refused, Some("x"), Some("Devices"), good), "\"Devices\""),
            (member(Does::Effect, None, None, "pools::no_such_test"), "no_such_test"),
            (member(Does::Effect, None, None, "no_such_module::x"), "no_such_module"),
            (member(Does::Effect, None, None, "health::health_is_told_in_both_modes"), "does not mention"),
        ] {
            let said = refusal(&wrong).unwrap_err();
            assert!(said.contains(reason), "{said} for {reason}");
        }
    }
}
