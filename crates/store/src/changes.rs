//! Changesets: what an operation decided, as data. No closure ever runs inside a transaction, so nothing slow can.

use domain::{AttemptPurpose, CodePurpose, Group, NameKind, Part, PartKind, SearchKind, UserPart, UserPartKind};

use crate::{Row, Stored, rows::UserPartRow};

/// What is to be cleared away although its pool lives. Numbers are stored and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeKind {
    /// The members of a deleted group; the id is the group's.
    Group = 0,
    /// The chunks of a file; the id is the file's.
    File = 1,
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
    /// Something that a pool has a moderate number of.
    Part {
        /// The pool.
        pool_id: String,
        /// What it is.
        kind: PartKind,
        /// Its id, unique among those of its kind in the pool.
        id: String,
    },
    /// Something that a user has a few of.
    UserPart {
        /// The pool.
        pool_id: String,
        /// The user.
        sub: String,
        /// What it is.
        kind: UserPartKind,
        /// Its id, unique among those of its kind of the user.
        id: String,
    },
    /// A domain of a pool.
    Domain {
        /// The domain.
        domain: String,
    },
    /// A piece of a file.
    Chunk {
        /// The file.
        file_id: String,
        /// Which piece.
        number: i64,
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
    /// Makes a user a member of a group. Being one already is no error.
    Join {
        /// The pool.
        pool_id: String,
        /// The group's own id.
        group_id: String,
        /// The group's name.
        group_name: String,
        /// The user.
        sub: String,
    },
    /// Ends a membership. Not being a member is no error.
    Leave {
        /// The pool.
        pool_id: String,
        /// The group's own id.
        group_id: String,
        /// The user.
        sub: String,
    },
    /// Ends all memberships of a user.
    LeaveAll {
        /// The pool.
        pool_id: String,
        /// The user.
        sub: String,
    },
    /// Removes all parts of a user.
    DropUserParts {
        /// The pool.
        pool_id: String,
        /// The user.
        sub: String,
    },
    /// Makes a user found by a value; or no longer.
    Search {
        /// The pool.
        pool_id: String,
        /// What the value is of.
        kind: SearchKind,
        /// The value.
        value: String,
        /// The user.
        sub: String,
        /// Whether the user is to be found.
        found: bool,
    },
    /// Has something cleared away by and by.
    Purge {
        /// The pool.
        pool_id: String,
        /// What it is.
        kind: PurgeKind,
        /// Its id.
        id: String,
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

    /// Removes a part of a pool, of the version that was read.
    pub fn delete_part<T: Part>(&mut self, old: &Stored<T>) -> &mut Self {
        let (pool_id, id) = (old.value.pool_id().to_owned(), old.value.id().to_owned());
        self.delete(Key::Part { pool_id, kind: T::KIND, id }, old.version)
    }

    /// Demands that a part of a pool is still what was read.
    pub fn assert_part<T: Part>(&mut self, old: &Stored<T>) -> &mut Self {
        let (pool_id, id) = (old.value.pool_id().to_owned(), old.value.id().to_owned());
        self.assert(Key::Part { pool_id, kind: T::KIND, id }, old.version)
    }

    /// Writes a part of a user that must not exist yet.
    pub fn insert_user_part<T: UserPart>(&mut self, part: T) -> &mut Self {
        self.save(UserPartRow::from(part), None)
    }

    /// Writes a part of a user over the one that was read, or inserts it when none was found.
    pub fn put_user_part<T: UserPart>(&mut self, old: Option<&Stored<T>>, part: T) -> &mut Self {
        self.save(UserPartRow::from(part), old.map(|old| old.version))
    }

    /// Removes a part of a user, of the version that was read.
    pub fn delete_user_part<T: UserPart>(&mut self, old: &Stored<T>) -> &mut Self {
        self.delete(user_part_key(&old.value), old.version)
    }

    /// Demands that a part of a user is still what was read.
    pub fn assert_user_part<T: UserPart>(&mut self, old: &Stored<T>) -> &mut Self {
        self.assert(user_part_key(&old.value), old.version)
    }

    /// Removes all parts of a user.
    pub fn drop_user_parts(&mut self, pool_id: &str, sub: &str) -> &mut Self {
        self.push(Change::DropUserParts { pool_id: pool_id.to_owned(), sub: sub.to_owned() })
    }

    /// Makes a user a member of a group.
    pub fn join(&mut self, group: &Group, sub: &str) -> &mut Self {
        self.push(Change::Join {
            pool_id: group.pool_id.clone(),
            group_id: group.id.clone(),
            group_name: group.name.clone(),
            sub: sub.to_owned(),
        })
    }

    /// Ends a membership.
    pub fn leave(&mut self, group: &Group, sub: &str) -> &mut Self {
        self.push(Change::Leave { pool_id: group.pool_id.clone(), group_id: group.id.clone(), sub: sub.to_owned() })
    }

    /// Ends all memberships of a user.
    pub fn leave_all(&mut self, pool_id: &str, sub: &str) -> &mut Self {
        self.push(Change::LeaveAll { pool_id: pool_id.to_owned(), sub: sub.to_owned() })
    }

    /// Makes a user found by a value, or no longer.
    pub fn search(&mut self, pool_id: &str, (kind, value): (SearchKind, String), sub: &str, found: bool) -> &mut Self {
        self.push(Change::Search { pool_id: pool_id.to_owned(), kind, value, sub: sub.to_owned(), found })
    }

    /// Has something cleared away by and by.
    pub fn purge(&mut self, pool_id: &str, kind: PurgeKind, id: &str) -> &mut Self {
        self.push(Change::Purge { pool_id: pool_id.to_owned(), kind, id: id.to_owned() })
    }

    /// Corrects the pool's estimated number of users by `delta`.
    pub fn count_users(&mut self, pool_id: &str, delta: i64) -> &mut Self {
        self.push(Change::CountUsers { pool_id: pool_id.to_owned(), delta })
    }
}

fn user_part_key<T: UserPart>(part: &T) -> Key {
    let (pool_id, sub, id) = (part.pool_id().to_owned(), part.sub().to_owned(), part.id().to_owned());
    Key::UserPart { pool_id, sub, kind: T::KIND, id }
}
