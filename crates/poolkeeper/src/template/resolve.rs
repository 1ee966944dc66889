//! Intrinsic functions: what `Ref`, `Fn::GetAtt`, `Fn::Sub`, `Fn::Join` and their like stand for.

use std::collections::BTreeMap;

use service::{Settings, settings::Issuer};

use crate::seed::{
    node::{Complaint, Entry, Node, Value},
    read::join,
};

/// How deep references may lead through other references.
const DEEPEST: usize = 32;
/// Characters of a pool id's drawn part, and how many there are.
const OF_POOLS: (&[u8], usize) = (b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 9);
/// Characters of a client's id, and how many there are.
const OF_CLIENTS: (&[u8], usize) = (b"0123456789abcdefghijklmnopqrstuvwxyz", 26);

/// A resource as the template has it.
pub struct Resource<'a> {
    /// `AWS::Cognito::UserPool`
    pub kind: &'a str,
    /// All of it.
    pub node: &'a Node,
    /// The line of its name.
    pub line: usize,
}

/// Everything that can be referred to.
pub struct Scope<'a> {
    settings: &'a Settings,
    /// The stack's name.
    pub stack: String,
    /// Values of parameters, and whether each is a list. One without a value has none to refer to.
    pub parameters: BTreeMap<String, (Option<String>, bool)>,
    /// `Conditions`
    pub conditions: BTreeMap<&'a str, &'a Node>,
    /// `Mappings`
    pub mappings: BTreeMap<&'a str, &'a Node>,
    /// By logical id.
    pub resources: BTreeMap<String, Resource<'a>>,
}

/// Where a value stands, for complaints, and how many references led there.
#[derive(Clone, Copy)]
struct At<'k> {
    line: usize,
    key: &'k str,
    depth: usize,
}

impl At<'_> {
    fn complaint(&self, reason: impl Into<String>) -> Complaint {
        Complaint::new(self.line, self.key, reason)
    }
}

/// Why there is no value: a reason to tell, or none where the template wants it so.
type Absent = Option<Complaint>;

impl<'a> Scope<'a> {
    /// The scope of an empty template.
    pub fn new(settings: &'a Settings, stack: &str) -> Self {
        Self {
            settings,
            stack: stack.to_owned(),
            parameters: BTreeMap::new(),
            conditions: BTreeMap::new(),
            mappings: BTreeMap::new(),
            resources: BTreeMap::new(),
        }
    }

    /// What a value stands for. What cannot be resolved is left out, innermost first, and told; nothing where all of it
    /// is left out.
    pub fn resolve(&self, node: &Node, key: &str, skipped: &mut Vec<Complaint>) -> Option<Node> {
        match self.value(node, At { line: node.line, key, depth: 0 }, skipped) {
            Ok(node) => Some(node),
            Err(absent) => {
                skipped.extend(absent);
                None
            }
        }
    }

    /// Whether a condition holds. One that cannot be decided does not, and that is told.
    pub fn holds(&self, name: &str, key: &str, skipped: &mut Vec<Complaint>) -> bool {
        match self.condition(name, At { line: 1, key, depth: 0 }) {
            Ok(holds) => holds,
            Err(absent) => {
                skipped.extend(absent);
                false
            }
        }
    }

    /// The id of a pool or of a client: the one that `Metadata.Poolkeeper` chooses, or one that is derived from the
    /// names of stack and resource.
    pub fn id(&self, logical_id: &str) -> Option<String> {
        let resource = self.resources.get(logical_id)?;
        let chosen = |name: &str| resource.node.get("Metadata")?.get("Poolkeeper")?.get(name)?.scalar();
        match resource.kind {
            "AWS::Cognito::UserPool" => Some(chosen("Id").unwrap_or_else(|| {
                format!("{}_{}", self.settings.default_region, self.derived(logical_id, "pool", OF_POOLS))
            })),
            "AWS::Cognito::UserPoolClient" => {
                Some(chosen("ClientId").unwrap_or_else(|| self.derived(logical_id, "client", OF_CLIENTS)))
            }
            _ => None,
        }
    }

    /// The name of a resource that the template gives none.
    pub fn generated_name(&self, logical_id: &str) -> String {
        format!("{}-{logical_id}", self.stack)
    }

