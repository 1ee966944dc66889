//! From the properties of AWS::Cognito resources to the members of requests.

use std::collections::BTreeMap;

use wire::Operation;

use super::{Outcome, resolve::Scope};
use crate::seed::{
    node::{Complaint, Entry, Node, Value},
    plan::{self, Item, PartOfPool, PoolPlan, UserPlan},
    read::join,
    shape::{self, members},
};

/// A resource whose references are resolved.
struct Resolved {
    logical_id: String,
    /// `Resources.X.Properties`
    key: String,
    line: usize,
    properties: Node,
    /// `Metadata.Poolkeeper`
    chosen: Option<Node>,
}

/// The kinds of resources, in the order in which they are looked at: what others name comes first.
const KINDS: [&str; 8] = [
    "AWS::Cognito::UserPool",
    "AWS::Cognito::UserPoolResourceServer",
    "AWS::Cognito::UserPoolIdentityProvider",
    "AWS::Cognito::UserPoolDomain",
    "AWS::Cognito::UserPoolClient",
    "AWS::Cognito::UserPoolGroup",
    "AWS::Cognito::UserPoolUser",
    "AWS::Cognito::UserPoolUserToGroupAttachment",
];

/// Adds every resource that can be had to the plan, and all others to what is left out.
///
/// # Errors
/// When a resource is not formed as one.
pub fn add_all(scope: &Scope<'_>, file: &Node, outcome: &mut Outcome) -> Result<(), Complaint> {
    let mut by_kind: BTreeMap<&str, Vec<Resolved>> = BTreeMap::new();
    let mut others: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    // In the file's order.
    for entry in file.get("Resources").map_or(Ok(&[][..]), |resources| resources.entries("Resources"))? {
        let Some(resource) = scope.resources.get(&entry.key) else { continue };
        let key = join("Resources", &entry.key);
        if let Some(condition) = resource.node.get("Condition").and_then(Node::scalar)
            && !scope.holds(&condition, &key, &mut outcome.skipped)
        {
            continue;
        }
        if KINDS.contains(&resource.kind) {
            let resolved = resolved(scope, &entry.key, &mut outcome.skipped)?;
            by_kind.entry(resource.kind).or_default().push(resolved);
        } else if resource.kind.starts_with("AWS::Cognito::") {
            let reason = format!("{} is not made from templates", resource.kind);
            outcome.skipped.push(Complaint::new(resource.line, key, reason));
        } else {
            others.entry(resource.kind).or_insert((resource.line, 0)).1 += 1;
        }
    }
    for (kind, (line, count)) in others {
        let reason = format!("{count} of {kind}: only AWS::Cognito resources are made here");
        outcome.skipped.push(Complaint::new(line, "Resources", reason));
    }
    for kind in KINDS {
        for resource in by_kind.remove(kind).unwrap_or_default() {
            add(scope, kind, resource, outcome)?;
        }
    }
    Ok(())
}

fn resolved(scope: &Scope<'_>, logical_id: &str, skipped: &mut Vec<Complaint>) -> Result<Resolved, Complaint> {
    let key = format!("Resources.{logical_id}.Properties");
    let Some(resource) = scope.resources.get(logical_id) else {
        return Err(Complaint::new(1, key, "there is no such"));
    };
    let nothing = Node::map(resource.line, Vec::new());
    let node = resource.node.get("Properties").unwrap_or(&nothing);
    node.entries(&key)?;
    let properties = scope.resolve(node, &key, skipped).unwrap_or(nothing);
    let chosen = resource.node.get("Metadata").and_then(|metadata| metadata.get("Poolkeeper")).cloned();
    if let Some(chosen) = &chosen {
        check_choices(resource.kind, chosen, &format!("Resources.{logical_id}.Metadata.Poolkeeper"))?;
    }
    Ok(Resolved { logical_id: logical_id.to_owned(), key, line: resource.line, properties, chosen })
}

/// What `Metadata.Poolkeeper` may choose for a resource.
fn check_choices(kind: &str, chosen: &Node, key: &str) -> Result<(), Complaint> {
    let known: &[&str] = match kind {
        "AWS::Cognito::UserPool" => &["Id"],
        "AWS::Cognito::UserPoolClient" => &["ClientId", "ClientSecret"],
        "AWS::Cognito::UserPoolUser" => &["Sub", "Password"],
        _ => &[],
    };
    for entry in chosen.entries(key)? {
        let key = join(key, &entry.key);
        if !known.contains(&entry.key.as_str()) {
            return Err(shape::unknown(entry.line, key, &entry.key, known));
        }
        match entry.key.as_str() {
            "Id" => drop(plan::pool_id(&entry.value, &key)?),
            "Sub" => drop(plan::sub(&entry.value, &key)?),
            _ => drop(entry.value.as_text(&key)?),
        }
    }
    Ok(())
}

