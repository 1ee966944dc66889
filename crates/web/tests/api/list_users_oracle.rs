//! ListUsers against a naive reading of accounts.md §12.1: random pools, random filters, random pages, while users come,
//! go and change. With a seed for each case; few cases where a database across a network would take a minute for all.

use std::collections::{BTreeMap, BTreeSet};

use domain::User;
use serde_json::json;
use store::Changes;
use testkit::Server;
use wire::{Timestamp, UserStatusType};

/// Cases, and filters for each of them.
const CASES: u64 = 24;
const CASES_ON_POSTGRES: u64 = 2;
const FILTERS: usize = 40;

/// Characters that names are made of, so that many begin alike.
const LETTERS: [&str; 12] = ["a", "A", "b", "é", "É", "\"", "\\", " ", "=", "%", "\u{E000}", "😀"];
/// The same for usernames, which have no blanks.
const NAME_LETTERS: [&str; 8] = ["a", "A", "b", "é", "É", "\\", "=", "😀"];
const ATTRIBUTES: [&str; 6] = ["email", "phone_number", "name", "given_name", "family_name", "preferred_username"];
const STATUSES: [UserStatusType; 5] = [
    UserStatusType::Unconfirmed,
    UserStatusType::Confirmed,
    UserStatusType::ForceChangePassword,
    UserStatusType::ResetRequired,
    UserStatusType::ExternalProvider,
];

/// Numbers that are the same at every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end).unwrap()).unwrap()
    }

    fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    fn word(&mut self, letters: &[&str], longest: usize) -> String {
        (0..self.below(longest + 1)).map(|_| self.one_of(letters)).collect()
    }
}

/// A pool and what is known of it.
struct World {
    server: Server,
    pool: domain::Pool,
    users: BTreeMap<String, User>,
    random: Random,
}

impl World {
    async fn new(seed: u64) -> Self {
        let server = Server::memory().await;
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let is_case_sensitive = random.below(2) == 0;
        let id = server.pool(json!({"UsernameConfiguration": {"CaseSensitive": is_case_sensitive}})).await;
        let pool = server.app.store.pool(&id).await.unwrap().unwrap().value;
        let mut world = Self { server, pool, users: BTreeMap::new(), random };
        for _ in 0..world.random.below(40) {
            world.add().await;
        }
        world
    }

    async fn commit(&self, changes: Changes) {
        self.server.app.commit(changes).await.unwrap();
    }

    /// A new user, unless the name is taken.
    async fn add(&mut self) {
        let random = &mut self.random;
        let username = self.pool.fold(&format!("{}{}", random.one_of(&NAME_LETTERS), random.word(&NAME_LETTERS, 3)));
        if self.users.values().any(|user| user.username == username) {
            return;
        }
        let mut attributes = BTreeMap::new();
        for name in ATTRIBUTES {
            if random.below(3) > 0 {
                attributes.insert(name.to_owned(), random.word(&LETTERS, 3));
            }
        }
        let hex = |random: &mut Random| format!("{:x}", random.below(16));
        let sub: String = (0..32).map(|_| hex(random)).collect();
        let status = random.one_of(&STATUSES);
        let mut user = User::new(&self.pool.id, &sub, &username, status, attributes, Timestamp(0));
        user.enabled = random.below(3) > 0;
        let mut changes = Changes::new();
        service::users::insert(&mut changes, &self.pool, user.clone());
        self.commit(changes).await;
        self.users.insert(sub, user);
    }

    async fn remove(&mut self, sub: &str) {
        let request = json!({"UserPoolId": self.pool.id, "Username": sub});
        self.server.call("AdminDeleteUser", request).await.ok();
        self.users.remove(sub);
    }

    async fn change(&mut self, sub: &str) {
        let stored = self.server.app.store.user(&self.pool.id, sub).await.unwrap().unwrap();
        let mut user = stored.value.clone();
        let attribute = self.random.one_of(&ATTRIBUTES).to_owned();
        match self.random.below(4) {
            0 => drop(user.attributes.remove(&attribute)),
            1 => user.status = self.random.one_of(&STATUSES),
            2 => user.enabled = !user.enabled,
            _ => drop(user.attributes.insert(attribute, self.random.word(&LETTERS, 3))),
        }
        let mut changes = Changes::new();
        service::users::replace(&mut changes, &self.pool, &stored, user.clone());
        self.commit(changes).await;
        self.users.insert(sub.to_owned(), user);
    }

    fn somebody(&mut self) -> Option<String> {
        let subs: Vec<&String> = self.users.keys().collect();
        (!subs.is_empty()).then(|| subs[self.random.below(subs.len())].clone())
    }

    fn filter(&mut self) -> Condition {
        const SUBJECTS: [&str; 10] = [
            "email",
            "phone_number",
            "name",
            "given_name",
            "family_name",
            "preferred_username",
            "username",
            "sub",
            "status",
            "cognito:user_status",
        ];
        let subject = self.random.one_of(&SUBJECTS);
        // Half of the time something that somebody has, or how it begins.
        let has = self.somebody().and_then(|sub| subject_of(&self.users[&sub], subject));
        let value = match (self.random.below(4), has) {
            (0 | 1, Some(value)) => value,
            (2, Some(value)) => value.chars().take(self.random.below(3)).collect(),
            _ => self.random.word(&LETTERS, 2),
        };
        let value = match self.random.below(4) {
            0 => value.to_uppercase(),
            _ => value,
        };
        Condition { subject, is_exact: self.random.below(2) == 0, value }
    }
}

