//! What is in the database: its schema, what is sealed in it, and the messages that wait.

use std::collections::BTreeSet;

use crypto::seal::{KeyRing, Purpose};
use domain::{
    AccessKey, ActionPattern, MessageState, SigningKeyState, SigningKeyUse,
    time::{DAY, HOUR, MINUTE},
};
use indicatif::HumanCount;
use service::access_keys;
use store::{Options, Store};

use super::finding::Finding;
use crate::{configuration::Configuration, master_key as ring_of, mode::Mode, system};

/// Rows read at once.
const PAGE: usize = 1_000;
/// Messages of a state that are looked at.
const MESSAGES: usize = 10_000;
/// How long a message may wait, in milliseconds, before something is wrong, and before it is wrong for sure.
const LATE: i64 = 10 * MINUTE;
const TOO_LATE: i64 = HOUR;

/// The schema, and whether there is one.
pub async fn schema(options: &Options) -> (bool, Finding) {
    match Store::planned_migrations(options).await {
        Err(error) => (false, Finding::of_store(&error)),
        Ok(pending) if pending.is_empty() => (true, Finding::ok("up to date")),
        Ok(pending) if pending.iter().any(|migration| migration.number == 1) => {
            let advice = "The first start of a server makes them, or `poolkeeper migrate`";
            (false, Finding::warning("there are no tables yet", advice))
        }
        Ok(pending) => {
            let numbers: Vec<_> = pending.iter().map(|migration| migration.number.to_string()).collect();
            let found = format!("older than this program: migration {} is missing", numbers.join(", "));
            (
                true,
                Finding::warning(
                    &found,
                    "Run `poolkeeper migrate` (with --dry-run to see it first), or start a server",
                ),
            )
        }
    }
}

/// Whether a restore has left the database half full.
pub async fn restore(store: &Store) -> Finding {
    match store.unfinished_restore().await {
        Ok(None) => Finding::ok("none is unfinished"),
        Ok(Some(mark)) => Finding::problem(
            &format!("one is unfinished ({mark})"),
            "Wait for it, or run `poolkeeper restore --replace` or `poolkeeper copy --replace` again",
        ),
        Err(error) => Finding::of_store(&error),
    }
}

/// Whether the data was sealed with this ring.
pub async fn master_key(store: &Store, ring: &KeyRing) -> Finding {
    match ring_of::recognise(store, ring).await {
        Ok(true) => Finding::ok("the data was sealed with this master key"),
        Ok(false) => {
            let found = "no server has started on the data yet";
            Finding::skipped(found, "The first start binds the data to its master key")
        }
        Err(error) => Finding::of_error(&error, "Name the master key that belongs to the data"),
    }
}

/// Whether every pool can sign tokens, and new pools will find keys.
pub async fn signing_keys(store: &Store, ring: &KeyRing, configuration: &Configuration) -> Finding {
    match look_at_signing_keys(store, ring).await {
        Ok(found) => found.judged(configuration.key_stock().unwrap_or_default()),
        Err(error) => Finding::of_store(&error),
    }
}

/// What was found among signing keys and pools.
#[derive(Debug, Default)]
struct SigningKeys {
    keys: u64,
    stock: usize,
    /// Pools of keys that do not open; empty for the stock.
    sealed: BTreeSet<String>,
    pools: u64,
    without: Vec<String>,
}

async fn look_at_signing_keys(store: &Store, ring: &KeyRing) -> Result<SigningKeys, store::Error> {
    let mut found = SigningKeys::default();
    let mut active = BTreeSet::new();
    let mut after: Option<String> = None;
    loop {
        let page = store.all_signing_keys(after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.kid.clone());
        for key in page {
            found.keys += 1;
            if ring.open(Purpose::SigningKey, &key.kid, &key.private).is_err() {
                found.sealed.insert(key.pool_id.clone());
            }
            match (key.state, key.usage) {
                (SigningKeyState::Stock, _) => found.stock += 1,
                (SigningKeyState::Active, Some(usage)) => {
                    active.insert((key.value.pool_id, usage == SigningKeyUse::Access));
                }
                (SigningKeyState::Active, None) | (SigningKeyState::Retired { .. }, _) => {}
            }
        }
    }
    let mut after: Option<String> = None;
    loop {
        let page = store.pools(after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some(last.id.clone());
        for pool in page {
            found.pools += 1;
            let has = |usage| active.contains(&(pool.id.clone(), usage));
            if !has(false) || !has(true) {
                found.without.push(pool.value.id);
            }
        }
    }
}

impl SigningKeys {
    fn judged(&self, wanted: usize) -> Finding {
        let first = |pools: &mut dyn Iterator<Item = &String>| pools.next().cloned().unwrap_or_default();
        let found = format!(
            "{} of {}, {} in stock",
            counted(self.keys, "key"),
            counted(self.pools, "pool"),
            HumanCount(self.stock as u64)
        );
        let mut findings = vec![Finding::ok(&found)];
        if !self.sealed.is_empty() {
            let pool = first(&mut self.sealed.iter().filter(|pool| !pool.is_empty()));
            let of = if pool.is_empty() { "in the stock".to_owned() } else { format!("such as those of pool {pool}") };
            findings.push(Finding::problem(
                &format!("keys that do not open with this master key, {of}"),
                "Give the server the whole key ring, older keys below the newest",
            ));
        }
        if !self.without.is_empty() {
            let found = format!(
                "{} without both of its keys, such as {}: it can issue no tokens",
                counted(self.without.len() as u64, "pool"),
                first(&mut self.without.iter())
            );
            findings.push(Finding::problem(&found, "Restore the table signing_keys from a backup"));
        }
        if self.stock < 2 && wanted >= 2 {
            let found = "the stock is empty: a new pool waits until keys were made";
            findings.push(Finding::warning(found, "A running server makes them; if one runs, see its log"));
        }
        Finding::together(findings)
    }
}

fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", HumanCount(number), if number == 1 { "" } else { "s" })
}