fn add(scope: &Scope<'_>, kind: &str, mut resource: Resolved, outcome: &mut Outcome) -> Result<(), Complaint> {
    if kind == "AWS::Cognito::UserPool" {
        let pool = pool(scope, resource, &mut outcome.skipped)?;
        outcome.plan.pools.push(pool);
        return Ok(());
    }
    let pool_id = resource.properties.take("UserPoolId").and_then(|node| node.scalar());
    let pool = outcome.plan.pools.iter_mut().find(|pool| Some(&pool.id) == pool_id.as_ref());
    let Some(pool) = pool else {
        let reason = "its UserPoolId names no user pool of this template";
        outcome.skipped.push(Complaint::new(resource.line, &resource.key, reason));
        return Ok(());
    };
    let skipped = &mut outcome.skipped;
    match kind {
        "AWS::Cognito::UserPoolClient" => {
            let id = scope.id(&resource.logical_id).unwrap_or_default();
            name_it(scope, &mut resource, "ClientName");
            if let Some(secret) = resource.chosen.as_mut().and_then(|chosen| chosen.take("ClientSecret")) {
                resource.properties.take("GenerateSecret");
                resource.properties.put("ClientSecret", secret);
            }
            pool.clients.push((id, item(resource, Operation::CreateUserPoolClient, skipped)?));
        }
        "AWS::Cognito::UserPoolGroup" => {
            name_it(scope, &mut resource, "GroupName");
            pool.groups.push(item(resource, Operation::CreateGroup, skipped)?);
        }
        "AWS::Cognito::UserPoolUser" => {
            name_it(scope, &mut resource, "Username");
            let user = user(resource, skipped)?;
            pool.users.push(user);
        }
        "AWS::Cognito::UserPoolUserToGroupAttachment" => attach(pool, &resource, skipped),
        "AWS::Cognito::UserPoolResourceServer" => {
            let item = item(resource, Operation::CreateResourceServer, skipped)?;
            pool.parts.push((PartOfPool::ResourceServer, item));
        }
        "AWS::Cognito::UserPoolIdentityProvider" => {
            let item = item(resource, Operation::CreateIdentityProvider, skipped)?;
            pool.parts.push((PartOfPool::IdentityProvider, item));
        }
        _ => pool.parts.push((PartOfPool::Domain, item(resource, Operation::CreateUserPoolDomain, skipped)?)),
    }
    Ok(())
}

fn pool(scope: &Scope<'_>, mut resource: Resolved, skipped: &mut Vec<Complaint>) -> Result<PoolPlan, Complaint> {
    let id = scope.id(&resource.logical_id).unwrap_or_default();
    if let Some(name) = resource.properties.take("UserPoolName") {
        resource.properties.put("PoolName", name);
    }
    name_it(scope, &mut resource, "PoolName");
    let mfa = mfa(&mut resource)?;
    let settings = item(resource, Operation::CreateUserPool, skipped)?;
    Ok(PoolPlan { id, settings, mfa, parts: Vec::new(), clients: Vec::new(), groups: Vec::new(), users: Vec::new() })
}