    fn derived(&self, logical_id: &str, what: &str, (alphabet, length): (&[u8], usize)) -> String {
        let mac = crypto::hash::hmac_sha256_fields(
            b"ids of a template's resources",
            &[what.as_bytes(), self.stack.as_bytes(), logical_id.as_bytes()],
        );
        let letter = |byte: &u8| alphabet.get(usize::from(*byte) % alphabet.len()).copied().map(char::from);
        mac.iter().take(length).filter_map(letter).collect()
    }

    fn value(&self, node: &Node, at: At<'_>, skipped: &mut Vec<Complaint>) -> Result<Node, Absent> {
        let at = At { line: node.line, ..at };
        match &node.value {
            Value::Map(entries) => {
                if let [Entry { key, value, .. }] = entries.as_slice()
                    && (key == "Ref" || key == "Condition" || key.starts_with("Fn::"))
                {
                    return self.function(key, value, at);
                }
                let mut resolved = Vec::new();
                for entry in entries {
                    let key = join(at.key, &entry.key);
                    match self.value(&entry.value, At { key: &key, ..at }, skipped) {
                        Ok(value) => resolved.push(Entry { value, ..entry.clone() }),
                        Err(absent) => skipped.extend(absent),
                    }
                }
                Ok(Node::map(node.line, resolved))
            }
            Value::List(items) => {
                let mut resolved = Vec::new();
                for (number, item) in items.iter().enumerate() {
                    let key = format!("{}[{number}]", at.key);
                    match self.value(item, At { key: &key, ..at }, skipped) {
                        Ok(item) => resolved.push(item),
                        Err(absent) => skipped.extend(absent),
                    }
                }
                Ok(Node { line: node.line, value: Value::List(resolved) })
            }
            _ => Ok(node.clone()),
        }
    }

    /// A value that a function needs whole.
    fn whole(&self, node: &Node, at: At<'_>) -> Result<Node, Absent> {
        if at.depth > DEEPEST {
            return Err(Some(at.complaint("references lead too deep, or in a circle")));
        }
        let mut skipped = Vec::new();
        let value = self.value(node, At { depth: at.depth + 1, ..at }, &mut skipped)?;
        skipped.into_iter().next().map_or(Ok(value), |complaint| Err(Some(complaint)))
    }

    fn text(&self, node: &Node, at: At<'_>) -> Result<String, Absent> {
        let node = self.whole(node, at)?;
        node.scalar().ok_or_else(|| Some(node.is_not(at.key, "a text")))
    }

    fn texts(&self, node: &Node, at: At<'_>) -> Result<Vec<String>, Absent> {
        let node = self.whole(node, at)?;
        let items = node.items(at.key).map_err(Some)?;
        items.iter().map(|item| item.scalar().ok_or_else(|| Some(item.is_not(at.key, "a text")))).collect()
    }

    /// The arguments of a function that takes so many.
    fn arguments<'n, const COUNT: usize>(name: &str, node: &'n Node, at: At<'_>) -> Result<&'n [Node; COUNT], Absent> {
        let items = node.items(at.key).map_err(Some)?;
        items.try_into().map_err(|_error| Some(at.complaint(format!("{name} takes a list of {COUNT} values"))))
    }

