//! The rows that changesets write, made from the nouns.

use domain::{
    AccessKey, Attempts, Chunk, Client, Code, Domain, Message, Part, PartKind, Password, Pool, Revocation,
    SigningKeyRecord, Spent, User, UserPart, UserPartKind,
};

use crate::Lease;

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
    /// Something that a pool has a moderate number of.
    Part(Box<PartRow>),
    /// Something that a user has a few of.
    UserPart(Box<UserPartRow>),
    /// A domain of a pool.
    Domain(Box<Domain>),
    /// A piece of a file.
    Chunk(Box<Chunk>),
}

/// A part of a pool, as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct PartRow {
    pub(crate) pool_id: String,
    pub(crate) kind: PartKind,
    pub(crate) id: String,
    /// The document, or why there is none.
    pub(crate) doc: Result<String, String>,
}

impl<T: Part> From<&T> for Row {
    fn from(part: &T) -> Self {
        Self::Part(Box::new(PartRow {
            pool_id: part.pool_id().to_owned(),
            kind: T::KIND,
            id: part.id().to_owned(),
            doc: serde_json::to_string(part).map_err(|error| error.to_string()),
        }))
    }
}

/// A part of a user, as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct UserPartRow {
    pub(crate) pool_id: String,
    pub(crate) sub: String,
    pub(crate) kind: UserPartKind,
    pub(crate) id: String,
    /// In milliseconds.
    pub(crate) expires_at: i64,
    /// The document, or why there is none.
    pub(crate) doc: Result<String, String>,
}

/// What stands for never.
const NEVER: i64 = i64::MAX;

impl<T: UserPart> From<T> for UserPartRow {
    fn from(part: T) -> Self {
        Self {
            pool_id: part.pool_id().to_owned(),
            sub: part.sub().to_owned(),
            kind: T::KIND,
            id: part.id().to_owned(),
            expires_at: part.expires_at().map_or(NEVER, |moment| moment.milliseconds()),
            doc: serde_json::to_string(&part).map_err(|error| error.to_string()),
        }
    }
}

impl From<UserPartRow> for Row {
    fn from(row: UserPartRow) -> Self {
        Self::UserPart(Box::new(row))
    }
}

impl Row {
    /// A part of a pool from the document that [`Store::part_documents`](crate::Store::part_documents) gave; none when
    /// there is no such kind.
    #[must_use]
    pub fn part_document(pool_id: &str, kind: i64, id: &str, doc: String) -> Option<Self> {
        let kind = PartKind::from_number(kind)?;
        Some(Self::Part(Box::new(PartRow { pool_id: pool_id.to_owned(), kind, id: id.to_owned(), doc: Ok(doc) })))
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

impl From<Domain> for Row {
    fn from(row: Domain) -> Self {
        Self::Domain(Box::new(row))
    }
}

impl From<Chunk> for Row {
    fn from(row: Chunk) -> Self {
        Self::Chunk(Box::new(row))
    }
}

impl From<Spent> for Row {
    fn from(row: Spent) -> Self {
        Self::Spent(row)
    }
}
