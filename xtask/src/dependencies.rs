//! `cargo xtask dependencies`: what deny.toml says of licences and of crates that are not wanted, and that every crate
//! comes from crates.io. It takes no tool and no network; `cargo deny check` knows of advisories besides.

use std::{collections::BTreeSet, path::Path, process::Command};

use anyhow::{Context, ensure};
use serde::Deserialize;

/// Where crates may come from, as Cargo.lock spells it.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// The lock files of all workspaces.
const LOCKS: [&str; 3] = ["Cargo.lock", "e2e/rust/Cargo.lock", "fuzz/Cargo.lock"];

/// The part of deny.toml that is looked at here.
#[derive(Deserialize)]
struct Rules {
    graph: Graph,
    bans: Bans,
    licenses: Licenses,
}

#[derive(Deserialize)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Banned>,
}

#[derive(Deserialize)]
struct Banned {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    source: Option<String>,
}

/// Looks at everything, and fails with all that is against the rules.
pub fn check(root: &Path) -> anyhow::Result<()> {
    let rules = std::fs::read_to_string(root.join("deny.toml")).context("deny.toml")?;
    let rules: Rules = toml::from_str(&rules).context("deny.toml")?;
    let mut faults = BTreeSet::new();
    for file in LOCKS {
        let lock = std::fs::read_to_string(root.join(file)).context(file)?;
        faults.extend(foreign(&lock).with_context(|| file.to_owned())?.map(|fault| format!("{file}: {fault}")));
    }
    ensure!(!rules.graph.targets.is_empty(), "deny.toml names no target to look at");
    for target in &rules.graph.targets {
        for line in tree(root, target)?.lines() {
            faults.extend(fault(&rules, line));
        }
    }
    let count = faults.len();
    let list = faults.into_iter().collect::<Vec<_>>().join("\n");
    ensure!(count == 0, "{count} dependencies are against deny.toml, or not from crates.io:\n{list}");
    Ok(())
}

/// Packages of a lock file that come from elsewhere than crates.io. Those of the workspace have no source.
fn foreign(lock: &str) -> anyhow::Result<impl Iterator<Item = String>> {
    let lock: Lock = toml::from_str(lock)?;
    Ok(lock.package.into_iter().filter_map(|Locked { name, version, source }| {
        let source = source.filter(|source| source != REGISTRY)?;
        Some(format!("{name} {version} comes from {source}"))
    }))
}

/// Every crate that is built for this target, with all features, a line each: licence, `|`, name, version, and more.
fn tree(root: &Path, target: &str) -> anyhow::Result<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--all-features", "--locked", "--target", target])
        .args(["--edges", "normal,build,dev", "--prefix", "none", "--format", "{l}|{p}"])
        .current_dir(root)
        .output()?;
    ensure!(output.status.success(), "cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// What is wrong with the crate of this line, if anything.
fn fault(rules: &Rules, line: &str) -> Option<String> {
    // A star stands with those that were listed before.
    let (license, package) = line.trim_end_matches(" (*)").split_once('|')?;
    let name = package.split(' ').next().unwrap_or_default();
    if let Some(banned) = rules.bans.deny.iter().find(|banned| banned.name == name) {
        return Some(format!("{package} is not wanted: {}", banned.reason));
    }
    (!is_allowed(license, &rules.licenses.allow))
        .then(|| format!("{package} has a licence that deny.toml does not allow: '{license}'"))
}

/// Whether these licences are enough for all that this expression demands.
fn is_allowed(license: &str, allowed: &BTreeSet<String>) -> bool {
    let mut expression = Expression::of(license);
    expression.any(allowed) && expression.words.is_empty()
}

/// A licence expression (SPDX), read from the left. `/` is how `OR` was written once.
struct Expression {
    /// The last one first.
    words: Vec<String>,
}

impl Expression {
    fn of(text: &str) -> Self {
        let spaced = text.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
        Self { words: spaced.split_whitespace().rev().map(str::to_owned).collect() }
    }

    /// `a OR b`, which binds less than AND.
    fn any(&mut self, allowed: &BTreeSet<String>) -> bool {
        let mut is_enough = self.all(allowed);
        while self.take("OR") {
            is_enough |= self.all(allowed);
        }
        is_enough
    }

    fn all(&mut self, allowed: &BTreeSet<String>) -> bool {
        let mut is_enough = self.one(allowed);
        while self.take("AND") {
            is_enough &= self.one(allowed);
        }
        is_enough
    }

    /// A licence, with its exception, or an expression in parentheses.
    fn one(&mut self, allowed: &BTreeSet<String>) -> bool {
        let Some(mut license) = self.words.pop() else { return false };
        if license == "(" {
            let is_enough = self.any(allowed);
            return self.take(")") && is_enough;
        }
        if self.take("WITH") {
            license = format!("{license} WITH {}", self.words.pop().unwrap_or_default());
        }
        allowed.contains(&license)
    }

    /// Goes past this word, if it is the next one.
    fn take(&mut self, word: &str) -> bool {
        self.words.pop_if(|next| next == word).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::{Banned, Bans, Graph, Licenses, REGISTRY, Rules, fault, foreign, is_allowed};

    fn rules() -> Rules {
        let allow = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
        let banned = Banned { name: "ring".to_owned(), reason: "one is enough".to_owned() };
        Rules { graph: Graph { targets: Vec::new() }, bans: Bans { deny: vec![banned] }, licenses: Licenses { allow } }
    }

    #[test]
    fn licences_are_allowed_as_far_as_one_may_choose() {
        for (license, expected) in [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("", false),
            ("GPL-3.0-only OR MIT", true),
            ("GPL-3.0-only/MIT", true),
            ("GPL-3.0-only / MIT", true),
            ("MIT AND GPL-3.0-only", false),
            ("GPL-3.0-only OR MIT AND ISC", true),
            ("MIT OR ISC AND GPL-3.0-only", true),
            ("(MIT OR ISC) AND GPL-3.0-only", false),
            ("(GPL-3.0-only OR ISC) AND (MIT)", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("Apache-2.0", false),
            ("MIT WITH LLVM-exception", false),
            ("MIT ISC", false),
            ("(MIT", false),
            ("MIT)", false),
            ("MIT AND", false),
        ] {
            assert_eq!(is_allowed(license, &rules().licenses.allow), expected, "{license}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_crate_is_said() {
        let fault = |line: &str| fault(&rules(), line);
        assert_eq!(fault("MIT|toml v1.0.0"), None);
        assert_eq!(fault("MIT|toml v1.0.0 (*)"), None);
        assert_eq!(fault(""), None);
        let banned = fault("MIT|ring v0.17.14").unwrap();
        assert_eq!(banned, "ring v0.17.14 is not wanted: one is enough");
        let license = fault("GPL-3.0-only|copied v1.0.0 (*)").unwrap();
        assert_eq!(license, "copied v1.0.0 has a licence that deny.toml does not allow: 'GPL-3.0-only'");
    }

    #[test]
    fn crates_come_from_one_place() {
        let package =
            |name: &str, source: &str| format!("[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\n{source}\n");
        let from = |source: &str| format!("source = \"{source}\"");
        let git = "git+https://git.example/copied#0123";
        let lock = package("own", "") + &package("usual", &from(REGISTRY)) + &package("copied", &from(git));
        let found: Vec<String> = foreign(&lock).unwrap().collect();
        assert_eq!(found, [format!("copied 1.0.0 comes from {git}")]);
    }
}
