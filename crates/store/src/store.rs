//! The store as the rest of the house sees it. Methods are asynchronous because a database across a network will
//! be; on SQLite reads return at once.

use std::sync::Arc;

use domain::{
    AccessKey, AttemptPurpose, Attempts, Client, Code, CodePurpose, Message, MessageState, NameKind, Password, Pool,
    Revocation, SigningKeyRecord, Spent, Timestamp, User,
};

use crate::{
    Changes, CommitError, Error, Options, RecoverySnapshot, SignInSnapshot, SqliteStore, Statistics, Stored,
    TokenSnapshot,
    compile::{Param, Step, compile},
    read::{self, Query},
    sql, sqlite,
};

/// An open database. Clones share it; the last one to go closes it.
#[derive(Clone, Debug)]
pub enum Store {
    /// SQLite, in a file or in memory.
    Sqlite(Arc<SqliteStore>),
}

/// `limit` as a value to bind.
fn bound(limit: usize) -> Param<'static> {
    i64::try_from(limit).unwrap_or(i64::MAX).into()
}

impl Store {
    /// Opens a database, making it when it does not exist, and brings its schema up to date.
    ///
    /// # Errors
    /// Says what is wrong with the directory, the file or its schema, and what to do next.
    #[expect(clippy::unused_async, reason = "a database across a network is connected to")]
    pub async fn open(options: &Options) -> Result<Self, Error> {
        SqliteStore::open(options).map(|store| Self::Sqlite(Arc::new(store)))
    }

    /// Applies a changeset: all of it, in order, or nothing. When this returns, the changes survive what
    /// [`Durability`](crate::Durability) promises. Dropping the future does not take the changes back.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] when a version moved or a row to insert exists; [`CommitError::Taken`] when a name
    /// or mark belongs to somebody else; [`CommitError::Store`] when the engine failed.
    pub async fn commit(&self, changes: Changes) -> Result<(), CommitError> {
        if changes.is_empty() {
            return Ok(());
        }
        let shard = match self {
            Self::Sqlite(store) => store.next_shard(),
        };
        let steps = compile(changes, shard)?;
        self.apply(steps).await.map(|_changed| ())
    }

    async fn apply(&self, steps: Vec<Step>) -> Result<u64, CommitError> {
        match self {
            Self::Sqlite(store) => store.apply(steps).await,
        }
    }

    /// Runs steps that may change any number of rows, and says how many they changed.
    pub(crate) async fn change_any(&self, steps: Vec<Step>) -> Result<usize, Error> {
        match self.apply(steps).await {
            Ok(changed) => Ok(usize::try_from(changed).unwrap_or(usize::MAX)),
            Err(CommitError::Store(error)) => Err(error),
            Err(CommitError::Conflict | CommitError::Taken(_)) => {
                Err(Error::Engine("a statement that expects nothing was refused".to_owned()))
            }
        }
    }

