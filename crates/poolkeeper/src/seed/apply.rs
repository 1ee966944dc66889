//! Makes what a plan says, through the operations that clients call, and leaves alone what is there already.
//!
//! Pools and clients take exactly the settings that the plan has; what it leaves out has its default, as after
//! UpdateUserPool. Everything else is changed where the plan says something else. Nothing is ever deleted.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value as Json, json};
use service::{ApiError, App, Caller, Ctx, OwnWishes, lookup, passwords, secret_hash};
use wire::{ErrorKind, Operation, UserStatusType};

use super::{
    kinds::{self, Kind, covers, request},
    node::Complaint,
    plan::{Item, Plan, PoolPlan, UserPlan},
    shape,
};

/// From how many users on there is a progress bar.
const MANY_USERS: u64 = 200;
/// How many groups of a user are read at a time.
const GROUPS_AT_A_TIME: usize = 60;
/// How many settings that this version does not support are taken out of one request.
const MOST_DROPPED: usize = 32;
/// How operations end the message about something that this version does not support.
const NOT_SUPPORTED: &str = " is not supported by this Poolkeeper version yet. See docs/compatibility.md.";

/// What came of a plan.
#[derive(Debug, Default)]
pub struct Report {
    /// How many of each noun (singular, plural) were made, changed, or stayed as they were.
    counts: BTreeMap<(&'static str, &'static str), [usize; 3]>,
    /// What was left out, and why: file, line, key, reason.
    pub skipped: Vec<Complaint>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Made,
    Changed,
    AsItWas,
}

impl Report {
    fn count(&mut self, noun: (&'static str, &'static str), outcome: Outcome) {
        let [made, changed, same] = self.counts.entry(noun).or_default();
        *match outcome {
            Outcome::Made => made,
            Outcome::Changed => changed,
            Outcome::AsItWas => same,
        } += 1;
    }

    /// One line: `2 clients made; 1 user changed; 5 as they were`.
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        for (place, verb) in ["made", "changed"].into_iter().enumerate() {
            for ((one, several), counts) in &self.counts {
                match counts.get(place).copied().unwrap_or_default() {
                    0 => {}
                    1 => parts.push(format!("1 {one} {verb}")),
                    count => parts.push(format!("{count} {several} {verb}")),
                }
            }
        }
        match self.counts.values().map(|[_, _, same]| same).sum::<usize>() {
            0 => {}
            same if parts.is_empty() => parts.push(format!("nothing changed, {same} as they were")),
            same => parts.push(format!("{same} as they were")),
        }
        if parts.is_empty() { "nothing to do".to_owned() } else { parts.join("; ") }
    }
}

/// Carries out a plan. `is_lenient` leaves out what this version does not support, and reports it; otherwise that is
/// an error.
///
/// # Errors
/// The first thing that could not be done. What was done before it stays, and is found at the next try.
pub async fn apply(app: &Arc<App>, plan: &Plan, is_lenient: bool) -> Result<Report, Complaint> {
    let mut seeder = Seeder { app, is_lenient, report: Report::default(), bar: bar(plan) };
    let outcome = seeder.pools(plan).await;
    seeder.bar.finish_and_clear();
    outcome.map(|()| seeder.report)
}

fn bar(plan: &Plan) -> ProgressBar {
    let users: u64 = plan.pools.iter().map(|pool| pool.users.len() as u64).sum();
    let style = ProgressStyle::with_template("  seeding {bar:32} {percent:>3} %  {pos} of {len} users  {eta} left");
    let bar = ProgressBar::new(users).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    if users < MANY_USERS {
        // A terminal is told nothing either.
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar
}

struct Seeder<'a> {
    app: &'a Arc<App>,
    is_lenient: bool,
    report: Report,
    bar: ProgressBar,
}

