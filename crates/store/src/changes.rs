//! Changesets: what an operation decided, as data. No closure ever runs inside a transaction, so nothing slow can.

use domain::{
    AccessKey, AttemptPurpose, Attempts, Client, Code, CodePurpose, Message, NameKind, Password, Pool, Revocation,
    SigningKeyRecord, Spent, User,
};

use crate::{Lease, Stored};

/// A row to write. The large nouns are boxed, so that a changeset stays small; [`From`] hides it.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// A user pool.
    Pool(Box<Pool>),
    /// An app client.
    Client(Box<Client>),
    /// A user.
    User(Box<User>),
    /// A user's password.
    Password(Box<Password>),
    /// An outstanding code.
    Code(Box<Code>),
    /// A counter that stops guessing.
    Attempts(Box<Attempts>),
    /// A message in the outbox.
    Message(Box<Message>),
    /// A signing key.
    SigningKey(Box<SigningKeyRecord>),
    /// An administrator's key.
    AccessKey(Box<AccessKey>),
    /// A revoked sign-in.
    Revocation(Revocation),
    /// Something used once.
    Spent(Spent),
    /// Who may do a job.
    Lease(Lease),
}

/// Where a row is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A user pool.
    Pool {
        /// Its id.
        id: String,
    },
    /// An app client.
    Client {
        /// Its id.
        id: String,
    },
    /// A user.
    User {
        /// The pool.
        pool_id: String,
        /// The user.
        sub: String,
    },
    /// A user's password.
    Password {
        /// The pool.
        pool_id: String,
        /// The user.
        sub: String,
    },
    /// An outstanding code.
    Code {
        /// The pool.
        pool_id: String,
        /// The user.
        sub: String,
        /// What it is for.
        purpose: CodePurpose,
    },
    /// A counter that stops guessing.
    Attempts {
        /// The pool.
        pool_id: String,
        /// The user.
        sub: String,
        /// What is counted.
        purpose: AttemptPurpose,
    },
    /// A message in the outbox.
    Message {
        /// Its id.
        id: String,
    },
    /// A signing key.
    SigningKey {
        /// Its key id.
        kid: String,
    },
    /// An administrator's key.
    AccessKey {
        /// Its id.
        id: String,
    },
    /// A revoked sign-in.
    Revocation {
        /// The pool.
        pool_id: String,
        /// The sign-in.
        origin_jti: String,
    },
    /// Something used once.
    Spent {
        /// Its id.
        id: String,
    },
    /// Who may do a job.
    Lease {
        /// The job.
        name: String,
    },
}

/// One step of a changeset.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Writes a row.
    Save {
        /// The row.
        row: Row,
        /// `None`: no such row may exist. `Some`: it must have this version, and gets the next one.
        expected: Option<i64>,
    },
    /// Removes a row. Of a pool only the row is marked: it and its clients are gone for every reader at once, and
    /// [`Store::sweep`](crate::Store::sweep) clears away what belonged to it.
    Delete {
        /// Where it is.
        key: Key,
        /// The version that it must have.
        expected: i64,
    },
    /// Demands that a row which was read is still what it was.
    Assert {
        /// Where it is.
        key: Key,
        /// The version that it must have.
        version: i64,
    },
    /// Demands that there are still no attempts of a user.
    AssertNoAttempts {
        /// The pool.
        pool_id: String,
        /// The user.
        sub: String,
        /// What is counted.
        purpose: AttemptPurpose,
    },
    /// Makes a user the owner of a name. Owning it already is no error.
    Claim {
        /// The pool.
        pool_id: String,
        /// The name, folded as the pool demands.
        name: String,
        /// Its kind.
        kind: NameKind,
        /// The owner to be.
        sub: String,
    },
    /// Gives a name up. It must be owned by that user.
    Release {
        /// The pool.
        pool_id: String,
        /// The name, folded as the pool demands.
        name: String,
        /// Its kind.
        kind: NameKind,
        /// The owner.
        sub: String,
    },
    /// Corrects the pool's estimated number of users.
    CountUsers {
        /// The pool.
        pool_id: String,
        /// How many more; negative for fewer.
        delta: i64,
    },
}

/// What an operation wants changed: all of it, in this order, or nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes(pub(crate) Vec<Change>);

impl Change {
    /// Whether it changes what servers keep in memory: pools, clients, and the keys of pools.
    pub(crate) fn is_cached(&self) -> bool {
        match self {
            Self::Save { row, .. } => match row {
                Row::Pool(_) | Row::Client(_) => true,
                Row::SigningKey(key) => !key.pool_id.is_empty(),
                _ => false,
            },
            Self::Delete { key, .. } => matches!(key, Key::Pool { .. } | Key::Client { .. } | Key::SigningKey { .. }),
            _ => false,
        }
    }
}