    fn function(&self, name: &str, argument: &Node, at: At<'_>) -> Result<Node, Absent> {
        let text = |text: String| Ok(Node::text(at.line, text));
        match name {
            "Ref" => self.reference(argument.as_text(at.key).map_err(Some)?, at),
            "Fn::GetAtt" => {
                let (resource, attribute) = match &argument.value {
                    Value::Text(both) => both
                        .split_once('.')
                        .map(|(resource, attribute)| (resource.to_owned(), attribute.to_owned()))
                        .ok_or_else(|| Some(at.complaint("Fn::GetAtt takes a resource and one of its attributes")))?,
                    _ => {
                        let [resource, attribute] = Self::arguments(name, argument, at)?;
                        (self.text(resource, at)?, self.text(attribute, at)?)
                    }
                };
                text(self.attribute(&resource, &attribute, at)?)
            }
            "Fn::Sub" => text(self.substituted(argument, at)?),
            "Fn::Join" => {
                let [separator, parts] = Self::arguments(name, argument, at)?;
                let separator = self.text(separator, at)?;
                text(self.texts(parts, at)?.join(&separator))
            }
            "Fn::Select" => {
                let [index, items] = Self::arguments(name, argument, at)?;
                let index: usize = self.text(index, at)?.parse().unwrap_or(usize::MAX);
                let chosen = self.texts(items, at)?.into_iter().nth(index);
                text(chosen.ok_or_else(|| Some(at.complaint("Fn::Select chooses an item that is not there")))?)
            }
            "Fn::Split" => {
                let [separator, whole] = Self::arguments(name, argument, at)?;
                let (separator, whole) = (self.text(separator, at)?, self.text(whole, at)?);
                let items = whole.split(separator.as_str()).map(|part| Node::text(at.line, part)).collect();
                Ok(Node { line: at.line, value: Value::List(items) })
            }
            "Fn::FindInMap" => {
                let [map, first, second] = Self::arguments(name, argument, at)?;
                let names = [self.text(map, at)?, self.text(first, at)?, self.text(second, at)?];
                let [map, first, second] = &names;
                let found = self.mappings.get(map.as_str()).and_then(|map| map.get(first)?.get(second));
                found.cloned().ok_or_else(|| Some(at.complaint(format!("Mappings has no {}", names.join(".")))))
            }
            "Fn::If" => {
                let [condition, yes, no] = Self::arguments(name, argument, at)?;
                let holds = self.condition(condition.as_text(at.key).map_err(Some)?, at)?;
                self.whole(if holds { yes } else { no }, at)
            }
            "Condition" | "Fn::Equals" | "Fn::And" | "Fn::Or" | "Fn::Not" => {
                let holds = self.truth(name, argument, at)?;
                Ok(Node { line: at.line, value: Value::Bool(holds) })
            }
            _ => Err(Some(at.complaint(format!("{name} is not understood here")))),
        }
    }

    fn condition(&self, name: &str, at: At<'_>) -> Result<bool, Absent> {
        let Some(node) = self.conditions.get(name) else {
            return Err(Some(at.complaint(format!("there is no condition {name}"))));
        };
        self.whole(node, at)?.as_bool(&join("Conditions", name)).map_err(Some)
    }

    fn truth(&self, name: &str, argument: &Node, at: At<'_>) -> Result<bool, Absent> {
        if name == "Condition" {
            return self.condition(argument.as_text(at.key).map_err(Some)?, at);
        }
        if name == "Fn::Equals" {
            let [left, right] = Self::arguments(name, argument, at)?;
            return Ok(self.whole(left, at)?.json() == self.whole(right, at)?.json());
        }
        let items = argument.items(at.key).map_err(Some)?.iter();
        let mut items =
            items.map(|item| self.whole(item, at)?.as_bool(at.key).map_err(Some)).collect::<Result<Vec<_>, _>>()?;
        match name {
            "Fn::And" => Ok(items.iter().all(|item| *item)),
            "Fn::Or" => Ok(items.iter().any(|item| *item)),
            _ => Ok(!items.pop().unwrap_or_default()),
        }
    }

