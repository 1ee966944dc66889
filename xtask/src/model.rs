//! The API's facts as they lie in model/, and the names that Rust gives them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, bail};
use serde::Deserialize;

/// Values of enumerations that the service takes although its model does not list them: enumeration and value.
const ADDED_VALUES: [(&str, &str); 1] = [("ExplicitAuthFlowsType", "ALLOW_CLIENT_TOKEN_AUTH")];

/// The whole model.
#[derive(Deserialize)]
pub struct Model {
    /// Operations by name.
    pub operations: BTreeMap<String, Operation>,
    /// Shapes by name.
    pub shapes: BTreeMap<String, Shape>,
}

/// One operation.
#[derive(Deserialize)]
pub struct Operation {
    /// Name of the input structure.
    pub input: String,
    /// Name of the output structure; absent where the answer's body is empty.
    pub output: Option<String>,
    /// Names of the errors it may answer.
    pub errors: Vec<String>,
    /// `sigv4` or `none`.
    pub auth: String,
}

/// One shape; which members are present depends on `kind`.
#[derive(Deserialize)]
pub struct Shape {
    /// `structure`, `string`, `list` …
    #[serde(rename = "type")]
    pub kind: String,
    /// Members of a structure, in the model's order.
    #[serde(default)]
    pub members: serde_json::Map<String, serde_json::Value>,
    /// Names of members that must be there.
    #[serde(default)]
    pub required: Vec<String>,
    /// Smallest length or value.
    pub min: Option<i64>,
    /// Largest length or value.
    pub max: Option<i64>,
    /// Values of an enumeration.
    #[serde(rename = "enum", default)]
    pub values: Vec<String>,
    /// Regular expression over the whole value.
    pub pattern: Option<String>,
    /// Whether the structure is an error.
    #[serde(default)]
    pub exception: bool,
    /// Whether it is the server's fault.
    #[serde(default)]
    pub fault: bool,
    /// Whether values must not be shown.
    #[serde(default)]
    pub sensitive: bool,
    /// Whether the structure stands for any JSON.
    #[serde(default)]
    pub document: bool,
    member: Option<Target>,
    key: Option<Target>,
    value: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    shape: String,
}

impl Model {
    /// Reads model/cognito-idp-2016-04-18.json, and adds what it leaves out.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let path = root.join("model/cognito-idp-2016-04-18.json");
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let mut model: Self = serde_json::from_str(&text)?;
        for (name, value) in ADDED_VALUES {
            let shape = model.shapes.get_mut(name).with_context(|| format!("the model has no shape {name}"))?;
            anyhow::ensure!(!shape.values.iter().any(|known| known == value), "the model has {name} {value} by now");
            shape.values.push(value.to_owned());
        }
        Ok(model)
    }

    /// A shape by name.
    pub fn shape(&self, name: &str) -> anyhow::Result<&Shape> {
        self.shapes.get(name).with_context(|| format!("the model has no shape {name}"))
    }

    /// Names of the shapes that an operation's input or output holds, at any depth.
    pub fn reachable(&self) -> anyhow::Result<BTreeSet<&str>> {
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<&str> = Vec::new();
        for operation in self.operations.values() {
            waiting.push(&operation.input);
            waiting.extend(operation.output.as_deref());
        }
        while let Some(name) = waiting.pop() {
            if !seen.insert(name) {
                continue;
            }
            let shape = self.shape(name)?;
            match shape.kind.as_str() {
                "structure" => waiting.extend(shape.member_shapes()?.into_iter().map(|(_, target)| target)),
                "list" => waiting.push(shape.element()?),
                "map" => waiting.extend([shape.key()?, shape.element()?]),
                _ => {}
            }
        }
        Ok(seen)
    }

    /// The Rust type of a shape.
    pub fn rust_type(&self, name: &str) -> anyhow::Result<String> {
        let shape = self.shape(name)?;
        Ok(match shape.kind.as_str() {
            "structure" if shape.document => "serde_json::Value".to_owned(),
            "structure" => name.to_owned(),
            "string" if !shape.values.is_empty() => name.to_owned(),
            "string" => "String".to_owned(),
            "boolean" => "bool".to_owned(),
            "integer" | "long" => "i64".to_owned(),
            "timestamp" => "Timestamp".to_owned(),
            "blob" => "Blob".to_owned(),
            "list" => format!("Vec<{}>", self.rust_type(shape.element()?)?),
            "map" => format!("BTreeMap<String, {}>", self.rust_type(shape.element()?)?),
            other => bail!("shape {name} has the unknown type {other}"),
        })
    }
}

impl Shape {
    /// Members of a structure with the names of their shapes.
    pub fn member_shapes(&self) -> anyhow::Result<Vec<(&str, &str)>> {
        self.members
            .iter()
            .map(|(name, member)| {
                let shape = member.get("shape").and_then(serde_json::Value::as_str).context("a member has a shape")?;
                Ok((name.as_str(), shape))
            })
            .collect()
    }

    /// Shape of a map's keys.
    pub fn key(&self) -> anyhow::Result<&str> {
        Ok(&self.key.as_ref().context("a map has a key")?.shape)
    }

    /// Shape of a list's members or a map's values.
    pub fn element(&self) -> anyhow::Result<&str> {
        let target = self.member.as_ref().or(self.value.as_ref()).context("a list or map has an element")?;
        Ok(&target.shape)
    }
}

/// Words of a model name: `SMSMessage` → SMS, Message; `CallbackURLs` → Callback, Urls.
fn words(name: &str) -> Vec<String> {
    let name = name.replace("URLs", "Urls");
    let characters: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = Vec::new();
    for (index, character) in characters.iter().enumerate() {
        let previous = index.checked_sub(1).and_then(|at| characters.get(at));
        let next = characters.get(index + 1);
        let starts = character.is_ascii_uppercase()
            && previous.is_none_or(|p| !p.is_ascii_uppercase() || next.is_some_and(char::is_ascii_lowercase));
        if *character == '_' || *character == '-' {
            words.push(String::new());
        } else if starts || words.is_empty() {
            words.push(character.to_string());
        } else if let Some(word) = words.last_mut() {
            word.push(*character);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// `ForgotPassword` → `forgot_password`.
pub fn snake_case(name: &str) -> String {
    words(name).iter().map(|word| word.to_lowercase()).collect::<Vec<_>>().join("_")
}

/// A member's name as a Rust field.
pub fn field_name(name: &str) -> String {
    match snake_case(name).as_str() {
        "type" => "r#type".to_owned(),
        other => other.to_owned(),
    }
}

/// An enumeration's value as a Rust variant: `USER_SRP_AUTH` → `UserSrpAuth`.
pub fn variant_name(value: &str) -> String {
    value
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|part| !part.is_empty())
        .map(|part| {
            let upper = part.chars().all(|c| !c.is_ascii_lowercase());
            let mut characters = part.chars();
            let first = characters.next().map(|c| c.to_ascii_uppercase()).into_iter();
            first.chain(characters.map(|c| if upper { c.to_ascii_lowercase() } else { c })).collect::<String>()
        })
        .collect()
}

/// A shape's name as a Rust static.
pub fn static_name(name: &str) -> String {
    snake_case(name).to_uppercase()
}

/// The path of a member in validation messages: the first letter lowered, the rest as in the model.
pub fn path_name(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|c| c.to_ascii_lowercase()).into_iter().chain(characters).collect()
}
