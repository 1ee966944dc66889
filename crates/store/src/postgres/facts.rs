//! What a database tells about itself, for an operator who wants to know whether it is in order. Requests never come
//! here, so that this asks things that not every engine of the family knows: what one does not know stays open.

use deadpool_postgres::Object;
use domain::Timestamp;
use tokio::time::timeout;
use tokio_postgres::{Row, error::SqlState};

use super::{ANSWER, PostgresStore, Session, failure, told};
use crate::{
    Error,
    compile::Param,
    postgres::failure::Failure,
    read::{Found, Query},
};

const VERSION: &str = "SELECT version()";
const SETTING: &str = "SELECT COALESCE(current_setting($1, true), '')";
const IS_STANDBY: &str = "SELECT CAST(CASE WHEN pg_is_in_recovery() THEN 1 ELSE 0 END AS BIGINT)";
const STANDBYS: &str = "SELECT CAST(COUNT(*) AS BIGINT) FROM pg_stat_replication";
/// On a standby: how old the last change is that it has repeated.
const REPLAYED: &str = "SELECT CAST(COALESCE( \
     EXTRACT(EPOCH FROM (CURRENT_TIMESTAMP - pg_last_xact_replay_timestamp())) * 1000, -1) AS BIGINT)";
const CLOCK: &str = "SELECT CAST(EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) * 1000 AS BIGINT)";
const PING: Query<i64> = Query { table: "none", sql: "SELECT CAST(1 AS BIGINT)", decode: |row| row.integer(0) };
const BACKEND: &str = "SELECT CAST(pg_backend_pid() AS BIGINT)";
const ISOLATION: &str = "SELECT current_setting('transaction_isolation')";

/// What a database tells about itself; `None` is what it does not know, or does not tell everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Engine and version in its own words.
    pub version: String,
    /// Whether it only repeats what another one does.
    pub is_standby: Option<bool>,
    /// Of a standby: milliseconds since the last change that it has repeated, also when there was none to repeat.
    pub replayed_milliseconds: Option<i64>,
    /// How many standbys follow it.
    pub standbys: Option<i64>,
    /// `on` or `off`: whether changes are forced to the disk.
    pub fsync: Option<String>,
    /// `on`, `off`, `local`, `remote_write` or `remote_apply`: what a COMMIT waits for.
    pub synchronous_commit: Option<String>,
    /// The standbys that a COMMIT waits for; empty when it waits for none.
    pub synchronous_standby_names: Option<String>,
    /// Connections that it takes from all its clients, those that are reserved for its superusers left out.
    pub max_connections: Option<i64>,
    /// `on` when transactions may write nothing unless they ask for it.
    pub default_transaction_read_only: Option<String>,
}

/// Whether prepared statements work on the way to a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// They do.
    Work {
        /// Whether a pooler was seen that hands connections on after each transaction.
        through_pooler: bool,
    },
    /// A pooler gives them to connections that do not know them.
    MixedUp(String),
    /// It could not be found out, for this reason.
    Unknown(String),
}

impl PostgresStore {
    /// Asks the database for an answer that takes it no time: what remains is the way there and back.
    ///
    /// # Errors
    /// When it cannot be reached, or refuses.
    pub async fn ping(&self) -> Result<(), Error> {
        self.all(&PING, &[]).await.map(|_one| ())
    }

    /// What the database tells about itself.
    ///
    /// # Errors
    /// When it cannot be reached, or refuses.
    pub async fn facts(&self) -> Result<Facts, Error> {
        let version = self.read_alone(VERSION, &[]).await?;
        let reserved = self.number_setting("superuser_reserved_connections").await?.unwrap_or_default()
            + self.number_setting("reserved_connections").await?.unwrap_or_default();
        let is_standby = self.is_standby().await?;
        let replayed = if is_standby == Some(true) { self.number(REPLAYED).await? } else { None };
        Ok(Facts {
            version: first_text(&version).unwrap_or_default(),
            is_standby,
            replayed_milliseconds: replayed.filter(|milliseconds| *milliseconds >= 0),
            standbys: self.number(STANDBYS).await?,
            fsync: self.setting("fsync").await?,
            synchronous_commit: self.setting("synchronous_commit").await?,
            synchronous_standby_names: self.open_ended(SETTING, &["synchronous_standby_names".into()]).await?,
            max_connections: self.number_setting("max_connections").await?.map(|all| all - reserved),
            default_transaction_read_only: self.setting("default_transaction_read_only").await?,
        })
    }

    /// Whether it only repeats what another one does; `None` when it does not say.
    pub(super) async fn is_standby(&self) -> Result<Option<bool>, Error> {
        Ok(self.number(IS_STANDBY).await?.map(|number| number == 1))
    }

    /// The moment that the database's clock shows; `None` when it does not say.
    ///
    /// # Errors
    /// When it cannot be reached, or refuses.
    pub async fn clock(&self) -> Result<Option<Timestamp>, Error> {
        Ok(self.number(CLOCK).await?.map(Timestamp))
    }