/// What a condition is about.
struct Condition {
    subject: &'static str,
    is_exact: bool,
    value: String,
}

/// What a user has for it.
fn subject_of(user: &User, subject: &str) -> Option<String> {
    Some(match subject {
        "username" => user.username.clone(),
        "sub" => user.sub.clone(),
        "status" => if user.enabled { "Enabled" } else { "Disabled" }.to_owned(),
        "cognito:user_status" => user.status.as_str().to_owned(),
        attribute => user.attributes.get(attribute).filter(|value| !value.is_empty())?.clone(),
    })
}

impl Condition {
    fn text(&self, random: &mut Random) -> String {
        let mut blank = || ["", " ", "\t "][random.below(3)];
        let operator = if self.is_exact { "=" } else { "^=" };
        let value = self.value.replace('\\', "\\\\").replace('"', "\\\"");
        let (a, b, c, d) = (blank(), blank(), blank(), blank());
        let name = if blank().is_empty() { self.subject.to_owned() } else { format!("\"{}\"", self.subject) };
        format!("{a}{name}{b}{operator}{c}\"{value}\"{d}")
    }

    fn is_met(&self, pool: &domain::Pool, user: &User) -> bool {
        let counts_case = match self.subject {
            "username" => pool.is_case_sensitive(),
            "sub" | "status" => true,
            _ => false,
        };
        let fold = |text: &str| if counts_case { text.to_owned() } else { text.to_lowercase() };
        subject_of(user, self.subject).is_some_and(|has| {
            let (has, value) = (fold(&has), fold(&self.value));
            if self.is_exact { has == value } else { has.starts_with(&value) }
        })
    }
}

#[tokio::test]
async fn random_filters_on_random_pools_find_whom_they_should() {
    let (mut listed, mut pages) = (0, 0);
    for seed in 1..=CASES {
        let mut world = World::new(seed).await;
        if world.server.app.store.is_shared() && seed > CASES_ON_POSTGRES {
            return;
        }
        for _ in 0..FILTERS {
            let condition = world.filter();
            let text = condition.text(&mut world.random);
            let meets = |world: &World| -> BTreeSet<String> {
                let met = world.users.values().filter(|user| condition.is_met(&world.pool, user));
                met.map(|user| user.sub.clone()).collect()
            };
            let mut steady = meets(&world);
            let mut changed = BTreeSet::new();
            let mut seen: Vec<String> = Vec::new();
            let limit = 1 + world.random.below(6);
            let mut request = json!({"UserPoolId": world.pool.id, "Filter": text, "Limit": limit});
            loop {
                let page = world.server.call("ListUsers", request.clone()).await.ok();
                pages += 1;
                let meeting = meets(&world);
                let users = page["Users"].as_array().unwrap();
                assert!(users.len() <= limit, "{text}");
                for user in users {
                    let attributes = user["Attributes"].as_array().unwrap();
                    let sub = attributes.iter().find(|found| found["Name"] == "sub").unwrap();
                    let sub = sub["Value"].as_str().unwrap().to_owned();
                    assert!(meeting.contains(&sub), "seed {seed}: {text}: {user}");
                    seen.push(sub);
                }
                let Some(token) = page.get("PaginationToken") else { break };
                request["PaginationToken"] = token.clone();
                match world.random.below(5) {
                    0 => world.add().await,
                    1 => {
                        let Some(sub) = world.somebody() else { continue };
                        steady.remove(&sub);
                        world.remove(&sub).await;
                    }
                    2 => {
                        let Some(sub) = world.somebody() else { continue };
                        steady.remove(&sub);
                        world.change(&sub).await;
                        changed.insert(sub);
                    }
                    // The last one that was seen goes.
                    3 => {
                        let Some(sub) = seen.last().filter(|sub| world.users.contains_key(*sub)).cloned() else {
                            continue;
                        };
                        steady.remove(&sub);
                        world.remove(&sub).await;
                    }
                    _ => {}
                }
            }
            let distinct: BTreeSet<String> = seen.iter().cloned().collect();
            let missed: Vec<_> = steady.difference(&distinct).collect();
            assert!(missed.is_empty(), "seed {seed}: {text} missed {missed:?}");
            let twice = seen.iter().filter(|sub| !changed.contains(*sub)).count();
            let once = distinct.iter().filter(|sub| !changed.contains(*sub)).count();
            assert_eq!(twice, once, "seed {seed}: {text} found somebody twice");
            listed += seen.len();
            for _ in 0..world.random.below(3) {
                world.add().await;
            }
        }
    }
    // Otherwise this would prove nothing.
    assert!(listed > 2_000 && pages > 1_500, "{listed} users on {pages} pages");
}
