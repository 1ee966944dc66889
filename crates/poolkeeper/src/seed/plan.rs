//! What there is to be: pools with everything in them. Seed files and templates both become this.

use super::{
    node::{Complaint, Node, Value},
    read::join,
    shape::{self, members},
};
use wire::{Operation, schema::Member};

/// Everything that is to be.
#[derive(Debug, Default)]
pub struct Plan {
    /// In the file's order.
    pub pools: Vec<PoolPlan>,
}

/// A pool and what is in it.
#[derive(Debug)]
pub struct PoolPlan {
    /// Its id, chosen.
    pub id: String,
    /// Members of CreateUserPool.
    pub settings: Item,
    /// Members of SetUserPoolMfaConfig.
    pub mfa: Option<Item>,
    /// What is there before clients are: resource servers, identity providers, domains.
    pub parts: Vec<(PartOfPool, Item)>,
    /// Clients, with their chosen ids.
    pub clients: Vec<(String, Item)>,
    /// Members of CreateGroup.
    pub groups: Vec<Item>,
    /// Users.
    pub users: Vec<UserPlan>,
}

/// What a pool has several of, besides clients, groups and users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartOfPool {
    /// Members of CreateResourceServer.
    ResourceServer,
    /// Members of CreateIdentityProvider.
    IdentityProvider,
    /// Members of CreateUserPoolDomain.
    Domain,
}

/// Members of a request, and where they stand.
#[derive(Clone, Debug)]
pub struct Item {
    /// The path in the file.
    pub key: String,
    /// The members, a map, without the pool's id.
    pub members: Node,
}

/// A user.
#[derive(Debug)]
pub struct UserPlan {
    /// Members of AdminCreateUser.
    pub item: Item,
    /// The name.
    pub username: String,
    /// The chosen id, and its line.
    pub sub: Option<(String, usize)>,
    /// The permanent password, and its line.
    pub password: Option<(String, usize)>,
    /// Whether the user may sign in; unsaid is as it is.
    pub enabled: Option<bool>,
    /// Attributes by name.
    pub attributes: Vec<(String, String)>,
    /// Groups, each with its line.
    pub groups: Vec<(String, usize)>,
}

/// Reads a seed file's plan.
///
/// # Errors
/// The first thing that is wrong: line and key.
pub fn of_seed(file: &Node) -> Result<Plan, Complaint> {
    let known = ["UserPools"];
    for entry in file.entries("")? {
        if !known.contains(&entry.key.as_str()) {
            return Err(shape::unknown(entry.line, &entry.key, &entry.key, &known));
        }
    }
    let Some(pools) = file.get("UserPools") else {
        return Err(Complaint::new(1, "UserPools", "this is missing: the list of the pools that are to be"));
    };
    let mut plan = Plan::default();
    for (number, node) in pools.items("UserPools")?.iter().enumerate() {
        plan.pools.push(pool(node, &format!("UserPools[{number}]"))?);
    }
    plan.check()?;
    Ok(plan)
}

impl Plan {
    /// Refuses what is named twice.
    ///
    /// # Errors
    /// Names the second one.
    pub fn check(&self) -> Result<(), Complaint> {
        let mut seen = std::collections::BTreeSet::new();
        let mut once = |what: &str, pool: &str, id: &str, item: &Item| {
            if seen.insert((what.to_owned(), pool.to_owned(), id.to_owned())) {
                return Ok(());
            }
            let reason = format!("there is another {what} '{id}' in the file already");
            Err(Complaint::new(item.members.line, &item.key, reason))
        };
        for pool in &self.pools {
            once("user pool", "", &pool.id, &pool.settings)?;
            pool.clients.iter().try_for_each(|(id, item)| once("client", "", id, item))?;
            pool.users.iter().try_for_each(|user| once("user", &pool.id, &user.username, &user.item))?;
        }
        Ok(())
    }
}

/// The keys of a pool that are not members of CreateUserPool.
const OF_POOLS: [&str; 8] =
    ["Id", "MfaConfig", "ResourceServers", "IdentityProviders", "Domains", "Clients", "Groups", "Users"];

fn pool(node: &Node, key: &str) -> Result<PoolPlan, Complaint> {
    node.entries(key)?;
    let mut rest = node.clone();
    let id = rest.take("Id").ok_or_else(|| missing(node, key, "Id", "such as us-east-1_Example01"))?;
    let id = pool_id(&id, &join(key, "Id"))?;
    let mfa = rest
        .take("MfaConfig")
        .map(|node| item(node, join(key, "MfaConfig"), Operation::SetUserPoolMfaConfig, &[]))
        .transpose()?;
    let mut parts = Vec::new();
    for (name, kind, operation) in [
        ("ResourceServers", PartOfPool::ResourceServer, Operation::CreateResourceServer),
        ("IdentityProviders", PartOfPool::IdentityProvider, Operation::CreateIdentityProvider),
        ("Domains", PartOfPool::Domain, Operation::CreateUserPoolDomain),
    ] {
        for (node, key) in list(&mut rest, key, name)? {
            parts.push((kind, item(node, key, operation, &[])?));
        }
    }
    let mut clients = Vec::new();
    for (mut node, key) in list(&mut rest, key, "Clients")? {
        let id = text(&mut node, &key, "ClientId")?
            .ok_or_else(|| missing(&node, &key, "ClientId", "26 lower-case letters and digits, say"))?;
        clients.push((id, item(node, key, Operation::CreateUserPoolClient, &["ClientId"])?));
    }
    let mut groups = Vec::new();
    for (node, key) in list(&mut rest, key, "Groups")? {
        groups.push(item(node, key, Operation::CreateGroup, &[])?);
    }
    let users = list(&mut rest, key, "Users")?.into_iter().map(|(node, key)| user(node, &key));
    let users = users.collect::<Result<_, _>>()?;
    let settings = item(rest, key.to_owned(), Operation::CreateUserPool, &OF_POOLS)?;
    Ok(PoolPlan { id, settings, mfa, parts, clients, groups, users })
}

