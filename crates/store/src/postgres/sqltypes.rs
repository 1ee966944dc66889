//! Values and statements as the driver wants them.

use deadpool_postgres::Object;
use tokio_postgres::{
    Row, Statement,
    types::{ToSql, Type},
};

use crate::compile::Param;

/// Whether the database can hold these values: its texts hold no NUL.
pub(super) fn can_be_stored(params: &[Param<'_>]) -> bool {
    params.iter().all(|param| !matches!(param, Param::Text(text) if text.contains('\0')))
}

fn value<'a>(param: &'a Param<'_>) -> &'a (dyn ToSql + Sync) {
    match param {
        Param::Text(text) => text,
        Param::Integer(number) => number,
    }
}

fn values<'a>(params: &'a [Param<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    params.iter().map(value).collect()
}

fn typed<'a>(params: &'a [Param<'_>]) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    let kind = |param: &Param<'_>| match param {
        Param::Text(_) => Type::TEXT,
        Param::Integer(_) => Type::INT8,
    };
    params.iter().map(|param| (value(param), kind(param))).collect()
}

/// Prepares a statement, once per connection. Takes a round trip the first time.
pub(super) async fn prepare(client: &Object, sql: &str) -> Result<Statement, tokio_postgres::Error> {
    client.prepare_cached(sql).await
}

/// The rows of a statement.
pub(crate) async fn query(
    client: &Object,
    sql: &str,
    params: &[Param<'_>],
    prepared: bool,
) -> Result<Vec<Row>, tokio_postgres::Error> {
    if prepared {
        let statement = prepare(client, sql).await?;
        client.query(&statement, &values(params)).await
    } else {
        client.query_typed(sql, &typed(params)).await
    }
}

/// How many rows a statement changed.
pub(super) async fn execute(
    client: &Object,
    sql: &str,
    params: &[Param<'_>],
    prepared: bool,
) -> Result<u64, tokio_postgres::Error> {
    if prepared {
        let statement = prepare(client, sql).await?;
        client.execute(&statement, &values(params)).await
    } else {
        client.execute_typed(sql, &typed(params)).await
    }
}
