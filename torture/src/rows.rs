//! The audit of the database: its rows against each other, and against what the load knows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{
    model::{PoolKind, Tally, User},
    scene::text,
    world::Database,
};

/// Kinds of names (`domain::NameKind`).
const USERNAME: &str = "0";
const EMAIL: &str = "1";
/// How long attempts are sure to be counted, in seconds; windows are an hour and longer.
const COUNTED_SECONDS: f64 = 3_000.0;

/// What the database holds.
#[derive(Debug, Default)]
pub struct Rows {
    users: Vec<Value>,
    names: Vec<Name>,
    attempts: Vec<Value>,
    counts: BTreeMap<String, i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    pool: String,
    kind: String,
    sub: String,
    name: String,
}

impl Rows {
    /// Reads them all.
    ///
    /// # Errors
    /// When the database refuses, or a row is not what it should be.
    pub fn read(database: &Database) -> Result<Self> {
        let documents = |query: &str| -> Result<Vec<Value>> {
            let lines = database.lines(query)?;
            lines.iter().map(|line| serde_json::from_str(line).context("a document in the database")).collect()
        };
        let names = database.lines("SELECT pool_id || ' ' || kind || ' ' || sub || ' ' || name FROM names")?;
        let counts = database.lines("SELECT pool_id || ' ' || sum(users) FROM user_counts GROUP BY pool_id")?;
        Ok(Self {
            users: documents("SELECT doc FROM users")?,
            names: names.iter().map(|line| name(line).context("a name")).collect::<Result<_>>()?,
            attempts: documents("SELECT doc FROM attempts")?,
            counts: counts.iter().map(|line| count(line).context("a count of users")).collect::<Result<_>>()?,
        })
    }

    /// Messages that have not been handed over.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn unsent(database: &Database) -> Result<usize> {
        Ok(database.lines("SELECT id FROM messages")?.len())
    }

    /// Users of a pool.
    pub fn users_of(&self, pool: &str) -> usize {
        self.users.iter().filter(|user| member(user, "pool_id") == pool).count()
    }

    /// What is wrong, with `pools` by kind, and the users of the load, at `seconds` from its beginning.
    pub fn check(&self, pools: &[(PoolKind, &str)], users: &[User], seconds: f64) -> Vec<String> {
        let mut wrong = self.check_names(pools);
        for (kind, pool) in pools {
            let (rows, counted) = (self.users_of(pool), self.counts.get(*pool).copied().unwrap_or_default());
            if i64::try_from(rows).is_ok_and(|rows| rows != counted) {
                wrong.push(format!("the pool {pool} has {rows} users and counts {counted}"));
            }
            self.check_users(*kind, pool, users, seconds, &mut wrong);
        }
        wrong
    }

    /// Every name leads to its owner, and every owner has the names that belong to it, and no others.
    fn check_names(&self, pools: &[(PoolKind, &str)]) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut expected = BTreeSet::new();
        for user in &self.users {
            let (pool, sub) = (member(user, "pool_id"), member(user, "sub"));
            let Some((kind, _)) = pools.iter().find(|(_, id)| *id == pool) else {
                wrong.push(format!("the user {sub} is in a pool {pool} that nobody made"));
                continue;
            };
            let mut claim = |kind: &str, name: &str| {
                let name = name.to_lowercase();
                expected.insert(Name { pool: pool.clone(), kind: kind.to_owned(), sub: sub.clone(), name });
            };
            claim(USERNAME, &member(user, "username"));
            if *kind == PoolKind::Addresses || attribute(user, "email_verified") == "true" {
                claim(EMAIL, &attribute(user, "email"));
            }
        }
        let found: BTreeSet<Name> = self.names.iter().cloned().collect();
        let words = |name: &Name| format!("{} (kind {}) of {} in {}", name.name, name.kind, name.sub, name.pool);
        wrong.extend(found.difference(&expected).map(|name| format!("the name {} has no such owner", words(name))));
        wrong.extend(expected.difference(&found).map(|name| format!("the name {} is missing", words(name))));
        wrong
    }

    /// Users in the database are users of the load, and the other way round; what is counted of them is right.
    fn check_users(&self, kind: PoolKind, pool: &str, users: &[User], seconds: f64, wrong: &mut Vec<String>) {
        let own_name = |row: &Value| match kind {
            PoolKind::Aliases => member(row, "username"),
            PoolKind::Addresses => attribute(row, "email").to_lowercase(),
        };
        let mut rows: HashMap<String, &Value> = HashMap::new();
        for row in self.users.iter().filter(|row| member(row, "pool_id") == pool) {
            if rows.insert(own_name(row), row).is_some() {
                wrong.push(format!("{} is the name of two users", own_name(row)));
            }
        }
        let mut attempts: HashMap<(String, String), &Value> = HashMap::new();
        for row in self.attempts.iter().filter(|row| member(row, "pool_id") == pool) {
            attempts.insert((member(row, "sub"), member(row, "purpose")), row);
        }
        for user in users.iter().filter(|user| user.pool == kind) {
            let row = rows.remove(&user.name.to_lowercase());
            if !user.exists.may_be(&row.is_some()) {
                let state = if row.is_some() { "is in the database after its deletion" } else { "is lost" };
                wrong.push(format!("{} {state}\n    history: {}", user.name, user.history.join("; ")));
            }
            let (Some(row), Some(sub)) = (row, &user.sub) else { continue };
            if member(row, "sub") != *sub {
                wrong.push(format!("{} is another user than the one that was made", user.name));
            }
            if seconds - user.made_at > COUNTED_SECONDS {
                continue;
            }
            let counted = |purpose: &str| attempts.get(&(sub.clone(), purpose.to_owned())).copied();
            let recent = |row: &Value| row.get("recent").and_then(Value::as_array).map_or(0, Vec::len);
            let failures = |row: &Value| {
                row.get("failures").and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
            };
            let mut compare = |what: &str, tally: Tally, count: usize| {
                if !tally.may_be(count) {
                    wrong.push(format!(
                        "{}: {count} {what} are counted, {} to {} it must be\n    history: {}",
                        user.name,
                        tally.least(),
                        tally.most(),
                        user.history.join("; ")
                    ));
                }
            };
            compare("wrong codes", user.wrong_codes, counted("ResetCode").map_or(0, recent));
            compare("requests for a code", user.reset_requests, counted("ResetRequest").map_or(0, recent));
            compare("failed passwords", user.failures, counted("SignIn").map_or(0, failures));
        }
        wrong.extend(rows.keys().map(|name| format!("{name} is a user that nobody made")));
    }
}

