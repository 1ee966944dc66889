//! Out of a file into a database.

use std::{
    collections::BTreeMap,
    io::{BufRead, Read, Seek, SeekFrom},
};

use crypto::seal::KeyRing;
use domain::{Group, Part, Pool};
use store::{Changes, CommitError, Row, Store, Taken};

use super::{Header, Record, Told, TransferError, export::Keys};
use crate::users;

/// Records that are written in one changeset.
const AT_ONCE: usize = 100;
/// Bytes of the longest line that is read: far more than any record has.
const LONGEST_LINE: u64 = 64 * 1_024 * 1_024;

/// The lines of a file as they are read.
struct Lines<'a, R> {
    input: &'a mut R,
    header: Header,
    recipient: &'a KeyRing,
    number: u64,
}

impl<'a, R: BufRead + Seek> Lines<'a, R> {
    /// Begins at the beginning.
    fn new(input: &'a mut R, recipient: &'a KeyRing) -> Result<Self, TransferError> {
        input.seek(SeekFrom::Start(0))?;
        let first = line(input, 1)?.unwrap_or_default();
        Ok(Self { header: Header::parse(&first)?, input, recipient, number: 1 })
    }

    /// The next record; none after the end, which has to be there.
    fn next(&mut self) -> Result<Option<Record>, TransferError> {
        self.number += 1;
        let damaged = |line, reason: &str| TransferError::Damaged { line, reason: reason.to_owned() };
        let Some(text) = line(self.input, self.number)? else {
            return Err(damaged(self.number, "the file was cut off before this line"));
        };
        match self.header.open(self.recipient, self.number, &text)? {
            // The header and this record are no records that it counts.
            Record::End { records } if records + 2 != self.number => {
                Err(damaged(self.number, "it counts other records than there are"))
            }
            Record::End { .. } if line(self.input, self.number + 1)?.is_some() => {
                Err(damaged(self.number + 1, "something follows the end"))
            }
            Record::End { .. } => Ok(None),
            record => Ok(Some(record)),
        }
    }
}

/// A line without its end; none at the end of the file.
fn line(input: &mut impl BufRead, number: u64) -> Result<Option<String>, TransferError> {
    let mut text = String::new();
    let read = input.take(LONGEST_LINE).read_line(&mut text).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => {
            TransferError::Damaged { line: number, reason: "this is not text".to_owned() }
        }
        _ => TransferError::Io(error),
    })?;
    if read > 0 && !text.ends_with('\n') {
        let reason = "the line is cut off, or too long".to_owned();
        return Err(TransferError::Damaged { line: number, reason });
    }
    Ok((read > 0).then(|| text.trim_end().to_owned()))
}

/// What the first look at a file finds.
struct Checked {
    pool: Pool,
    users: u64,
}

/// Reads the whole file without writing anything.
fn check(lines: &mut Lines<'_, impl BufRead + Seek>) -> Result<Checked, TransferError> {
    let damaged = |line, reason: &str| TransferError::Damaged { line, reason: reason.to_owned() };
    let Some(Record::Pool(pool)) = lines.next()? else {
        return Err(damaged(lines.number, "the first record is no user pool"));
    };
    if pool.id != lines.header.user_pool_id {
        return Err(damaged(lines.number, "this is another user pool than the first line names"));
    }
    let mut users = 0;
    while let Some(record) = lines.next()? {
        let belongs = match &record {
            Record::SigningKey(key) => key.pool_id == pool.id,
            Record::Client(client) => client.pool_id == pool.id,
            Record::Domain(domain) => domain.pool_id == pool.id,
            Record::IdentityProvider(provider) => provider.pool_id == pool.id,
            Record::User(record) => {
                users += 1;
                record.belongs_to(&pool.id)
            }
            Record::Part { .. } => true,
            Record::Pool(_) | Record::End { .. } => false,
        };
        if !belongs {
            return Err(damaged(lines.number, "this does not belong to the user pool"));
        }
    }
    Ok(Checked { pool: *pool, users })
}

/// Reads a pool with everything that belongs to it, under its old ids, and says which pool it was and how many users.
///
/// The file is checked to its end before anything is written. The pool itself is written last: nobody can use it until
/// then. What an import that was interrupted has left behind is removed by the next one.
///
/// # Errors
/// When the file cannot be trusted, the pool exists here, something of it belongs to another pool here, or the database
/// fails.
pub async fn import(
    store: &Store,
    keys: &Keys<'_>,
    input: &mut (impl BufRead + Seek),
    told: Told<'_>,
) -> Result<(String, u64), TransferError> {
    let Checked { pool, users: all } = check(&mut Lines::new(input, keys.recipient)?)?;
    if store.pool(&pool.id).await?.is_some() {
        return Err(TransferError::Exists(pool.id));
    }
    store.clear_pool(&pool.id).await?;
    let mut lines = Lines::new(input, keys.recipient)?;
    let (mut groups, mut users) = (BTreeMap::<String, Group>::new(), 0);
    let (mut changes, mut waiting) = (Changes::new(), 0);
    while let Some(record) = lines.next()? {
        match record.sealed(keys.ring, keys.entropy, lines.number)? {
            Record::SigningKey(key) => drop(changes.insert(*key)),
            Record::Client(client) => drop(changes.insert(*client)),
            Record::Domain(domain) => drop(changes.insert(domain)),
            Record::IdentityProvider(provider) => drop(changes.insert(&*provider)),
            Record::Part { kind, id, doc } => {
                if kind == Group::KIND.number() {
                    let group: Group = serde_json::from_str(&doc).map_err(|_| TransferError::Damaged {
                        line: lines.number,
                        reason: "this is no group".to_owned(),
                    })?;
                    groups.insert(group.name.clone(), group);
                }
                let row = Row::part_document(&pool.id, kind, &id, doc).ok_or_else(|| TransferError::Damaged {
                    line: lines.number,
                    reason: format!("this version knows no part of kind {kind}"),
                })?;
                changes.insert(row);
            }
            Record::User(record) => {
                for group in record.groups.iter().filter_map(|name| groups.get(name)) {
                    changes.join(group, &record.user.sub);
                }
                users::insert(&mut changes, &pool, record.user);
                if let Some(password) = record.password {
                    changes.insert(password);
                }
                if let Some(token) = record.software_token {
                    changes.insert_user_part(token);
                }
                for device in record.devices {
                    changes.insert_user_part(device);
                }
                for passkey in record.passkeys {
                    changes.insert_user_part(passkey);
                }
                users += 1;
            }
            Record::Pool(_) | Record::End { .. } => {}
        }
        waiting += 1;
        if waiting == AT_ONCE {
            commit(store, std::mem::take(&mut changes)).await?;
            told(users, all);
            waiting = 0;
        }
    }
    changes.insert(pool.clone());
    commit(store, changes).await?;
    told(users, all);
    Ok((pool.id, users))
}

async fn commit(store: &Store, changes: Changes) -> Result<(), TransferError> {
    match store.commit(changes).await {
        Err(CommitError::Conflict) => {
            Err(TransferError::Clash("an app client, a domain or a signing key of this pool".to_owned()))
        }
        Err(CommitError::Taken(Taken::Name { name, .. })) => {
            Err(TransferError::Clash(format!("the name {name}, which two users of the file own,")))
        }
        outcome => Ok(outcome?),
    }
}