impl Seeder<'_> {
    async fn pools(&mut self, plan: &Plan) -> Result<(), Complaint> {
        for pool in &plan.pools {
            self.pool(pool).await?;
            for (part, item) in &pool.parts {
                self.part(&pool.id, kinds::part(*part), item).await?;
            }
            for (client_id, item) in &pool.clients {
                self.client(&pool.id, client_id, item).await?;
            }
            for group in &pool.groups {
                self.part(&pool.id, kinds::GROUP, group).await?;
            }
            for user in &pool.users {
                self.user(&pool.id, user).await?;
                self.bar.inc(1);
            }
        }
        Ok(())
    }

    async fn pool(&mut self, plan: &PoolPlan) -> Result<(), Complaint> {
        let item = &plan.settings;
        let mut wanted = members_of(item, &plan.id);
        let own = OwnWishes { pool_id: Some(plan.id.clone()), ..OwnWishes::default() };
        if let Some(found) = self.read(kinds::POOL, item, &wanted).await? {
            self.add_attributes(plan, &found).await?;
            wanted.shift_remove("Schema");
            if let (Some(_), Some(mode)) = (&plan.mfa, found.get("MfaConfiguration")) {
                // What MfaConfig says of it is said below; an update would switch it off for a moment.
                wanted.entry("MfaConfiguration").or_insert_with(|| mode.clone());
            }
            self.change(kinds::POOL, item, &wanted, &found, &plan.id).await?;
        } else {
            self.make(kinds::POOL, item, &wanted, own, &plan.id).await?;
        }
        let Some(mfa) = &plan.mfa else { return Ok(()) };
        self.part(&plan.id, kinds::MFA, mfa).await
    }

    /// Adds the custom attributes that the pool does not have yet; those that it has must be the same.
    async fn add_attributes(&self, plan: &PoolPlan, found: &Json) -> Result<(), Complaint> {
        let item = &plan.settings;
        let Some(schema) = item.members.get("Schema") else { return Ok(()) };
        let key = format!("{}.Schema", item.key);
        let has = found.get("SchemaAttributes").and_then(Json::as_array);
        let mut new = Vec::new();
        for (number, node) in schema.items(&key)?.iter().enumerate() {
            let wanted = node.json();
            let name = wanted.get("Name").and_then(Json::as_str).unwrap_or_default();
            let names = [name.to_owned(), format!("custom:{name}"), format!("dev:{name}")];
            let is_this = |entry: &&Json| names.iter().any(|name| entry.get("Name").is_some_and(|found| found == name));
            let Some(existing) = has.into_iter().flatten().find(is_this) else {
                new.push(wanted);
                continue;
            };
            let mut same = wanted.clone();
            if let Some(members) = same.as_object_mut() {
                members.shift_remove("Name");
            }
            if !covers(existing, &same) {
                let reason = "an attribute of an existing pool cannot be changed: leave it as it was, or choose another \
                              id for the pool";
                return Err(Complaint::new(node.line, format!("{key}[{number}]"), reason));
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        let body = json!({"UserPoolId": plan.id, "CustomAttributes": new});
        let outcome = self.call(Operation::AddCustomAttributes, &body, OwnWishes::default()).await;
        outcome.map(drop).map_err(|error| complaint(item, Operation::AddCustomAttributes, &error))
    }

    async fn client(&mut self, pool_id: &str, client_id: &str, item: &Item) -> Result<(), Complaint> {
        let mut wanted = members_of(item, pool_id);
        wanted.insert("ClientId".to_owned(), client_id.into());
        let Some(found) = self.read(kinds::CLIENT, item, &wanted).await? else {
            let own = OwnWishes { client_id: Some(client_id.to_owned()), ..OwnWishes::default() };
            return self.make(kinds::CLIENT, item, &wanted, own, pool_id).await;
        };
        let has_secret = found.get("ClientSecret").is_some();
        if wanted.shift_remove("GenerateSecret") == Some(Json::Bool(true)) && !has_secret {
            let reason = "the client is there already and has no secret: give it a ClientSecret, or choose another id";
            return Err(at(item, "GenerateSecret", reason));
        }
        let secret = wanted.shift_remove("ClientSecret");
        if let Some(secret) = secret.as_ref().and_then(Json::as_str) {
            self.secret(pool_id, client_id, item, secret).await?;
        }
        self.change(kinds::CLIENT, item, &wanted, &found, pool_id).await
    }

    /// Gives a client one more secret, unless it has this one.
    async fn secret(&self, pool_id: &str, client_id: &str, item: &Item, secret: &str) -> Result<(), Complaint> {
        let operation = Operation::AddUserPoolClientSecret;
        let failed = |error: &ApiError| complaint(item, operation, error);
        let ctx = self.ctx(OwnWishes::default(), pool_id);
        let client = lookup::client(&ctx, client_id).await.map_err(|error| failed(&error))?;
        for existing in &client.secrets {
            let existing = secret_hash::reveal(&ctx, &client, existing).map_err(|error| failed(&error))?;
            if existing == secret {
                return Ok(());
            }
        }
        let body = json!({"UserPoolId": pool_id, "ClientId": client_id, "ClientSecret": secret});
        self.call(operation, &body, OwnWishes::default()).await.map(drop).map_err(|error| failed(&error))
    }

    /// Something that is compared before it is changed.
    async fn part(&mut self, pool_id: &str, kind: Kind, item: &Item) -> Result<(), Complaint> {
        let wanted = members_of(item, pool_id);
        let found = match self.read(kind, item, &wanted).await {
            Err(complaint) if self.is_lenient && complaint.reason.contains("is not built yet") => {
                self.report.skipped.push(complaint);
                return Ok(());
            }
            found => found?,
        };
        // A domain is found whichever pool has it; making it again says whose it is.
        let found = found.filter(|found| found.get("UserPoolId").is_none_or(|found| found == pool_id));
        match found {
            None => self.make(kind, item, &wanted, OwnWishes::default(), pool_id).await,
            Some(found) if covers_settings(&found, &wanted) => {
                self.report.count(kind.noun, Outcome::AsItWas);
                Ok(())
            }
            Some(found) => self.change(kind, item, &wanted, &found, pool_id).await,
        }
    }

    async fn user(&mut self, pool_id: &str, plan: &UserPlan) -> Result<(), Complaint> {
        let operation = Operation::AdminCreateUser;
        let ctx = self.ctx(OwnWishes::default(), pool_id);
        let failed = |error: &ApiError| complaint(&plan.item, operation, error);
        let pool = lookup::pool(&ctx, pool_id).await.map_err(|error| failed(&error))?;
        let found = lookup::user(&ctx, &pool, &plan.username).await.map_err(|error| failed(&error))?;
        // Whoever has the name for an alias is somebody else; making the user says so.
        let is_this = |username: &str| !pool.username_attributes.is_empty() || username == pool.fold(&plan.username);
        let mut outcome = match found.filter(|found| is_this(&found.username)) {
            None => self.make_user(pool_id, plan).await?,
            Some(found) => {
                if let Some((_, line)) = plan.sub.as_ref().filter(|(sub, _)| *sub != found.sub) {
                    let reason = format!("the user is there already with another sub, which stays: {}", found.sub);
                    return Err(Complaint::new(*line, format!("{}.Sub", plan.item.key), reason));
                }
                self.change_user(&ctx, pool_id, plan, &found.value).await?
            }
        };
        for (group, line) in &plan.groups {
            let key = format!("{}.Groups", plan.item.key);
            let failed = |error: ApiError| Complaint::new(*line, &key, format!("'{group}': {error}"));
            let body = json!({"UserPoolId": pool_id, "Username": plan.username, "GroupName": group});
            if !self.is_in(&ctx, pool_id, plan, group).await.map_err(failed)? {
                self.call(Operation::AdminAddUserToGroup, &body, OwnWishes::default()).await.map_err(failed)?;
                if outcome == Outcome::AsItWas {
                    outcome = Outcome::Changed;
                }
            }
        }
        self.report.count(("user", "users"), outcome);
        Ok(())
    }

    async fn is_in(&self, ctx: &Ctx, pool_id: &str, plan: &UserPlan, group: &str) -> Result<bool, ApiError> {
        let pool = lookup::pool(ctx, pool_id).await?;
        let user = lookup::user_for_administrator(ctx, &pool, &plan.username).await?;
        let mut after = None;
        loop {
            let groups = self.app.store.groups_of_user(pool_id, &user.sub, after.as_deref(), GROUPS_AT_A_TIME).await?;
            if groups.iter().any(|found| found.name == group) {
                return Ok(true);
            }
            match groups.last() {
                Some(last) if groups.len() == GROUPS_AT_A_TIME => after = Some(last.name.clone()),
                _ => return Ok(false),
            }
        }
    }

    async fn make_user(&self, pool_id: &str, plan: &UserPlan) -> Result<Outcome, Complaint> {
        let mut body = members_of(&plan.item, pool_id);
        if !plan.attributes.is_empty() {
            body.insert("UserAttributes".to_owned(), attribute_list(&plan.attributes));
        }
        let own = OwnWishes { sub: plan.sub.as_ref().map(|(sub, _)| sub.clone()), ..OwnWishes::default() };
        self.call_for(&plan.item, Operation::AdminCreateUser, &Json::Object(body), own).await?;
        self.set_password(pool_id, plan).await?;
        if plan.enabled == Some(false) {
            self.set_enabled(pool_id, plan, false).await?;
        }
        Ok(Outcome::Made)
    }

    async fn change_user(
        &self,
        ctx: &Ctx,
        pool_id: &str,
        plan: &UserPlan,
        user: &domain::User,
    ) -> Result<Outcome, Complaint> {
        let mut outcome = Outcome::AsItWas;
        if plan.attributes.iter().any(|(name, value)| user.attribute(name) != Some(value)) {
            let attributes = attribute_list(&plan.attributes);
            let body = json!({"UserPoolId": pool_id, "Username": plan.username, "UserAttributes": attributes});
            self.call_for(&plan.item, Operation::AdminUpdateUserAttributes, &body, OwnWishes::default()).await?;
            outcome = Outcome::Changed;
        }
        if let Some((password, _)) = &plan.password {
            let is_set = user.status == UserStatusType::Confirmed
                && self
                    .has_password(ctx, pool_id, user, password)
                    .await
                    .map_err(|error| complaint(&plan.item, Operation::AdminSetUserPassword, &error))?;
            if !is_set {
                self.set_password(pool_id, plan).await?;
                outcome = Outcome::Changed;
            }
        }
        if let Some(enabled) = plan.enabled.filter(|enabled| *enabled != user.enabled) {
            self.set_enabled(pool_id, plan, enabled).await?;
            outcome = Outcome::Changed;
        }
        Ok(outcome)
    }

    async fn has_password(
        &self,
        ctx: &Ctx,
        pool_id: &str,
        user: &domain::User,
        password: &str,
    ) -> Result<bool, ApiError> {
        let pool = lookup::pool(ctx, pool_id).await?;
        match self.app.store.password(pool_id, &user.sub).await? {
            Some(stored) => passwords::matches(ctx, &pool, user, &stored.current, password).await,
            None => Ok(false),
        }
    }

    async fn set_password(&self, pool_id: &str, plan: &UserPlan) -> Result<(), Complaint> {
        let Some((password, line)) = &plan.password else { return Ok(()) };
        let operation = Operation::AdminSetUserPassword;
        let body = json!({"UserPoolId": pool_id, "Username": plan.username, "Password": password, "Permanent": true});
        self.call(operation, &body, OwnWishes::default()).await.map(drop).map_err(|error| Complaint {
            line: *line,
            key: format!("{}.Password", plan.item.key),
            ..complaint(&plan.item, operation, &error)
        })
    }

    async fn set_enabled(&self, pool_id: &str, plan: &UserPlan, enabled: bool) -> Result<(), Complaint> {
        let operation = if enabled { Operation::AdminEnableUser } else { Operation::AdminDisableUser };
        let body = json!({"UserPoolId": pool_id, "Username": plan.username});
        self.call_for(&plan.item, operation, &body, OwnWishes::default()).await.map(drop)
    }

    /// What there is, unless there is none.
    async fn read(&self, kind: Kind, item: &Item, wanted: &Map<String, Json>) -> Result<Option<Json>, Complaint> {
        match self.call(kind.read, &request(kind.read, wanted), OwnWishes::default()).await {
            Ok(answer) => {
                let found =
                    answer.pointer(kind.found_at).filter(|found| found.as_object().is_some_and(|o| !o.is_empty()));
                Ok(found.cloned())
            }
            Err(error) if error.kind == ErrorKind::ResourceNotFound => Ok(None),
            Err(error) => Err(complaint(item, kind.read, &error)),
        }
    }

    async fn make(
        &mut self,
        kind: Kind,
        item: &Item,
        wanted: &Map<String, Json>,
        own: OwnWishes,
        pool_id: &str,
    ) -> Result<(), Complaint> {
        let operation = kind.create.unwrap_or(kind.update);
        self.write(kind, item, operation, request(operation, wanted), own, pool_id).await?;
        self.report.count(kind.noun, Outcome::Made);
        Ok(())
    }

    /// Changes what was found to what is wanted.
    async fn change(
        &mut self,
        kind: Kind,
        item: &Item,
        wanted: &Map<String, Json>,
        found: &Json,
        pool_id: &str,
    ) -> Result<(), Complaint> {
        let body = request(kind.update, wanted);
        for (name, value) in wanted {
            let is_fixed = body.get(name).is_none();
            let is_same = found.get(name).map_or_else(|| *value == json!([]), |found| covers(found, value));
            if is_fixed && !is_same {
                let reason = format!(
                    "this cannot be changed in an existing {}: leave it as it was, or choose another id or name",
                    kind.noun.0
                );
                return Err(at(item, name, &reason));
            }
        }
        self.write(kind, item, kind.update, body, OwnWishes::default(), pool_id).await?;
        let after = self.read(kind, item, wanted).await?;
        let outcome = if after.as_ref() == Some(found) { Outcome::AsItWas } else { Outcome::Changed };
        self.report.count(kind.noun, outcome);
        Ok(())
    }

    /// Calls an operation that makes or changes something, without what is not supported where that may be left out.
    async fn write(
        &mut self,
        kind: Kind,
        item: &Item,
        operation: Operation,
        mut body: Json,
        own: OwnWishes,
        pool_id: &str,
    ) -> Result<(), Complaint> {
        for _ in 0..MOST_DROPPED {
            let error = match self.call_in(operation, &body, own.clone(), pool_id).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            let what = error.message.strip_suffix(NOT_SUPPORTED);
            let is_dropped = what.is_some_and(|what| self.is_lenient && kinds::drop_unsupported(&mut body, what));
            if !is_dropped {
                return Err(complaint(item, operation, &error));
            }
            let name = what.and_then(|what| what.split(['.', ' ']).next()).unwrap_or_default();
            let skipped = Complaint::new(item.members.line_of(name), format!("{}.{name}", item.key), error.message);
            if !self.report.skipped.contains(&skipped) {
                self.report.skipped.push(skipped);
            }
        }
        Err(at(item, "", &format!("too much of this {} is not supported yet", kind.noun.0)))
    }

    async fn call_for(
        &self,
        item: &Item,
        operation: Operation,
        body: &Json,
        own: OwnWishes,
    ) -> Result<Json, Complaint> {
        self.call(operation, body, own).await.map_err(|error| complaint(item, operation, &error))
    }

    async fn call(&self, operation: Operation, body: &Json, own: OwnWishes) -> Result<Json, ApiError> {
        let pool_id = body.get("UserPoolId").and_then(Json::as_str).unwrap_or_default();
        self.call_in(operation, body, own, pool_id).await
    }

    /// Calls an operation as a client would, in the region of that pool.
    async fn call_in(
        &self,
        operation: Operation,
        body: &Json,
        own: OwnWishes,
        pool_id: &str,
    ) -> Result<Json, ApiError> {
        let ctx = self.ctx(own, pool_id);
        let body = serde_json::to_vec(body)?;
        let answer = service::dispatch::call(&ctx, operation, &body).await?;
        if answer.is_empty() { Ok(Json::Null) } else { Ok(serde_json::from_slice(&answer)?) }
    }

    fn ctx(&self, own: OwnWishes, pool_id: &str) -> Ctx {
        let region = pool_id.split_once('_').map_or(self.app.settings.default_region.as_str(), |(region, _)| region);
        Ctx {
            app: self.app.clone(),
            now: self.app.clock.now(),
            request_id: "seed".to_owned(),
            client_address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            user_agent: None,
            sdk_agent: None,
            caller: Caller::Anyone,
            region: region.to_owned(),
            own: OwnWishes { is_seeding: true, ..own },
        }
    }
}

/// What an operation says, at the line of what it means as far as its words tell.
fn complaint(item: &Item, operation: Operation, error: &ApiError) -> Complaint {
    let path = error.message.split_once(" at '").and_then(|(_, rest)| rest.split_once('\''));
    let (line, key) = match path {
        Some((path, _)) => shape::place(&item.members, operation.input(), path, &item.key),
        None => (item.members.line, item.key.clone()),
    };
    let cause = error.cause.as_ref().map(|cause| format!(" ({cause})")).unwrap_or_default();
    Complaint::new(line, key, format!("{} answered {error}{cause}", operation.name()))
}

fn at(item: &Item, name: &str, reason: &str) -> Complaint {
    Complaint::new(item.members.line_of(name), super::read::join(&item.key, name), reason)
}

/// The members of an item with the pool's id.
fn members_of(item: &Item, pool_id: &str) -> Map<String, Json> {
    let mut members = match item.members.json() {
        Json::Object(members) => members,
        _ => Map::new(),
    };
    members.insert("UserPoolId".to_owned(), pool_id.into());
    members
}

/// Whether what was found has all settings; not every answer repeats the pool's id.
fn covers_settings(found: &Json, wanted: &Map<String, Json>) -> bool {
    let mut settings = wanted.clone();
    settings.shift_remove("UserPoolId");
    covers(found, &Json::Object(settings))
}

fn attribute_list(attributes: &[(String, String)]) -> Json {
    attributes.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect()
}
