//! Answers that the model lists and this server never gives: model/unanswered.toml, compared with the model and with
//! what the tests have seen, and written as a table into docs/compatibility.md.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    path::Path,
};

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::model::Model;

const UNANSWERED: &str = "model/unanswered.toml";

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unanswered {
    groups: Vec<Group>,
}

/// Answers that are never given for the same reason.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    /// What they are about.
    name: String,
    /// Why they are never given, and what is answered instead.
    reason: String,
    /// Operations by answer: the name of an error, or `ok`.
    operations: BTreeMap<String, Vec<String>>,
}

impl Unanswered {
    /// Reads the file and refuses what is not in the model, or said twice.
    pub fn read(root: &Path, model: &Model) -> anyhow::Result<Self> {
        let file = std::fs::read_to_string(root.join(UNANSWERED)).context(UNANSWERED)?;
        Self::parse(&file, model).context(UNANSWERED)
    }

    fn parse(file: &str, model: &Model) -> anyhow::Result<Self> {
        let this: Self = toml::from_str(file)?;
        let mut said = BTreeSet::new();
        for (answer, name) in this.pairs() {
            let operation = model.operations.get(name).with_context(|| format!("the model has no operation {name}"))?;
            let is_known = answer == "ok" || operation.errors.iter().any(|error| error == answer);
            ensure!(is_known, "the model does not list {answer} for {name}");
            ensure!(said.insert((answer, name)), "{name} {answer} stands there twice");
        }
        Ok(this)
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let answers = self.groups.iter().flat_map(|group| &group.operations);
        answers.flat_map(|(answer, names)| names.iter().map(|name| (answer.as_str(), name.as_str())))
    }

    /// Whether the file says that `operation` never answers this.
    pub fn has(&self, operation: &str, answer: &str) -> bool {
        self.pairs().any(|pair| pair == (answer, operation))
    }

    /// Refuses a file that calls impossible what a test has seen; `seen` are outcomes and their tests, by operation.
    pub fn check(&self, seen: &BTreeMap<String, BTreeMap<String, BTreeSet<String>>>) -> anyhow::Result<()> {
        for (answer, name) in self.pairs() {
            let tests = seen.get(name).and_then(|outcomes| outcomes.get(answer));
            let Some(test) = tests.and_then(BTreeSet::first) else { continue };
            anyhow::bail!(
                "{UNANSWERED} says that {name} never answers {answer}, and {test} has seen it: take it out of there"
            );
        }
        Ok(())
    }

    /// The part of docs/compatibility.md.
    pub fn section(&self) -> anyhow::Result<String> {
        let mut section = String::from(
            "## Answers that are never given\n\n\
             The model lists these answers, and this server gives none of them.\n\n\
             | | Never answered | By | Because |\n|---|---|---|---|\n",
        );
        for group in &self.groups {
            for (answer, names) in &group.operations {
                writeln!(section, "| {} | {answer} | {} | {} |", group.name, names.join(", "), group.reason)?;
            }
        }
        Ok(section)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::Unanswered;
    use crate::{model::Model, output::repository_root};

    fn file(operations: &str) -> String {
        format!("[[groups]]\nname = \"Rights\"\nreason = \"nobody has any\"\n[groups.operations]\n{operations}\n")
    }

    #[test]
    fn the_committed_file_agrees_with_the_model() {
        let root = repository_root().unwrap();
        let unanswered = Unanswered::read(&root, &Model::read(&root).unwrap()).unwrap();
        assert!(unanswered.has("CreateGroup", "NotAuthorizedException"));
        assert!(!unanswered.has("CreateGroup", "GroupExistsException"));
    }

    #[test]
    fn what_the_model_does_not_know_is_refused() {
        let model = Model::read(&repository_root().unwrap()).unwrap();
        let refusal = |operations: &str| Unanswered::parse(&file(operations), &model).err().unwrap().to_string();
        assert!(refusal("NotAuthorizedException = [\"MakeGroup\"]").contains("no operation MakeGroup"));
        assert!(refusal("CodeMismatchException = [\"CreateGroup\"]").contains("CodeMismatchException for CreateGroup"));
        assert!(refusal("NotAuthorizedException = [\"GetGroup\", \"GetGroup\"]").contains("twice"));
    }

    #[test]
    fn what_a_test_has_seen_is_not_impossible() {
        let model = Model::read(&repository_root().unwrap()).unwrap();
        let unanswered = Unanswered::parse(&file("ok = [\"GetGroup\"]"), &model).unwrap();
        assert!(unanswered.section().unwrap().contains("\n| Rights | ok | GetGroup | nobody has any |\n"));
        let seen = |outcome: &str| {
            let outcomes = BTreeMap::from([(outcome.to_owned(), BTreeSet::from(["groups::one".to_owned()]))]);
            BTreeMap::from([("GetGroup".to_owned(), outcomes)])
        };
        unanswered.check(&seen("ResourceNotFoundException")).unwrap();
        let refusal = unanswered.check(&seen("ok")).unwrap_err().to_string();
        assert!(refusal.contains("GetGroup never answers ok, and groups::one has seen it"), "{refusal}");
    }
}