    #[expect(clippy::unused_async, reason = "a database across a network answers later")]
    pub(crate) async fn first<T>(&self, query: &Query<T>, params: &[Param<'_>]) -> Result<Option<T>, Error> {
        match self {
            Self::Sqlite(store) => store.first(query, params),
        }
    }

    #[expect(clippy::unused_async, reason = "a database across a network answers later")]
    pub(crate) async fn all<T>(&self, query: &Query<T>, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
        match self {
            Self::Sqlite(store) => store.all(query, params),
        }
    }

    /// A user pool, unless it was deleted.
    ///
    /// # Errors
    /// When the engine fails or the row is damaged; so for every read below.
    pub async fn pool(&self, id: &str) -> Result<Option<Stored<Pool>>, Error> {
        self.first(&read::POOL, &[id.into()]).await
    }

    /// At most `limit` user pools by id, from the one after `after`.
    pub async fn pools(&self, after: Option<&str>, limit: usize) -> Result<Vec<Stored<Pool>>, Error> {
        self.all(&read::POOLS_AFTER, &[after.unwrap_or_default().into(), bound(limit)]).await
    }

    /// An app client, unless its pool was deleted.
    pub async fn client(&self, id: &str) -> Result<Option<Stored<Client>>, Error> {
        self.first(&read::CLIENT, &[id.into()]).await
    }

    /// At most `limit` app clients of a pool by id, from the one after `after`.
    pub async fn clients(
        &self,
        pool_id: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Stored<Client>>, Error> {
        self.all(&read::CLIENTS_AFTER, &[pool_id.into(), after.unwrap_or_default().into(), bound(limit)]).await
    }

    /// A user by id.
    pub async fn user(&self, pool_id: &str, sub: &str) -> Result<Option<Stored<User>>, Error> {
        self.first(&read::USER, &[pool_id.into(), sub.into()]).await
    }

    /// A user by any name: the stored username first, then email address, phone number and preferred username, and
    /// the user's own id last. `name` is folded as the pool demands.
    pub async fn user_by_name(&self, pool_id: &str, name: &str) -> Result<Option<Stored<User>>, Error> {
        match self.first(&read::USER_BY_NAME, &[pool_id.into(), name.into()]).await? {
            Some(user) => Ok(Some(user)),
            None => self.user(pool_id, name).await,
        }
    }

    /// The `sub` of the user who owns a name. `name` is folded as the pool demands.
    pub async fn name_owner(&self, pool_id: &str, name: &str, kind: NameKind) -> Result<Option<String>, Error> {
        self.first(&read::NAME_OWNER, &[pool_id.into(), name.into(), kind.code().into()]).await
    }

    /// At most `limit` users of a pool by `sub`, from the one after `after_sub`.
    pub async fn users(
        &self,
        pool_id: &str,
        after_sub: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Stored<User>>, Error> {
        self.all(&read::USERS_AFTER, &[pool_id.into(), after_sub.unwrap_or_default().into(), bound(limit)]).await
    }

    /// How many users the pool has, as far as changesets counted them; never negative.
    pub async fn estimated_users(&self, pool_id: &str) -> Result<i64, Error> {
        let sum = self.first(&read::ESTIMATED_USERS, &[pool_id.into()]).await?;
        Ok(sum.unwrap_or_default().max(0))
    }

    /// A user's password.
    pub async fn password(&self, pool_id: &str, sub: &str) -> Result<Option<Stored<Password>>, Error> {
        self.first(&read::PASSWORD, &[pool_id.into(), sub.into()]).await
    }

    /// A user's outstanding code of a purpose, expired or not.
    pub async fn code(&self, pool_id: &str, sub: &str, purpose: CodePurpose) -> Result<Option<Stored<Code>>, Error> {
        self.first(&read::CODE, &[pool_id.into(), sub.into(), purpose.number().into()]).await
    }

    /// A user's attempts of a purpose.
    pub async fn attempts(
        &self,
        pool_id: &str,
        sub: &str,
        purpose: AttemptPurpose,
    ) -> Result<Option<Stored<Attempts>>, Error> {
        self.first(&read::ATTEMPT, &[pool_id.into(), sub.into(), purpose.number().into()]).await
    }

    /// What a sign-in has to know about a user, read at one moment.
    #[expect(clippy::unused_async, reason = "a database across a network answers later")]
    pub async fn sign_in_snapshot(&self, pool_id: &str, sub: &str) -> Result<SignInSnapshot, Error> {
        let key: [Param<'_>; 2] = [pool_id.into(), sub.into()];
        let attempts: [Param<'_>; 3] = [pool_id.into(), sub.into(), AttemptPurpose::SignIn.number().into()];
        match self {
            Self::Sqlite(store) => store.snapshot(|connection| {
                Ok(SignInSnapshot {
                    user: sqlite::first(connection, &read::USER, &key)?,
                    password: sqlite::first(connection, &read::PASSWORD, &key)?,
                    attempts: sqlite::first(connection, &read::ATTEMPT, &attempts)?,
                })
            }),
        }
    }

    /// What a request with an access token has to know, read at one moment. `origin_jti` names the sign-in, if its
    /// tokens can be revoked.
    #[expect(clippy::unused_async, reason = "a database across a network answers later")]
    pub async fn token_snapshot(
        &self,
        pool_id: &str,
        sub: &str,
        origin_jti: Option<&str>,
    ) -> Result<TokenSnapshot, Error> {
        match self {
            Self::Sqlite(store) => store.snapshot(|connection| {
                let user = sqlite::first(connection, &read::USER, &[pool_id.into(), sub.into()])?;
                let revocation = match origin_jti {
                    Some(jti) => sqlite::first(connection, &read::REVOCATION, &[pool_id.into(), jti.into()])?,
                    None => None,
                };
                Ok(TokenSnapshot { user, is_revoked: revocation.is_some() })
            }),
        }
    }

    /// What a password reset has to know beside the user, read at one moment.
    #[expect(clippy::unused_async, reason = "a database across a network answers later")]
    pub async fn recovery_snapshot(&self, pool_id: &str, sub: &str) -> Result<RecoverySnapshot, Error> {
        let key: [Param<'_>; 2] = [pool_id.into(), sub.into()];
        let numbered = |number: i64| -> [Param<'_>; 3] { [pool_id.into(), sub.into(), number.into()] };
        let code = numbered(CodePurpose::Reset.number());
        let failures = numbered(AttemptPurpose::SignIn.number());
        let requests = numbered(AttemptPurpose::ResetRequest.number());
        let wrong_codes = numbered(AttemptPurpose::ResetCode.number());
        match self {
            Self::Sqlite(store) => store.snapshot(|connection| {
                Ok(RecoverySnapshot {
                    failures: sqlite::first(connection, &read::ATTEMPT, &failures)?,
                    password: sqlite::first(connection, &read::PASSWORD, &key)?,
                    code: sqlite::first(connection, &read::CODE, &code)?,
                    requests: sqlite::first(connection, &read::ATTEMPT, &requests)?,
                    wrong_codes: sqlite::first(connection, &read::ATTEMPT, &wrong_codes)?,
                })
            }),
        }
    }

    /// All signing keys of a pool.
    pub async fn signing_keys(&self, pool_id: &str) -> Result<Vec<Stored<SigningKeyRecord>>, Error> {
        self.all(&read::SIGNING_KEYS_OF_POOL, &[pool_id.into(), bound(usize::MAX)]).await
    }

    /// At most `limit` signing keys that belong to no pool yet.
    pub async fn stock_keys(&self, limit: usize) -> Result<Vec<Stored<SigningKeyRecord>>, Error> {
        self.all(&read::SIGNING_KEYS_OF_POOL, &["".into(), bound(limit)]).await
    }

    /// An administrator's key.
    pub async fn access_key(&self, id: &str) -> Result<Option<Stored<AccessKey>>, Error> {
        self.first(&read::ACCESS_KEY, &[id.into()]).await
    }

    /// All administrators' keys, by id.
    pub async fn access_keys(&self) -> Result<Vec<Stored<AccessKey>>, Error> {
        self.all(&read::ALL_ACCESS_KEYS, &[]).await
    }

    /// The revocation of a sign-in, if it was revoked.
    pub async fn revocation(&self, pool_id: &str, origin_jti: &str) -> Result<Option<Stored<Revocation>>, Error> {
        let found = self.first(&read::REVOCATION, &[pool_id.into(), origin_jti.into()]).await?;
        Ok(found.map(|found| read::revocation(pool_id, origin_jti, found)))
    }

    /// The mark of something that was used, if it was. Looking is no protection: only inserting the mark is.
    pub async fn spent(&self, id: &str) -> Result<Option<Stored<Spent>>, Error> {
        let found = self.first(&read::SPENT_MARK, &[id.into()]).await?;
        Ok(found.map(|found| read::spent(id, found)))
    }

    /// A message by id.
    pub async fn message(&self, id: &str) -> Result<Option<Stored<Message>>, Error> {
        self.first(&read::MESSAGE, &[id.into()]).await
    }

    /// At most `limit` pending messages that may be tried at `now`, the longest due first. Whoever wants to send
    /// one leases it first: a save with its version that moves `due_at` to the end of the lease.
    pub async fn due_messages(&self, now: Timestamp, limit: usize) -> Result<Vec<Stored<Message>>, Error> {
        let params = [MessageState::Pending.number().into(), now.milliseconds().into(), bound(limit)];
        self.all(&read::DUE_MESSAGES, &params).await
    }

    /// At most `limit` messages of any state, newest first; `before` names the creation time and id of the last one
    /// of the page before.
    pub async fn recent_messages(
        &self,
        before: Option<(Timestamp, &str)>,
        limit: usize,
    ) -> Result<Vec<Stored<Message>>, Error> {
        let (created_at, id) = before.unwrap_or((Timestamp(i64::MAX), ""));
        self.all(&read::RECENT_MESSAGES, &[created_at.milliseconds().into(), id.into(), bound(limit)]).await
    }

    /// Removes all messages and says how many.
    pub async fn delete_all_messages(&self) -> Result<usize, Error> {
        self.change_any(vec![Step::any(sql::DELETE_ALL_MESSAGES, Vec::new())]).await
    }

    /// A value that belongs to the server itself.
    pub async fn get_meta(&self, name: &str) -> Result<Option<String>, Error> {
        self.first(&read::META, &[name.into()]).await
    }

    /// Sets a value that belongs to the server itself, unless it has one, and returns the one in force.
    pub async fn set_meta_if_absent(&self, name: &str, value: &str) -> Result<String, Error> {
        let params = vec![name.to_owned().into(), value.to_owned().into()];
        self.change_any(vec![Step::any(sql::SET_META, params)]).await?;
        self.get_meta(name).await?.ok_or_else(|| Error::Corrupt { table: "meta", key: name.to_owned() })
    }

    /// Removes all pools and everything that came of them or of requests, at once. What belongs to the server itself
    /// stays: meta values, administrators' keys, signing keys that no pool uses yet.
    pub async fn reset(&self) -> Result<(), Error> {
        let steps = sql::RESET.iter().map(|sql| Step::any(sql, Vec::new())).collect();
        self.change_any(steps).await.map(|_removed| ())
    }

    /// What the store has done since it was opened.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        match self {
            Self::Sqlite(store) => store.statistics(),
        }
    }
}