    /// `Fn::Sub`: a text, or a text with values for some of its names.
    fn substituted(&self, argument: &Node, at: At<'_>) -> Result<String, Absent> {
        let (text, values) = match &argument.value {
            Value::Text(text) => (text.as_str(), None),
            _ => {
                let [text, values] = Self::arguments("Fn::Sub", argument, at)?;
                (text.as_text(at.key).map_err(Some)?, Some(values))
            }
        };
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            result.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                return Err(Some(at.complaint("a `${` in Fn::Sub has no `}`")));
            };
            rest = after;
            let name = name.trim();
            if let Some(literal) = name.strip_prefix('!') {
                result.push_str(&format!("${{{literal}}}"));
                continue;
            }
            let value = match (values.and_then(|values| values.get(name)), name.split_once('.')) {
                (Some(value), _) => self.text(value, at)?,
                (None, Some((resource, attribute))) => self.attribute(resource, attribute, at)?,
                (None, None) => {
                    let node = self.reference(name, at)?;
                    node.scalar().ok_or_else(|| Some(node.is_not(at.key, "a text")))?
                }
            };
            result.push_str(&value);
        }
        result.push_str(rest);
        Ok(result)
    }

    /// What `Ref` stands for.
    fn reference(&self, name: &str, at: At<'_>) -> Result<Node, Absent> {
        let text = |text: &str| Ok(Node::text(at.line, text));
        match name {
            "AWS::Region" => return text(&self.settings.default_region),
            "AWS::AccountId" => return text(&self.settings.account_id),
            "AWS::StackName" => return text(&self.stack),
            "AWS::StackId" => {
                let (region, account) = (&self.settings.default_region, &self.settings.account_id);
                return text(&format!("arn:aws:cloudformation:{region}:{account}:stack/{}/local", self.stack));
            }
            "AWS::Partition" => return text("aws"),
            "AWS::URLSuffix" => return text("amazonaws.com"),
            "AWS::NoValue" => return Err(None),
            _ => {}
        }
        if let Some((value, is_list)) = self.parameters.get(name) {
            let Some(value) = value else {
                let reason = format!("the parameter {name} has no default: give it with --parameter {name}=VALUE");
                return Err(Some(at.complaint(reason)));
            };
            if !is_list {
                return text(value);
            }
            let items = value.split(',').map(|item| Node::text(at.line, item.trim())).collect();
            return Ok(Node { line: at.line, value: Value::List(items) });
        }
        let resource = self.resource(name, at)?;
        let named_by = match resource.kind {
            "AWS::Cognito::UserPoolGroup" => "GroupName",
            "AWS::Cognito::UserPoolUser" => "Username",
            "AWS::Cognito::UserPoolResourceServer" => "Identifier",
            "AWS::Cognito::UserPoolDomain" => "Domain",
            "AWS::Cognito::UserPoolIdentityProvider" => "ProviderName",
            _ => return self.id(name).map_or_else(|| Err(Some(foreign(name, resource, at))), |id| text(&id)),
        };
        match resource.node.get("Properties").and_then(|properties| properties.get(named_by)) {
            Some(node) => text(&self.text(node, at)?),
            None => text(&self.generated_name(name)),
        }
    }

    /// What `Fn::GetAtt` stands for.
    fn attribute(&self, name: &str, attribute: &str, at: At<'_>) -> Result<String, Absent> {
        let resource = self.resource(name, at)?;
        let settings = self.settings;
        match (resource.kind, attribute, self.id(name)) {
            ("AWS::Cognito::UserPool", "UserPoolId", Some(id)) => Ok(id),
            ("AWS::Cognito::UserPool", "Arn", Some(id)) => {
                let region = id.split_once('_').map_or("", |(region, _)| region);
                Ok(format!("arn:aws:cognito-idp:{region}:{}:userpool/{id}", settings.account_id))
            }
            // Decision: what verifiers of this server's tokens need, so that outputs can be used as they are.
            ("AWS::Cognito::UserPool", "ProviderURL", Some(id)) => Ok(self.issuer(&id)),
            ("AWS::Cognito::UserPool", "ProviderName", Some(id)) => {
                let url = self.issuer(&id);
                Ok(url.split_once("://").map_or(url.as_str(), |(_, name)| name).to_owned())
            }
            ("AWS::Cognito::UserPoolClient", "ClientId", Some(id)) => Ok(id),
            ("AWS::Cognito::UserPoolClient", "Name", _) => {
                let name_node = resource.node.get("Properties").and_then(|properties| properties.get("ClientName"));
                name_node.map_or_else(|| Ok(self.generated_name(name)), |node| self.text(node, at))
            }
            ("AWS::Cognito::UserPoolClient", "ClientSecret", _) => {
                Err(Some(at.complaint("a client's secret is not shown here: DescribeUserPoolClient answers it")))
            }
            (kind, ..) if kind.starts_with("AWS::Cognito::") => {
                Err(Some(at.complaint(format!("{name} ({kind}) has no attribute {attribute} here"))))
            }
            _ => Err(Some(foreign(name, resource, at))),
        }
    }

    fn issuer(&self, pool_id: &str) -> String {
        match self.settings.issuer {
            Issuer::Server => format!("{}/{pool_id}", self.settings.base_url),
            Issuer::Aws => {
                let region = pool_id.split_once('_').map_or("", |(region, _)| region);
                format!("https://cognito-idp.{region}.amazonaws.com/{pool_id}")
            }
        }
    }

    fn resource(&self, name: &str, at: At<'_>) -> Result<&Resource<'a>, Absent> {
        if at.depth > DEEPEST {
            return Err(Some(at.complaint("references lead too deep, or in a circle")));
        }
        self.resources.get(name).ok_or_else(|| {
            Some(at.complaint(format!("it refers to {name}, which is no parameter or resource of the template")))
        })
    }
}

fn foreign(name: &str, resource: &Resource<'_>, at: At<'_>) -> Complaint {
    at.complaint(format!("it refers to {name} ({}), which is not made here", resource.kind))
}