/// Whether administrators can sign requests.
pub async fn access_keys(store: &Store, ring: &KeyRing) -> Finding {
    let keys = match store.access_keys().await {
        Ok(keys) => keys,
        Err(error) => return Finding::of_store(&error),
    };
    let is_sealed = |key: &AccessKey| {
        let (purpose, identity) = access_keys::sealing(key);
        ring.open(purpose, &identity, &key.secret).is_err()
    };
    let sealed: Vec<&str> = keys.iter().filter(|key| is_sealed(key)).map(|key| key.id.as_str()).collect();
    if !sealed.is_empty() {
        let found = format!("{} cannot be opened with this master key", sealed.join(", "));
        return Finding::problem(&found, "Give the server the whole key ring, or delete these keys and make new ones");
    }
    let administers = |only: &Vec<ActionPattern>| only.iter().any(ActionPattern::is_of_user_pools);
    if !keys.iter().any(|key| key.only.as_ref().is_none_or(administers)) {
        let found = "there is none for user pools: nobody can administer a server that runs with `serve`";
        return Finding::warning(found, "Make one with `poolkeeper keys create`");
    }
    let found = counted(keys.len() as u64, "key");
    match keys.iter().filter(|key| key.only.is_some()).count() {
        0 => Finding::ok(&found),
        limited => Finding::ok(&format!("{found}, {limited} of them for some operations only")),
    }
}

/// Whether messages leave.
pub async fn outbox(store: &Store, configuration: &Configuration) -> Finding {
    let read = async {
        let pending = store.queue(MessageState::Pending, MESSAGES).await?;
        Ok::<_, store::Error>((pending, store.queue(MessageState::Dead, MESSAGES).await?))
    };
    let (pending, dead) = match read.await {
        Ok(found) => found,
        Err(error) => return Finding::of_store(&error),
    };
    let age = pending.oldest.map_or(0, |oldest| system::now().since(oldest).max(0));
    let found = match pending.messages {
        0 => "no message waits".to_owned(),
        number => format!("{} on the way, the oldest for {}", messages(number), duration(age)),
    };
    let sender = configuration.email.sender(Mode::Serve).await;
    let advice = if sender.is_ok_and(|sender| !matches!(sender, service::messages::Sender::Nobody)) {
        "See `message not handed over` in the servers' logs, and whether a server runs"
    } else {
        "Nobody sends them: set email.sender and what belongs to it"
    };
    let mut findings = vec![if age > TOO_LATE {
        Finding::problem(&found, advice)
    } else if age > LATE {
        Finding::warning(&found, advice)
    } else {
        Finding::ok(&found)
    }];
    if dead.messages > 0 {
        let found = format!("{} given up", messages(dead.messages));
        let advice = "See `message not handed over` in the servers' logs; their users have to ask again";
        findings.push(Finding::warning(&found, advice));
    }
    Finding::together(findings)
}

/// As many as were looked at, or more.
fn messages(number: u64) -> String {
    let least = if number >= MESSAGES as u64 { "at least " } else { "" };
    format!("{least}{}", counted(number, "message"))
}

fn duration(milliseconds: i64) -> String {
    let [minutes, hours, days] = [MINUTE, HOUR, DAY].map(|unit| (milliseconds / unit).unsigned_abs());
    match (days, hours, minutes) {
        (0, 0, 0) => "less than a minute".to_owned(),
        (0, 0, minutes) => counted(minutes, "minute"),
        (0, hours, _) => counted(hours, "hour"),
        (days, ..) => counted(days, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::{SigningKeys, duration, messages};
    use crate::doctor::finding::Status;

    #[test]
    fn pools_without_keys_are_named() {
        let good = SigningKeys { keys: 6, stock: 2, pools: 2, ..SigningKeys::default() };
        assert_eq!(good.judged(8).found, "6 keys of 2 pools, 2 in stock");
        assert_eq!(good.judged(8).status, Status::Ok);
        let empty = SigningKeys { stock: 0, ..good };
        assert_eq!((empty.judged(8).status, empty.judged(0).status), (Status::Warning, Status::Ok));
        let without = SigningKeys { without: vec!["eu-west-1_x".to_owned()], stock: 2, ..SigningKeys::default() };
        let finding = without.judged(8);
        assert!(finding.status == Status::Problem && finding.found.contains("1 pool without"), "{finding:?}");
        let sealed = SigningKeys { sealed: [String::new(), "eu-west-1_x".to_owned()].into(), ..SigningKeys::default() };
        assert!(sealed.judged(0).found.contains("pool eu-west-1_x"), "{:?}", sealed.judged(0));
    }

    #[test]
    fn ages_and_numbers_are_told_in_words() {
        assert_eq!(duration(59_999), "less than a minute");
        assert_eq!(duration(60_000), "1 minute");
        assert_eq!(duration(7_200_000), "2 hours");
        assert_eq!(duration(200_000_000), "2 days");
        assert_eq!((messages(1), messages(10_000)), ("1 message".to_owned(), "at least 10,000 messages".to_owned()));
    }
}
