//! `poolkeeper dev --template FILE`: the AWS::Cognito resources of a CloudFormation or SAM template, or of what
//! `cdk synth` wrote, as a plan of what there is to be.
//!
//! Ids are derived from the file's name and the resource's logical id, so that every start finds what the one before
//! made; `Metadata.Poolkeeper` of a resource chooses them. What cannot be had is left out, and said.

mod resolve;
mod resources;

use std::{collections::BTreeMap, path::Path};

use service::Settings;

use crate::seed::{
    node::{Complaint, Node},
    plan::Plan,
    read::join,
};

use resolve::Scope;

/// A template with everything that its parts may refer to.
pub struct Template<'a> {
    file: &'a Node,
    scope: Scope<'a>,
}

/// What a template comes to.
pub struct Outcome {
    /// What there is to be.
    pub plan: Plan,
    /// What is left out, and why.
    pub skipped: Vec<Complaint>,
}

/// What a stack made of this file is called: the file's name up to its first dot.
pub fn stack_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = name.split('.').next().unwrap_or_default();
    stem.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect()
}

impl<'a> Template<'a> {
    /// Reads the frame of a template. `given` are parameters' values.
    ///
    /// # Errors
    /// When it is no template, or has no such parameter.
    pub fn new(
        settings: &'a Settings,
        file: &'a Node,
        stack: &str,
        given: &[(String, String)],
    ) -> Result<Self, Complaint> {
        file.entries("")?;
        let Some(resources) = file.get("Resources") else {
            return Err(Complaint::new(1, "Resources", "this is missing: the file is no CloudFormation template"));
        };
        let mut scope = Scope::new(settings, stack);
        for section in ["Conditions", "Mappings"] {
            if let Some(node) = file.get(section) {
                let entries = node.entries(section)?.iter().map(|entry| (entry.key.as_str(), &entry.value));
                let known: BTreeMap<&str, &Node> = entries.collect();
                *(if section == "Conditions" { &mut scope.conditions } else { &mut scope.mappings }) = known;
            }
        }
        if let Some(parameters) = file.get("Parameters") {
            for entry in parameters.entries("Parameters")? {
                let value = entry.value.get("Default").and_then(Node::scalar);
                let is_list = entry.value.get("Type").and_then(Node::scalar).is_some_and(|name| name.contains("List"));
                scope.parameters.insert(entry.key.clone(), (value, is_list));
            }
        }
        for (name, value) in given {
            let Some(parameter) = scope.parameters.get_mut(name) else {
                let line = file.get("Parameters").map_or(1, |node| node.line);
                let reason = format!("the template has no parameter {name}: leave out --parameter {name}=…");
                return Err(Complaint::new(line, "Parameters", reason));
            };
            parameter.0 = Some(value.clone());
        }
        for entry in resources.entries("Resources")? {
            let key = join("Resources", &entry.key);
            let Some(kind) = entry.value.get("Type") else {
                return Err(Complaint::new(entry.line, join(&key, "Type"), "this is missing: what the resource is"));
            };
            let kind = kind.as_text(&join(&key, "Type"))?;
            scope.resources.insert(entry.key.clone(), resolve::Resource { kind, node: &entry.value, line: entry.line });
        }
        Ok(Self { file, scope })
    }

    /// What there is to be.
    ///
    /// # Errors
    /// When a resource is not formed as one.
    pub fn plan(&self) -> Result<Outcome, Complaint> {
        let mut outcome = Outcome { plan: Plan::default(), skipped: Vec::new() };
        resources::add_all(&self.scope, self.file, &mut outcome)?;
        outcome.plan.check()?;
        Ok(outcome)
    }

    /// The outputs, a line each.
    ///
    /// # Errors
    /// When the section is not formed as one.
    pub fn outputs(&self) -> Result<Vec<String>, Complaint> {
        let Some(outputs) = self.file.get("Outputs") else { return Ok(Vec::new()) };
        let mut lines = Vec::new();
        for entry in outputs.entries("Outputs")? {
            let key = join("Outputs", &entry.key);
            let condition = entry.value.get("Condition").and_then(Node::scalar);
            let mut skipped = Vec::new();
            if condition.is_some_and(|name| !self.scope.holds(&name, &key, &mut skipped)) {
                continue;
            }
            let value = entry.value.get("Value").and_then(|value| self.scope.resolve(value, &key, &mut skipped));
            match (value.as_ref().and_then(Node::scalar), skipped.first()) {
                (Some(value), _) => lines.push(format!("  {} = {value}", entry.key)),
                (None, Some(complaint)) => lines.push(format!("  {} is left out: {}", entry.key, complaint.reason)),
                (None, None) => lines.push(format!("  {} is left out: it is no text", entry.key)),
            }
        }
        Ok(lines)
    }
}

#[cfg(test)]
mod tests;