fn user(mut node: Node, key: &str) -> Result<UserPlan, Complaint> {
    const KEYS: [&str; 7] = ["Username", "Sub", "Password", "TemporaryPassword", "Enabled", "Attributes", "Groups"];
    for entry in node.entries(key)? {
        if !KEYS.contains(&entry.key.as_str()) {
            return Err(shape::unknown(entry.line, join(key, &entry.key), &entry.key, &KEYS));
        }
    }
    let username =
        text(&mut node, key, "Username")?.ok_or_else(|| missing(&node, key, "Username", "the user's name"))?;
    let sub = node.take("Sub").map(|node| Ok((sub(&node, &join(key, "Sub"))?, node.line))).transpose()?;
    let temporary_line = node.get("TemporaryPassword").map_or(node.line, |password| password.line);
    let password = node.take("Password");
    let password =
        password.map(|node| Ok((node.as_text(&join(key, "Password"))?.to_owned(), node.line))).transpose()?;
    let temporary = text(&mut node, key, "TemporaryPassword")?;
    if password.is_some() && temporary.is_some() {
        let reason = "Password and TemporaryPassword exclude each other: leave one of them out";
        return Err(Complaint::new(temporary_line, join(key, "TemporaryPassword"), reason));
    }
    let enabled = node.take("Enabled").map(|value| value.as_bool(&join(key, "Enabled"))).transpose()?;
    let mut attributes = Vec::new();
    if let Some(given) = node.take("Attributes") {
        let key = join(key, "Attributes");
        for entry in given.entries(&key)? {
            let key = join(&key, &entry.key);
            let value = entry.value.scalar().ok_or_else(|| entry.value.is_not(&key, "a text, a number, true or false"));
            attributes.push((entry.key.clone(), value?));
        }
    }
    let mut groups = Vec::new();
    for (node, key) in list(&mut node, key, "Groups")? {
        groups.push((node.as_text(&key)?.to_owned(), node.line));
    }
    let line = node.line;
    let mut members = Node::map(line, Vec::new());
    members.put("Username", Node::text(line, &username));
    members.put("MessageAction", Node::text(line, "SUPPRESS"));
    if let Some(temporary) = temporary {
        members.put("TemporaryPassword", Node::text(line, temporary));
    }
    let item = Item { key: key.to_owned(), members };
    Ok(UserPlan { item, username, sub, password, enabled, attributes, groups })
}

/// Members of an operation. `others` are keys that are read elsewhere, for the message about a name that nothing has.
fn item(node: Node, key: String, operation: Operation, others: &[&str]) -> Result<Item, Complaint> {
    let known = members(operation).iter().map(|member| member.name).filter(|name| *name != "UserPoolId");
    for entry in node.entries(&key)? {
        let is_known = |member: &Member| member.name == entry.key && member.name != "UserPoolId";
        if !members(operation).iter().any(is_known) {
            let known: Vec<&str> = others.iter().copied().chain(known).collect();
            return Err(shape::unknown(entry.line, join(&key, &entry.key), &entry.key, &known));
        }
    }
    shape::check(&node, operation.input(), &key)?;
    Ok(Item { key, members: node })
}

/// The items of a list, each with its key; none when there is no list.
fn list(node: &mut Node, key: &str, name: &str) -> Result<Vec<(Node, String)>, Complaint> {
    let key = join(key, name);
    let Some(list) = node.take(name) else { return Ok(Vec::new()) };
    let Value::List(items) = list.value else { return Err(list.is_not(&key, "a list")) };
    Ok(items.into_iter().enumerate().map(|(number, item)| (item, format!("{key}[{number}]"))).collect())
}

fn text(node: &mut Node, key: &str, name: &str) -> Result<Option<String>, Complaint> {
    node.take(name).map(|value| value.as_text(&join(key, name)).map(str::to_owned)).transpose()
}

fn missing(node: &Node, key: &str, name: &str, such_as: &str) -> Complaint {
    Complaint::new(node.line, join(key, name), format!("this is missing: {such_as}"))
}

/// The id of a pool, chosen.
///
/// # Errors
/// When it could not be one.
pub fn pool_id(node: &Node, key: &str) -> Result<String, Complaint> {
    let id = node.as_text(key)?;
    let is_id = id.split_once('_').is_some_and(|(region, name)| {
        !region.is_empty()
            && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    if is_id {
        return Ok(id.to_owned());
    }
    let reason = format!("'{id}' is no pool id: a region, a `_`, and letters and digits, such as us-east-1_Example01");
    Err(Complaint::new(node.line, key, reason))
}

/// The `sub` of a user, chosen.
///
/// # Errors
/// When it could not be one.
pub fn sub(node: &Node, key: &str) -> Result<String, Complaint> {
    let sub = node.as_text(key)?;
    if is_uuid(sub) {
        return Ok(sub.to_owned());
    }
    let reason = "this must be a UUID in lower case, such as 0b9e6a4c-3f2d-4c58-9a57-2d1c3e4f5a6b";
    Err(Complaint::new(node.line, key, reason))
}

/// Tokens carry it, and whoever reads them may insist on the form.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}