fn name(line: &str) -> Option<Name> {
    let mut parts = line.splitn(4, ' ').map(str::to_owned);
    Some(Name { pool: parts.next()?, kind: parts.next()?, sub: parts.next()?, name: parts.next()? })
}

fn count(line: &str) -> Option<(String, i64)> {
    let (pool, count) = line.split_once(' ')?;
    Some((pool.to_owned(), count.parse().ok()?))
}

fn member(row: &Value, name: &str) -> String {
    text(row, &format!("/{name}")).unwrap_or_default()
}

fn attribute(row: &Value, name: &str) -> String {
    text(row, &format!("/attributes/{name}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Status;

    const POOLS: &[(PoolKind, &str)] = &[(PoolKind::Aliases, "p")];

    fn row(sub: &str, verified: &str) -> Value {
        json!({
            "pool_id": "p", "sub": sub, "username": format!("user-{sub}"),
            "attributes": {"email": "Mail@example.com", "email_verified": verified},
        })
    }

    fn known(sub: &str) -> User {
        let mut user =
            User::new(PoolKind::Aliases, &format!("user-{sub}"), "Mail@example.com", "x", Status::Unconfirmed, 0.0);
        user.exists.settle(true);
        user.sub = Some(sub.to_owned());
        user
    }

    /// One user with an alias, in order.
    fn rows() -> Rows {
        Rows {
            users: vec![row("1", "true")],
            names: vec![name("p 0 1 user-1").unwrap(), name("p 1 1 mail@example.com").unwrap()],
            attempts: Vec::new(),
            counts: BTreeMap::from([("p".to_owned(), 1)]),
        }
    }

    fn check(rows: &Rows, users: &[User]) -> String {
        rows.check(POOLS, users, 10.0).join("\n")
    }

    #[test]
    fn what_fits_together_is_in_order() {
        assert_eq!(check(&rows(), &[known("1")]), "");
        assert_eq!(count("us-east-1_x 12"), Some(("us-east-1_x".to_owned(), 12)));
    }

    #[test]
    fn names_and_owners_must_match() {
        let mut lost = rows();
        lost.names.pop();
        assert!(check(&lost, &[known("1")]).contains("mail@example.com (kind 1) of 1 in p is missing"));
        let mut dangling = rows();
        dangling.names.push(name("p 0 2 user-2").unwrap());
        assert!(check(&dangling, &[known("1")]).contains("user-2 (kind 0) of 2 in p has no such owner"));
        let mut second = rows();
        second.users.push(row("2", "true"));
        second.names.push(name("p 0 2 user-2").unwrap());
        second.counts.insert("p".to_owned(), 2);
        let wrong = check(&second, &[known("1"), known("2")]);
        assert_eq!(wrong, "the name mail@example.com (kind 1) of 2 in p is missing", "an address has one owner");
    }

    #[test]
    fn losses_and_strangers_are_found() {
        assert!(check(&rows(), &[]).contains("user-1 is a user that nobody made"));
        assert!(check(&rows(), &[known("1"), known("2")]).contains("user-2 is lost"));
        let mut doubtful = known("2");
        doubtful.exists.doubt(false);
        assert_eq!(check(&rows(), &[known("1"), doubtful]), "");
        let mut deleted = known("1");
        deleted.exists.settle(false);
        assert!(check(&rows(), &[deleted]).contains("is in the database after its deletion"));
        let mut other = known("1");
        other.sub = Some("9".to_owned());
        assert!(check(&rows(), &[other]).contains("another user"));
        let mut miscounted = rows();
        miscounted.counts.insert("p".to_owned(), 3);
        assert!(check(&miscounted, &[known("1")]).contains("has 1 users and counts 3"));
    }

    #[test]
    fn attempts_are_counted_once_each() {
        let mut counted = rows();
        counted.attempts = vec![
            json!({"pool_id": "p", "sub": "1", "purpose": "ResetCode", "recent": [1, 2], "failures": 0}),
            json!({"pool_id": "p", "sub": "1", "purpose": "SignIn", "recent": [1], "failures": 3}),
        ];
        let mut user = known("1");
        let wrong = check(&counted, std::slice::from_ref(&user));
        assert!(wrong.contains("2 wrong codes are counted, 0 to 0") && wrong.contains("3 failed passwords"), "{wrong}");
        user.wrong_codes.count();
        user.wrong_codes.doubt();
        (0..3).for_each(|_| user.failures.count());
        assert_eq!(check(&counted, std::slice::from_ref(&user)), "");
        user.reset_requests.count();
        assert!(check(&counted, &[user]).contains("0 requests for a code are counted, 1 to 1"));
    }
}