impl Changes {
    /// No changes.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The changes in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Change] {
        &self.0
    }

    /// Adds a change.
    pub fn push(&mut self, change: Change) -> &mut Self {
        self.0.push(change);
        self
    }

    /// Adds all changes of another set after those of this one.
    pub fn append(&mut self, mut other: Self) -> &mut Self {
        self.0.append(&mut other.0);
        self
    }

    /// Writes a row that must not exist yet.
    pub fn insert(&mut self, row: impl Into<Row>) -> &mut Self {
        self.save(row, None)
    }

    /// Writes a row over the one that was read as `old`.
    pub fn replace<T>(&mut self, old: &Stored<T>, row: impl Into<Row>) -> &mut Self {
        self.save(row, Some(old.version))
    }

    /// Writes a row over the one that was read, or inserts it when none was found.
    pub fn put<T>(&mut self, old: Option<&Stored<T>>, row: impl Into<Row>) -> &mut Self {
        self.save(row, old.map(|old| old.version))
    }

    /// Writes a row: `None` inserts, `Some` replaces that version.
    pub fn save(&mut self, row: impl Into<Row>, expected: Option<i64>) -> &mut Self {
        self.push(Change::Save { row: row.into(), expected })
    }

    /// Removes a row of this version.
    pub fn delete(&mut self, key: Key, expected: i64) -> &mut Self {
        self.push(Change::Delete { key, expected })
    }

    /// Demands that a row still has this version.
    pub fn assert(&mut self, key: Key, version: i64) -> &mut Self {
        self.push(Change::Assert { key, version })
    }

    /// Demands that what was not found is still not there.
    pub fn assert_no_attempts(&mut self, pool_id: &str, sub: &str, purpose: AttemptPurpose) -> &mut Self {
        self.push(Change::AssertNoAttempts { pool_id: pool_id.to_owned(), sub: sub.to_owned(), purpose })
    }

    /// Makes `sub` the owner of a name.
    pub fn claim(&mut self, pool_id: &str, name: &str, kind: NameKind, sub: &str) -> &mut Self {
        self.push(Change::Claim { pool_id: pool_id.to_owned(), name: name.to_owned(), kind, sub: sub.to_owned() })
    }

    /// Gives up a name that `sub` owns.
    pub fn release(&mut self, pool_id: &str, name: &str, kind: NameKind, sub: &str) -> &mut Self {
        self.push(Change::Release { pool_id: pool_id.to_owned(), name: name.to_owned(), kind, sub: sub.to_owned() })
    }

    /// Corrects the pool's estimated number of users by `delta`.
    pub fn count_users(&mut self, pool_id: &str, delta: i64) -> &mut Self {
        self.push(Change::CountUsers { pool_id: pool_id.to_owned(), delta })
    }
}

impl From<Pool> for Row {
    fn from(row: Pool) -> Self {
        Self::Pool(Box::new(row))
    }
}

impl From<Client> for Row {
    fn from(row: Client) -> Self {
        Self::Client(Box::new(row))
    }
}

impl From<User> for Row {
    fn from(row: User) -> Self {
        Self::User(Box::new(row))
    }
}

impl From<Password> for Row {
    fn from(row: Password) -> Self {
        Self::Password(Box::new(row))
    }
}

impl From<Code> for Row {
    fn from(row: Code) -> Self {
        Self::Code(Box::new(row))
    }
}

impl From<Attempts> for Row {
    fn from(row: Attempts) -> Self {
        Self::Attempts(Box::new(row))
    }
}

impl From<Message> for Row {
    fn from(row: Message) -> Self {
        Self::Message(Box::new(row))
    }
}

impl From<SigningKeyRecord> for Row {
    fn from(row: SigningKeyRecord) -> Self {
        Self::SigningKey(Box::new(row))
    }
}

impl From<AccessKey> for Row {
    fn from(row: AccessKey) -> Self {
        Self::AccessKey(Box::new(row))
    }
}

impl From<Revocation> for Row {
    fn from(row: Revocation) -> Self {
        Self::Revocation(row)
    }
}

impl From<Lease> for Row {
    fn from(row: Lease) -> Self {
        Self::Lease(row)
    }
}

impl From<Spent> for Row {
    fn from(row: Spent) -> Self {
        Self::Spent(row)
    }
}
