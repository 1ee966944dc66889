//! Out of a database into a file.

use std::io::Write;

use crypto::seal::KeyRing;
use domain::{Device, Entropy, IdentityProvider, PartKind, Timestamp, UserPart, UserPartKind};
use store::Store;

use super::{Header, Record, Told, TransferError, UserRecord};

/// Users and parts that are read at once.
const AT_ONCE: usize = 200;
/// More groups than a user can have.
const GROUPS: usize = 1_000;

/// Whom a file is from and for.
pub struct Keys<'a> {
    /// The master keys of this installation.
    pub ring: &'a KeyRing,
    /// The key of whoever is to read the file.
    pub recipient: &'a KeyRing,
    /// Randomness.
    pub entropy: &'a dyn Entropy,
}

/// The lines of a file as they are written.
struct Lines<'a, W> {
    output: &'a mut W,
    header: Header,
    keys: &'a Keys<'a>,
    records: u64,
}

impl<W: Write> Lines<'_, W> {
    fn write(&mut self, record: Record) -> Result<(), TransferError> {
        let record = record.opened(self.keys.ring)?;
        // The header is line 1.
        let line = self.header.seal(self.keys.recipient, self.keys.entropy, self.records + 2, &record)?;
        self.records += 1;
        Ok(writeln!(self.output, "{line}")?)
    }
}

/// Writes a pool and everything that belongs to it, and says how many users there were.
///
/// Servers may be at work. Each row is read as it is at some moment of the export: a user who changes meanwhile is
/// written in the old or the new state, and one who signs up meanwhile is written or not.
///
/// # Errors
/// When there is no such pool, a secret does not open, or the database or the file fails.
pub async fn export(
    store: &Store,
    keys: &Keys<'_>,
    pool_id: &str,
    now: Timestamp,
    output: &mut impl Write,
    told: Told<'_>,
) -> Result<u64, TransferError> {
    let Some(pool) = store.pool(pool_id).await? else { return Err(TransferError::NoPool(pool_id.to_owned())) };
    let about = u64::try_from(store.estimated_users(pool_id).await?).unwrap_or_default();
    let header = Header::new(pool_id, keys.recipient, now, keys.entropy);
    writeln!(output, "{}", serde_json::to_string(&header).map_err(std::io::Error::from)?)?;
    let mut lines = Lines { output, header, keys, records: 0 };
    lines.write(Record::Pool(Box::new(pool.value)))?;
    for key in store.signing_keys(pool_id).await? {
        lines.write(Record::SigningKey(Box::new(key.value)))?;
    }
    write_clients(store, pool_id, &mut lines).await?;
    for domain in store.domains(pool_id).await? {
        lines.write(Record::Domain(domain.value))?;
    }
    write_parts(store, pool_id, &mut lines).await?;
    let users = write_users(store, pool_id, about, &mut lines, told).await?;
    let records = lines.records;
    lines.write(Record::End { records })?;
    output.flush()?;
    Ok(users)
}

async fn write_clients<W: Write>(store: &Store, pool_id: &str, lines: &mut Lines<'_, W>) -> Result<(), TransferError> {
    let mut after: Option<String> = None;
    loop {
        let page = store.clients(pool_id, after.as_deref(), AT_ONCE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id.clone());
        for client in page {
            lines.write(Record::Client(Box::new(client.value)))?;
        }
    }
}

async fn write_parts<W: Write>(store: &Store, pool_id: &str, lines: &mut Lines<'_, W>) -> Result<(), TransferError> {
    let mut after = (-1, String::new());
    loop {
        let page = store.part_documents(pool_id, (after.0, &after.1), AT_ONCE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = (last.kind, last.id.clone());
        for part in page {
            if part.kind == PartKind::ImportJob.number() {
                continue;
            }
            if part.kind == PartKind::IdentityProvider.number() {
                if let Some(provider) = store.part::<IdentityProvider>(pool_id, &part.id).await? {
                    lines.write(Record::IdentityProvider(Box::new(provider.value)))?;
                }
                continue;
            }
            lines.write(Record::Part { kind: part.kind, id: part.id, doc: part.doc })?;
        }
    }
}

async fn write_users<W: Write>(
    store: &Store,
    pool_id: &str,
    about: u64,
    lines: &mut Lines<'_, W>,
    told: Told<'_>,
) -> Result<u64, TransferError> {
    let (mut after, mut users): (Option<String>, u64) = (None, 0);
    loop {
        told(users, about.max(users));
        let page = store.users(pool_id, after.as_deref(), AT_ONCE).await?;
        let Some(last) = page.last() else { return Ok(users) };
        after = Some(last.sub.clone());
        for user in page {
            let password = store.password(pool_id, &user.sub).await?.map(|password| password.value);
            let groups = store.groups_of_user(pool_id, &user.sub, None, GROUPS).await?;
            let groups = groups.into_iter().map(|group| group.value.name).collect();
            let mut record = UserRecord {
                user: user.value,
                password,
                groups,
                software_token: None,
                devices: Vec::new(),
                passkeys: Vec::new(),
            };
            read_parts(store, &mut record).await?;
            lines.write(Record::User(Box::new(record)))?;
            users += 1;
        }
    }
}

/// Adds what a user has a few of. What was only begun, and what belongs to sign-ins, stays behind.
async fn read_parts(store: &Store, record: &mut UserRecord) -> Result<(), TransferError> {
    for part in store.user_part_documents(&record.user.pool_id, &record.user.sub, usize::MAX).await? {
        match UserPartKind::from_number(part.kind) {
            Some(UserPartKind::SoftwareToken) => record.software_token = Some(parsed(&part.doc, &record.user.sub)?),
            Some(UserPartKind::Device) => {
                let device: Device = parsed(&part.doc, &record.user.sub)?;
                record.devices.push(Device { waiting: None, ..device });
            }
            Some(UserPartKind::Passkey) => record.passkeys.push(parsed(&part.doc, &record.user.sub)?),
            Some(
                UserPartKind::PendingSoftwareToken
                | UserPartKind::PendingPasskey
                | UserPartKind::RefreshFamily
                | UserPartKind::Session
                | UserPartKind::AuthEvent
                | UserPartKind::AuthorizationCode
                | UserPartKind::Evidence,
            )
            | None => {}
        }
    }
    Ok(())
}

fn parsed<T: UserPart>(doc: &str, sub: &str) -> Result<T, TransferError> {
    let damaged = |_| store::Error::Corrupt { table: "user_parts", key: sub.to_owned() };
    Ok(serde_json::from_str(doc).map_err(damaged)?)
}
