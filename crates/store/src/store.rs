//! The store as the rest of the house sees it. Methods are asynchronous because a database across a network will
//! be; on SQLite reads return at once.

use std::{collections::HashSet, sync::Arc};

use domain::{
    AccessKey, AttemptPurpose, Attempts, Client, Code, CodePurpose, Domain, Group, Message, MessageState, NameKind,
    Part, Password, Pool, RefreshFamily, Revocation, SearchKind, SigningKeyRecord, Spent, Timestamp, User, UserPart,
};

use crate::{
    Change, Changes, CommitError, Error, Lease, Location, Options, PartDocument, PlannedMigration, PostgresStore,
    Queue, RecoverySnapshot, RefreshSnapshot, ResetRequestSnapshot, SignInSnapshot, SqliteStore, Statistics, Stored,
    TokenSnapshot, UserPartDocument,
    compile::{Param, Step, compile, next_epoch},
    postgres,
    read::{self, Parts, Query},
    sql,
    statistics::{Counters, UnderWay},
    sweep::Progress,
};

/// An open database. Clones share it; the last one to go closes it.
#[derive(Clone, Debug)]
pub enum Store {
    /// SQLite, in a file or in memory.
    Sqlite(Arc<SqliteStore>),
    /// PostgreSQL or one of its family, shared with other servers.
    Postgres(Arc<PostgresStore>),
}

/// Behind every id.
const LAST: &str = "\u{10ffff}";

/// `limit` as a value to bind.
fn bound(limit: usize) -> Param<'static> {
    i64::try_from(limit).unwrap_or(i64::MAX).into()
}

impl Store {
    /// Opens a database, making it when it does not exist, and brings its schema up to date.
    ///
    /// # Errors
    /// Says what is wrong with the directory, the file or its schema, and what to do next.
    pub async fn open(options: &Options) -> Result<Self, Error> {
        match &options.location {
            Location::Memory => SqliteStore::open(None, options).map(|store| Self::Sqlite(Arc::new(store))),
            Location::File(path) => SqliteStore::open(Some(path), options).map(|store| Self::Sqlite(Arc::new(store))),
            Location::Postgres(postgres) => {
                PostgresStore::open(postgres).await.map(|store| Self::Postgres(Arc::new(store)))
            }
        }
    }

    /// Opens a database as it is, to look at it beside servers that may be at work: without the lock on the data
    /// directory and without bringing the schema up to date. In a SQLite file nothing can be changed through it; an empty
    /// log may stay beside the file, as after a crash.
    ///
    /// # Errors
    /// When a file cannot be opened. A database across a network is asked by the first request.
    pub fn open_to_read(options: &Options) -> Result<Self, Error> {
        match &options.location {
            Location::Memory => SqliteStore::open(None, options).map(|store| Self::Sqlite(Arc::new(store))),
            Location::File(path) => SqliteStore::open_to_read(path, options).map(|store| Self::Sqlite(Arc::new(store))),
            Location::Postgres(postgres) => {
                PostgresStore::connected(postgres).map(|store| Self::Postgres(Arc::new(store)))
            }
        }
    }

    /// What the schema of a database still needs, without changing anything.
    ///
    /// # Errors
    /// When the database cannot be read, or its schema is newer than this program or from another one.
    pub async fn planned_migrations(options: &Options) -> Result<Vec<PlannedMigration>, Error> {
        match &options.location {
            Location::Memory => Ok(Vec::new()),
            Location::File(path) => SqliteStore::planned(path),
            Location::Postgres(postgres) => postgres::planned(&PostgresStore::connected(postgres)?).await,
        }
    }

    /// Whether other servers may work on the same data at the same time.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Does ahead what the first sign-ins would wait for: the statements that they read with are prepared on every
    /// connection of SQLite; to a database across a network a few connections are made, and each is asked everything once.
    ///
    /// # Errors
    /// When the engine fails, which the next reads say as well.
    pub async fn warm_up(&self) -> Result<(), Error> {
        match self {
            Self::Sqlite(store) => store.warm_up(),
            Self::Postgres(store) => store.warm_up().await,
        }
    }