    /// Begins a transaction as changes do, asks for its isolation, and ends it: nothing is changed.
    ///
    /// # Errors
    /// When the database cannot be reached, or does not take this isolation.
    pub async fn isolation_in_force(&self) -> Result<String, Error> {
        let asking = async {
            let mut session = self.session().await?;
            let client = session.client().map_err(Failure::Final)?;
            let began = client.batch_execute(self.options().isolation.begin()).await;
            began.map_err(|error| failure::of(&error))?;
            let rows = client.query_typed(ISOLATION, &[]).await.map_err(|error| failure::of(&error))?;
            client.batch_execute("ROLLBACK").await.map_err(|error| failure::of(&error))?;
            session.in_order();
            Ok(first_text(&rows).unwrap_or_default())
        };
        timeout(ANSWER, asking).await.unwrap_or_else(|_elapsed| Err(Failure::silent())).map_err(told)
    }

    /// Whether prepared statements work: prepares one, has another connection take what a pooler would give to the
    /// first one next, and runs it again. Takes two connections and up to ten seconds, and changes nothing.
    pub async fn prepared_statements(&self) -> Prepared {
        match timeout(ANSWER * 2, self.try_prepared_statements()).await {
            Ok(Ok(found)) => found,
            Ok(Err(failure)) => Prepared::Unknown(told(failure).to_string()),
            Err(_elapsed) => Prepared::Unknown("the database did not answer in time".to_owned()),
        }
    }

    async fn try_prepared_statements(&self) -> Result<Prepared, Failure> {
        // Both are closed at the end, whatever has become of them.
        let (first, second) = (self.session().await?, self.session().await?);
        let (first, second) = (first.client().map_err(Failure::Final)?, second.client().map_err(Failure::Final)?);
        let statement = match first.prepare(BACKEND).await {
            Ok(statement) => statement,
            Err(error) => return mixed_up(&error),
        };
        let before = match first.query(&statement, &[]).await {
            Ok(rows) => first_number(&rows),
            Err(error) => return mixed_up(&error),
        };
        second.batch_execute("BEGIN").await.map_err(|error| failure::of(&error))?;
        let taken = second.query_typed(BACKEND, &[]).await.map_err(|error| failure::of(&error))?;
        let again = timeout(ANSWER / 2, first.query(&statement, &[])).await;
        second.batch_execute("ROLLBACK").await.map_err(|error| failure::of(&error))?;
        match again {
            Ok(Ok(rows)) => {
                let through_pooler = before == first_number(&taken) || before != first_number(&rows);
                Ok(Prepared::Work { through_pooler })
            }
            Ok(Err(error)) => mixed_up(&error),
            Err(_elapsed) => {
                Ok(Prepared::Unknown("a pooler has only one connection to the database to give".to_owned()))
            }
        }
    }

    /// A connection that is closed unless it is known to be in order.
    pub(super) async fn session(&self) -> Result<Session, Failure> {
        let object: Object = self.pool().get().await.map_err(|error| failure::of_pool(&error))?;
        Ok(Session::writing(object))
    }

    /// A setting; `None` when the engine does not have it.
    async fn setting(&self, name: &str) -> Result<Option<String>, Error> {
        Ok(self.open_ended(SETTING, &[name.into()]).await?.filter(|value| !value.is_empty()))
    }

    async fn number_setting(&self, name: &str) -> Result<Option<i64>, Error> {
        Ok(self.setting(name).await?.and_then(|value| value.parse().ok()))
    }

    /// The text in the first column of the first row; `None` when the engine does not know the question.
    async fn open_ended(&self, sql: &str, params: &[Param<'_>]) -> Result<Option<String>, Error> {
        Ok(unless_unknown(self.read_alone(sql, params).await)?.as_deref().and_then(first_text))
    }

    /// The same of a number.
    async fn number(&self, sql: &str) -> Result<Option<i64>, Error> {
        Ok(unless_unknown(self.read_alone(sql, &[]).await)?.as_deref().and_then(first_number))
    }
}

/// Engines differ in what they know, and in what they tell whom. Anything else is a failure.
fn unless_unknown(answer: Result<Vec<Row>, Error>) -> Result<Option<Vec<Row>>, Error> {
    match answer {
        Ok(rows) => Ok(Some(rows)),
        Err(Error::Engine(_) | Error::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn first_text(rows: &[Row]) -> Option<String> {
    Found::Postgres(rows.first()?).text(0).map(str::to_owned)
}

fn first_number(rows: &[Row]) -> Option<i64> {
    Found::Postgres(rows.first()?).integer(0)
}

/// What an error of a prepared statement means.
fn mixed_up(error: &tokio_postgres::Error) -> Result<Prepared, Failure> {
    match error.code() {
        Some(&SqlState::INVALID_SQL_STATEMENT_NAME | &SqlState::DUPLICATE_PSTATEMENT) => {
            Ok(Prepared::MixedUp(failure::told(error)))
        }
        _ => Err(failure::of(error)),
    }
}
