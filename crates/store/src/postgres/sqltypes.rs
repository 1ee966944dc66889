//! Values and statements as the driver wants them.

use deadpool_postgres::Object;
use tokio_postgres::{
    Row, Statement,
    types::{ToSql, Type},
};

use super::batch::Column;
use crate::compile::Param;

/// A value and its type.
pub(crate) type Typed<'a> = (&'a (dyn ToSql + Sync), Type);

/// Whether the database can hold these values: its texts hold no NUL.
pub(super) fn can_be_stored(params: &[Param<'_>]) -> bool {
    params.iter().all(|param| !matches!(param, Param::Text(text) if text.contains('\0')))
}

/// Values for `$1`, `$2`, ….
pub(crate) fn typed<'a>(params: &'a [Param<'_>]) -> Vec<Typed<'a>> {
    let value = |param: &'a Param<'_>| -> Typed<'a> {
        match param {
            Param::Text(text) => (text, Type::TEXT),
            Param::Integer(number) => (number, Type::INT8),
        }
    };
    params.iter().map(value).collect()
}

/// Arrays for `$1`, `$2`, …, and their length.
pub(super) fn typed_arrays<'a>(columns: &'a [Column<'a>], length: &'a i64) -> Vec<Typed<'a>> {
    let value = |column: &'a Column<'a>| -> Typed<'a> {
        match column {
            Column::Texts(texts) => (texts, Type::TEXT_ARRAY),
            Column::Integers(numbers) => (numbers, Type::INT8_ARRAY),
        }
    };
    let length: Typed<'a> = (length, Type::INT8);
    columns.iter().map(value).chain([length]).collect()
}

/// Prepares a statement, once per connection. Takes a round trip the first time.
pub(super) async fn prepare(client: &Object, sql: &str) -> Result<Statement, tokio_postgres::Error> {
    client.prepare_cached(sql).await
}

fn values<'a>(typed: &[Typed<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    typed.iter().map(|(value, _)| *value).collect()
}

/// The rows of a statement.
pub(crate) async fn query(
    client: &Object,
    sql: &str,
    typed: &[Typed<'_>],
    prepared: bool,
) -> Result<Vec<Row>, tokio_postgres::Error> {
    if prepared {
        let statement = prepare(client, sql).await?;
        client.query(&statement, &values(typed)).await
    } else {
        client.query_typed(sql, typed).await
    }
}

/// How many rows a statement changed.
pub(super) async fn execute(
    client: &Object,
    sql: &str,
    typed: &[Typed<'_>],
    prepared: bool,
) -> Result<u64, tokio_postgres::Error> {
    if prepared {
        let statement = prepare(client, sql).await?;
        client.execute(&statement, &values(typed)).await
    } else {
        client.execute_typed(sql, typed).await
    }
}