    /// Says that work has begun that may come to a commit, until the answer is dropped. Where much is under way, commits to
    /// a SQLite file wait for one another a little, so that fewer waits for the disk serve them all; other engines form
    /// groups without asking for it.
    #[must_use]
    pub fn begin(&self) -> UnderWay<'_> {
        self.counters().begin()
    }

    /// Applies a changeset: all of it, in order, or nothing. When this returns, the changes survive what
    /// [`Durability`](crate::Durability) promises. Dropping the future does not take the changes back. A changeset
    /// that only asserts writes nothing.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] when a version moved or a row to insert exists; [`CommitError::Taken`] when a name
    /// or mark belongs to somebody else; [`CommitError::Store`] when the engine failed.
    pub async fn commit(&self, changes: Changes) -> Result<(), CommitError> {
        if changes.is_empty() {
            return Ok(());
        }
        let shard = self.next_shard();
        let is_news = self.is_shared() && changes.as_slice().iter().any(Change::is_cached);
        let mut steps = compile(changes, shard)?;
        if is_news {
            steps.push(next_epoch(shard));
        }
        self.counters().count_statements(steps.len());
        if steps.iter().all(|step| step.expect.only_reads()) {
            return match self {
                Self::Sqlite(store) => store.confirm(&steps),
                Self::Postgres(store) => store.confirm(&steps).await,
            };
        }
        self.apply(steps).await.map(|_changed| ())
    }

    fn next_shard(&self) -> u64 {
        match self {
            Self::Sqlite(store) => store.next_shard(),
            Self::Postgres(store) => store.next_shard(),
        }
    }

    /// How far sweeping has come.
    pub(crate) fn progress(&self) -> &tokio::sync::Mutex<Progress> {
        match self {
            Self::Sqlite(store) => store.progress(),
            Self::Postgres(store) => store.progress(),
        }
    }

    /// Applies steps: all or nothing, and says how many rows changed in steps that may change any number.
    pub(crate) async fn apply(&self, steps: Vec<Step>) -> Result<u64, CommitError> {
        match self {
            Self::Sqlite(store) => store.apply(steps).await,
            Self::Postgres(store) => store.apply(steps).await,
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

    pub(crate) async fn first<T>(&self, query: &Query<T>, params: &[Param<'_>]) -> Result<Option<T>, Error> {
        Counters::count(&self.counters().reads);
        match self {
            Self::Sqlite(store) => store.first(query, params),
            Self::Postgres(store) => store.first(query, params).await,
        }
    }

    /// All rows of a query that finds a few by their keys.
    async fn few<T>(&self, query: &Query<T>, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
        Counters::count(&self.counters().reads);
        match self {
            Self::Sqlite(store) => store.all(query, params),
            Self::Postgres(store) => store.few(query, params).await,
        }
    }

    /// All rows of a query that may find many.
    pub(crate) async fn all<T>(&self, query: &Query<T>, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
        Counters::count(&self.counters().reads);
        match self {
            Self::Sqlite(store) => store.all(query, params),
            Self::Postgres(store) => store.all(query, params).await,
        }
    }

    /// All rows of a query for somebody's overview, which may lag behind a little where there is a replica.
    async fn list<T>(&self, query: &Query<T>, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
        Counters::count(&self.counters().reads);
        match self {
            Self::Sqlite(store) => store.all(query, params),
            Self::Postgres(store) => store.list(query, params).await,
        }
    }

    fn counters(&self) -> &Counters {
        match self {
            Self::Sqlite(store) => &store.counters,
            Self::Postgres(store) => &store.counters,
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
        self.list(&read::POOLS_AFTER, &[after.unwrap_or_default().into(), bound(limit)]).await
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
        self.list(&read::CLIENTS_AFTER, &[pool_id.into(), after.unwrap_or_default().into(), bound(limit)]).await
    }

    /// How many user pools there are, up to `most`; looks at the ids alone.
    pub async fn count_pools(&self, most: usize) -> Result<usize, Error> {
        let count = self.first(&read::COUNT_POOLS, &[bound(most)]).await?;
        Ok(usize::try_from(count.unwrap_or_default()).unwrap_or_default())
    }

    /// How many app clients a pool has, up to `most`; looks at the ids alone.
    pub async fn count_clients(&self, pool_id: &str, most: usize) -> Result<usize, Error> {
        let count = self.first(&read::COUNT_CLIENTS, &[pool_id.into(), bound(most)]).await?;
        Ok(usize::try_from(count.unwrap_or_default()).unwrap_or_default())
    }

    /// A user by id.
    pub async fn user(&self, pool_id: &str, sub: &str) -> Result<Option<Stored<User>>, Error> {
        self.first(&read::USER, &[pool_id.into(), sub.into()]).await
    }

    /// A user by any name: the stored username first, then email address, phone number and preferred username, and
    /// the user's own id last. `name` is folded as the pool demands.
    pub async fn user_by_name(&self, pool_id: &str, name: &str) -> Result<Option<Stored<User>>, Error> {
        self.user_by_name_or_nobody(pool_id, name, name).await
    }

    /// The same, for whom it must not be told by time that nobody has the name: in that case as much is read at the id
    /// `stand_in` as would be read of a user. [`Self::user`], [`Self::password`] and the snapshots of sign-ins and
    /// recoveries do so at the id that they are asked for.
    pub async fn user_by_name_or_nobody(
        &self,
        pool_id: &str,
        name: &str,
        stand_in: &str,
    ) -> Result<Option<Stored<User>>, Error> {
        let params = [pool_id.into(), name.into(), stand_in.into()];
        let found = self.few(&read::USERS_BY_NAME, &params).await?;
        Ok(found.into_iter().min_by_key(|(_, order)| *order).map(|(user, _)| user))
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
        self.list(&read::USERS_AFTER, &[pool_id.into(), after_sub.unwrap_or_default().into(), bound(limit)]).await
    }

    /// [`Self::pools`], never from a replica: for work that must miss nothing.
    pub async fn current_pools(&self, after: Option<&str>, limit: usize) -> Result<Vec<Stored<Pool>>, Error> {
        self.all(&read::POOLS_AFTER, &[after.unwrap_or_default().into(), bound(limit)]).await
    }

    /// [`Self::users`], never from a replica: for work that must miss nothing.
    pub async fn current_users(
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

    /// A part of a pool by its id, unless there is none.
    pub async fn part<T: Part>(&self, pool_id: &str, id: &str) -> Result<Option<Stored<T>>, Error> {
        let query = const { read::parts_of::<T>(sql::PART) };
        self.first(&query, &[pool_id.into(), T::KIND.number().into(), id.into()]).await
    }

    /// At most `limit` parts of a pool by id, from the one after `after`.
    pub async fn parts<T: Part>(
        &self,
        pool_id: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Stored<T>>, Error> {
        let query = const { read::parts_of::<T>(sql::PARTS_AFTER) };
        let params = [pool_id.into(), T::KIND.number().into(), after.unwrap_or_default().into(), bound(limit)];
        self.list(&query, &params).await
    }

    /// How many parts of a kind a pool has, up to `most`; looks at the ids alone.
    pub async fn count_parts<T: Part>(&self, pool_id: &str, most: usize) -> Result<usize, Error> {
        let params = [pool_id.into(), T::KIND.number().into(), bound(most)];
        let count = self.first(&read::COUNT_PARTS, &params).await?;
        Ok(usize::try_from(count.unwrap_or_default()).unwrap_or_default())
    }

    /// At most `limit` parts of any kind as they are stored, by kind and id, from the one after `after`.
    pub async fn part_documents(
        &self,
        pool_id: &str,
        (after_kind, after_id): (i64, &str),
        limit: usize,
    ) -> Result<Vec<PartDocument>, Error> {
        let params = [pool_id.into(), after_kind.into(), after_id.into(), bound(limit)];
        self.all(&read::PART_DOCUMENTS, &params).await
    }

    /// A part of a user by its id, unless there is none. One that has expired may still be found.
    pub async fn user_part<T: UserPart>(&self, pool_id: &str, sub: &str, id: &str) -> Result<Option<Stored<T>>, Error> {
        let query = const { read::user_parts_of::<T>(sql::USER_PART) };
        self.first(&query, &[pool_id.into(), sub.into(), T::KIND.number().into(), id.into()]).await
    }

    /// At most `limit` parts of a user by id, from the one after `after`. Ones that have expired may be among them.
    pub async fn user_parts<T: UserPart>(
        &self,
        pool_id: &str,
        sub: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Stored<T>>, Error> {
        let query = const { read::user_parts_of::<T>(sql::USER_PARTS_AFTER) };
        let kind = T::KIND.number().into();
        self.list(&query, &[pool_id.into(), sub.into(), kind, after.unwrap_or_default().into(), bound(limit)]).await
    }

    /// [`Self::user_parts`], never from a replica: for what decides something.
    pub async fn current_user_parts<T: UserPart>(
        &self,
        pool_id: &str,
        sub: &str,
        limit: usize,
    ) -> Result<Vec<Stored<T>>, Error> {
        let query = const { read::user_parts_of::<T>(sql::USER_PARTS_AFTER) };
        self.all(&query, &[pool_id.into(), sub.into(), T::KIND.number().into(), "".into(), bound(limit)]).await
    }

    /// At most `limit` parts of a user, the one with the greatest id first, from the one before `before`. Ones that have
    /// expired may be among them.
    pub async fn latest_user_parts<T: UserPart>(
        &self,
        pool_id: &str,
        sub: &str,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Stored<T>>, Error> {
        let query = const { read::user_parts_of::<T>(sql::USER_PARTS_BEFORE) };
        let before = before.unwrap_or(LAST);
        self.list(&query, &[pool_id.into(), sub.into(), T::KIND.number().into(), before.into(), bound(limit)]).await
    }

    /// [`Self::latest_user_parts`], never from a replica: for what decides something.
    pub async fn current_latest_user_parts<T: UserPart>(
        &self,
        pool_id: &str,
        sub: &str,
        limit: usize,
    ) -> Result<Vec<Stored<T>>, Error> {
        let query = const { read::user_parts_of::<T>(sql::USER_PARTS_BEFORE) };
        self.all(&query, &[pool_id.into(), sub.into(), T::KIND.number().into(), LAST.into(), bound(limit)]).await
    }

    /// At most `limit` parts of any kind of a user as they are stored, by kind and id.
    pub async fn user_part_documents(
        &self,
        pool_id: &str,
        sub: &str,
        limit: usize,
    ) -> Result<Vec<UserPartDocument>, Error> {
        self.all(&read::USER_PART_DOCUMENTS, &[pool_id.into(), sub.into(), bound(limit)]).await
    }

    /// A domain, unless its pool was deleted.
    pub async fn domain(&self, domain: &str) -> Result<Option<Stored<Domain>>, Error> {
        self.first(&read::DOMAIN, &[domain.into()]).await
    }

    /// The domains of a pool, of which there are few.
    pub async fn domains(&self, pool_id: &str) -> Result<Vec<Stored<Domain>>, Error> {
        self.few(&read::DOMAINS_OF_POOL, &[pool_id.into(), bound(16)]).await
    }

    /// A piece of a file and its version.
    pub async fn chunk(&self, file_id: &str, number: i64) -> Result<Option<Stored<String>>, Error> {
        self.first(&read::CHUNK, &[file_id.into(), number.into()]).await
    }

    /// At most `limit` groups of a user by name, from the one after `after`.
    pub async fn groups_of_user(
        &self,
        pool_id: &str,
        sub: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Stored<Group>>, Error> {
        let mut groups: Vec<Stored<Group>> = Vec::new();
        // Past every membership of a group with that name.
        let mut position = after.map_or_else(Default::default, |name| (name.to_owned(), char::MAX.to_string()));
        while groups.len() < limit {
            let (name, id) = (position.0.as_str().into(), position.1.as_str().into());
            let params = [pool_id.into(), sub.into(), name, id, bound(limit)];
            let found = self.all(&read::GROUPS_OF_USER, &params).await?;
            let is_last = found.len() < limit;
            if let Some((last, id)) = found.last() {
                position = (last.value.name.clone(), id.clone());
            }
            // Memberships of a group that was deleted wait to be cleared away; one made anew has another id.
            let living = found.into_iter().filter(|(group, id)| group.value.id == *id).map(|(group, _)| group);
            groups.extend(living);
            if is_last {
                break;
            }
        }
        groups.truncate(limit);
        Ok(groups)
    }

    /// At most `limit` members of a group by `sub`, from the one after `after_sub`.
    pub async fn members(
        &self,
        group: &Group,
        after_sub: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Stored<User>>, Error> {
        let after = after_sub.unwrap_or_default();
        let params = [group.pool_id.as_str().into(), group.id.as_str().into(), after.into(), bound(limit)];
        self.list(&read::MEMBERS_AFTER, &params).await
    }

    /// At most `limit` users with exactly this value by `sub`, from the one after `after_sub`.
    pub async fn users_with(
        &self,
        pool_id: &str,
        kind: SearchKind,
        value: &str,
        after_sub: &str,
        limit: usize,
    ) -> Result<Vec<(Stored<User>, String)>, Error> {
        let params = [pool_id.into(), kind.number().into(), value.into(), after_sub.into(), bound(limit)];
        self.list(&read::USERS_WITH, &params).await
    }

    /// At most `limit` users by value and `sub`, from the one after `after`, whose values come before `end`.
    pub async fn users_within(
        &self,
        pool_id: &str,
        kind: SearchKind,
        (after_value, after_sub): (&str, &str),
        end: &str,
        limit: usize,
    ) -> Result<Vec<(Stored<User>, String)>, Error> {
        let params =
            [pool_id.into(), kind.number().into(), after_value.into(), after_sub.into(), end.into(), bound(limit)];
        self.list(&read::USERS_WITHIN, &params).await
    }

    /// At most `limit` users by stored username, folded as the pool demands, from after `after` until before `end`.
    pub async fn users_named_within(
        &self,
        pool_id: &str,
        after: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<(Stored<User>, String)>, Error> {
        self.list(&read::USERS_NAMED_WITHIN, &[pool_id.into(), after.into(), end.into(), bound(limit)]).await
    }

    /// At most `limit` users by `sub`, from after `after` until before `end`.
    pub async fn users_between(
        &self,
        pool_id: &str,
        after: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<Stored<User>>, Error> {
        self.list(&read::USERS_BETWEEN, &[pool_id.into(), after.into(), end.into(), bound(limit)]).await
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
    pub async fn sign_in_snapshot(&self, pool_id: &str, sub: &str) -> Result<SignInSnapshot, Error> {
        let params = [pool_id.into(), sub.into(), AttemptPurpose::SignIn.number().into()];
        let parts = Parts { pool_id, sub, found: self.few(&read::SIGN_IN_PARTS, &params).await? };
        Ok(SignInSnapshot {
            user: parts.take(0, "users")?,
            password: parts.take(1, "passwords")?,
            attempts: parts.take(2, "attempts")?,
        })
    }

    /// What a request with an access token has to know, read at one moment. `origin_jti` names the sign-in, if its
    /// tokens can be revoked.
    pub async fn token_snapshot(
        &self,
        pool_id: &str,
        sub: &str,
        origin_jti: Option<&str>,
    ) -> Result<TokenSnapshot, Error> {
        let Some(origin_jti) = origin_jti else {
            return Ok(TokenSnapshot { user: self.user(pool_id, sub).await?, is_revoked: false });
        };
        let params = [pool_id.into(), sub.into(), origin_jti.into()];
        let parts = Parts { pool_id, sub, found: self.few(&read::TOKEN_PARTS, &params).await? };
        Ok(TokenSnapshot { user: parts.take(0, "users")?, is_revoked: parts.has(1) })
    }

    /// What the exchange of a refresh token has to know, read at one moment. `origin_jti` names the sign-in.
    pub async fn refresh_snapshot(&self, pool_id: &str, sub: &str, origin_jti: &str) -> Result<RefreshSnapshot, Error> {
        let params = [pool_id.into(), sub.into(), origin_jti.into(), RefreshFamily::KIND.number().into()];
        let parts = Parts { pool_id, sub, found: self.few(&read::REFRESH_PARTS, &params).await? };
        let token = TokenSnapshot { user: parts.take(0, "users")?, is_revoked: parts.has(1) };
        Ok(RefreshSnapshot { token, family: parts.take(2, "user_parts")? })
    }

    /// What a password reset has to know beside the user, read at one moment.
    pub async fn recovery_snapshot(&self, pool_id: &str, sub: &str) -> Result<RecoverySnapshot, Error> {
        let params = [
            pool_id.into(),
            sub.into(),
            CodePurpose::Reset.number().into(),
            AttemptPurpose::SignIn.number().into(),
            AttemptPurpose::ResetCode.number().into(),
        ];
        let parts = Parts { pool_id, sub, found: self.few(&read::RECOVERY_PARTS, &params).await? };
        Ok(RecoverySnapshot {
            password: parts.take(0, "passwords")?,
            code: parts.take(1, "codes")?,
            failures: parts.take(2, "attempts")?,
            wrong_codes: parts.take(3, "attempts")?,
        })
    }

    /// What a request for a reset code has to know, read at one moment: of whoever has a name, as in
    /// [`Self::user_by_name`], and of the stand-in for a user in case that nobody has it.
    pub async fn reset_request_snapshot(
        &self,
        pool_id: &str,
        name: &str,
        stand_in: &str,
    ) -> Result<ResetRequestSnapshot, Error> {
        // Users lie apart from the stand-ins for their names, so whoever is read in nobody's place must, too.
        let elsewhere: String = stand_in.chars().rev().collect();
        let params = [
            pool_id.into(),
            name.into(),
            elsewhere.into(),
            stand_in.into(),
            bound(usize::MAX),
            CodePurpose::Reset.number().into(),
            AttemptPurpose::ResetRequest.number().into(),
        ];
        let mut snapshot = ResetRequestSnapshot {
            user: None,
            code: None,
            requests: None,
            stand_in_code: None,
            stand_in_requests: None,
        };
        let mut found = self.few(&read::RESET_REQUESTS, &params).await?;
        // The stand-in has the highest number, and whoever is meant the lowest.
        found.sort_by_key(|found| std::cmp::Reverse(found.order));
        for found in found {
            if found.order == read::STAND_IN {
                snapshot.stand_in_code = found.code;
                snapshot.stand_in_requests = found.requests;
            } else if found.user.is_some() {
                let read::ResetRequest { user, code, requests, .. } = found;
                snapshot = ResetRequestSnapshot { user, code, requests, ..snapshot };
            }
        }
        Ok(snapshot)
    }

    /// All signing keys of a pool.
    pub async fn signing_keys(&self, pool_id: &str) -> Result<Vec<Stored<SigningKeyRecord>>, Error> {
        self.few(&read::SIGNING_KEYS_OF_POOL, &[pool_id.into(), bound(usize::MAX)]).await
    }

    /// At most `limit` signing keys of whatever pool by key id, from the one after `after`.
    pub async fn all_signing_keys(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Stored<SigningKeyRecord>>, Error> {
        self.all(&read::SIGNING_KEYS_AFTER, &[after.unwrap_or_default().into(), bound(limit)]).await
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

    /// At most `limit` pending messages that may be tried at `now` and were due at `from` or later, the longest due first,
    /// without those that are `held`, by their ids: their documents are not read.
    pub async fn due_messages_but(
        &self,
        held: &HashSet<String>,
        (from, now): (Timestamp, Timestamp),
        limit: usize,
    ) -> Result<Vec<Stored<Message>>, Error> {
        let most = bound(limit.saturating_add(held.len()));
        let (from, now) = (from.milliseconds().into(), now.milliseconds().into());
        let params = [MessageState::Pending.number().into(), from, now, most];
        let due = self.all(&read::DUE_MESSAGES_FROM, &params).await?;
        let free = due.into_iter().filter(|(id, _, _)| !held.contains(id)).take(limit);
        let decoded = free.map(|(key, doc, version)| match serde_json::from_str(&doc) {
            Ok(value) => Ok(Stored { value, version }),
            Err(_) => Err(Error::Corrupt { table: read::DUE_MESSAGES_FROM.table, key }),
        });
        decoded.collect()
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

    /// How many messages are in a state, and when the oldest of them was written. When there are more than `limit`, it
    /// tells of the `limit` that are due first.
    pub async fn queue(&self, state: MessageState, limit: usize) -> Result<Queue, Error> {
        let found = self.first(&read::QUEUE, &[state.number().into(), bound(limit)]).await?;
        let (messages, oldest) = found.unwrap_or_default();
        let oldest = (messages > 0).then_some(oldest);
        Ok(Queue { messages: u64::try_from(messages).unwrap_or_default(), oldest })
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
        let mut steps: Vec<Step> = sql::RESET.iter().map(|sql| Step::any(sql, Vec::new())).collect();
        if self.is_shared() {
            steps.push(next_epoch(self.next_shard()));
        }
        self.change_any(steps).await.map(|_removed| ())
    }

    /// A number that grows whenever somebody changes a pool, a client or a pool's keys, on whichever server. Always 0
    /// where nobody else has access.
    pub async fn epoch(&self) -> Result<i64, Error> {
        if !self.is_shared() {
            return Ok(0);
        }
        Ok(self.first(&read::EPOCH, &[]).await?.unwrap_or_default())
    }

    /// Who may do a job, if anybody.
    pub async fn lease(&self, name: &str) -> Result<Option<Stored<Lease>>, Error> {
        let found = self.first(&read::LEASE, &[name.into()]).await?;
        Ok(found.map(|(holder, version)| Stored { value: Lease { name: name.to_owned(), holder }, version }))
    }

    /// What the store has done since it was opened.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        match self {
            Self::Sqlite(store) => store.statistics(),
            Self::Postgres(store) => store.statistics(),
        }
    }
}