/// CloudFormation calls SetUserPoolMfaConfig for what CreateUserPool does not take.
fn mfa(resource: &mut Resolved) -> Result<Option<Item>, Complaint> {
    let (line, key, properties) = (resource.line, resource.key.clone(), &mut resource.properties);
    let on = |line: usize| Node::map(line, vec![entry("Enabled", Node { line, value: Value::Bool(true) })]);
    let mut config = Vec::new();
    if let Some(factors) = properties.take("EnabledMfas") {
        for factor in factors.items(&join(&key, "EnabledMfas"))? {
            match factor.as_text(&join(&key, "EnabledMfas"))? {
                "SOFTWARE_TOKEN_MFA" => config.push(entry("SoftwareTokenMfaConfiguration", on(factor.line))),
                "SMS_MFA" => {
                    let sms = properties.get("SmsConfiguration").cloned().map(|sms| entry("SmsConfiguration", sms));
                    let text = properties.take("SmsAuthenticationMessage");
                    let text = text.map(|text| entry("SmsAuthenticationMessage", text));
                    let members = Node::map(factor.line, sms.into_iter().chain(text).collect());
                    config.push(entry("SmsMfaConfiguration", members));
                }
                "EMAIL_OTP" => {
                    let pairs = [("Message", "EmailAuthenticationMessage"), ("Subject", "EmailAuthenticationSubject")];
                    let taken = pairs.map(|(to, from)| properties.take(from).map(|value| entry(to, value)));
                    let members = Node::map(factor.line, taken.into_iter().flatten().collect());
                    config.push(entry("EmailMfaConfiguration", members));
                }
                _ => {
                    let reason = "this is none of SMS_MFA, SOFTWARE_TOKEN_MFA and EMAIL_OTP";
                    return Err(Complaint::new(factor.line, join(&key, "EnabledMfas"), reason));
                }
            }
        }
    }
    let pairs = [("RelyingPartyId", "WebAuthnRelyingPartyID"), ("UserVerification", "WebAuthnUserVerification")];
    let pairs = pairs.map(|(to, from)| properties.take(from).map(|value| entry(to, value)));
    let web_authn: Vec<Entry> = pairs.into_iter().flatten().collect();
    if !web_authn.is_empty() {
        config.push(entry("WebAuthnConfiguration", Node::map(line, web_authn)));
    }
    if config.is_empty() {
        return Ok(None);
    }
    if let Some(mode) = properties.take("MfaConfiguration") {
        config.push(entry("MfaConfiguration", mode));
    }
    let members = Node::map(line, config);
    shape::check(&members, Operation::SetUserPoolMfaConfig.input(), &key)?;
    Ok(Some(Item { key, members }))
}

fn user(mut resource: Resolved, skipped: &mut Vec<Complaint>) -> Result<UserPlan, Complaint> {
    let choice = |name: &str| resource.chosen.as_ref()?.get(name).and_then(|node| Some((node.scalar()?, node.line)));
    let (password, sub) = (choice("Password"), choice("Sub"));
    let key = join(&resource.key, "UserAttributes");
    let mut attributes = Vec::new();
    if let Some(given) = resource.properties.take("UserAttributes") {
        for node in given.items(&key)? {
            let text = |name: &str| node.get(name).and_then(Node::scalar);
            let name = text("Name").ok_or_else(|| Complaint::new(node.line, &key, "an attribute has no Name"))?;
            attributes.push((name, text("Value").unwrap_or_default()));
        }
    }
    let username = resource.properties.get("Username").and_then(Node::scalar).unwrap_or_default();
    if password.is_some() && resource.properties.get("MessageAction").is_none() {
        // Whoever has a password needs no invitation with another one.
        let line = resource.line;
        resource.properties.put("MessageAction", Node::text(line, "SUPPRESS"));
    }
    let item = item(resource, Operation::AdminCreateUser, skipped)?;
    Ok(UserPlan { item, username, sub, password, enabled: None, attributes, groups: Vec::new() })
}

fn attach(pool: &mut PoolPlan, resource: &Resolved, skipped: &mut Vec<Complaint>) {
    let text = |name: &str| resource.properties.get(name).and_then(Node::scalar);
    let user = pool.users.iter_mut().find(|user| Some(&user.username) == text("Username").as_ref());
    match (user, text("GroupName")) {
        (Some(user), Some(group)) => user.groups.push((group, resource.line)),
        _ => {
            let reason = "its Username names no user of this template, or it has no GroupName";
            skipped.push(Complaint::new(resource.line, &resource.key, reason));
        }
    }
}

/// Gives a resource a name that is unique to it, as CloudFormation does, where the template gives none.
fn name_it(scope: &Scope<'_>, resource: &mut Resolved, property: &str) {
    if resource.properties.get(property).is_none() {
        let name = Node::text(resource.line, scope.generated_name(&resource.logical_id));
        resource.properties.put(property, name);
    }
}

/// The properties that a request takes; others are left out and told.
fn item(mut resource: Resolved, operation: Operation, skipped: &mut Vec<Complaint>) -> Result<Item, Complaint> {
    if let Value::Map(entries) = &mut resource.properties.value {
        entries.retain(|entry| {
            let is_known = members(operation).iter().any(|member| member.name == entry.key);
            if !is_known && !entry.value.is_null() {
                let reason = format!("{} has no such member in this version", operation.name());
                skipped.push(Complaint::new(entry.line, join(&resource.key, &entry.key), reason));
            }
            is_known
        });
    }
    shape::coerce(&mut resource.properties, operation.input());
    shape::check(&resource.properties, operation.input(), &resource.key)?;
    Ok(Item { key: resource.key, members: resource.properties })
}

fn entry(key: &str, value: Node) -> Entry {
    Entry { key: key.to_owned(), line: value.line, value }
}
