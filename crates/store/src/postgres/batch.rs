//! Steps of several changesets that run as one statement.
//!
//! To execute a statement once more costs the database about as much as the row that it is for. So where several
//! changesets of a group have steps with the same statement, their values are sent together, as one array for each
//! placeholder.
//!
//! That takes steps out of the order of their changesets. The outcome is still as if these had gone one after another,
//! because no row is touched by two of them when every statement changes as many rows as it has steps: a statement
//! changes a row once, however often it is told to; versions do not come back, so that nobody can expect one that is
//! only being made here; and rows are inserted first, so that none takes the place of one that somebody else deletes.
//! When any statement changes fewer rows, nothing is kept, and the group is run again step by step.

use std::borrow::Cow;

use super::sqltypes::{Typed, typed, typed_arrays};
use crate::compile::{Expect, Param, Step};

/// A statement with its values: one step, or several with the same statement in the order of their changesets.
pub(super) struct Statement<'a> {
    /// What is sent.
    pub sql: Cow<'static, str>,
    values: Values<'a>,
    steps: Vec<&'a Step>,
}

enum Values<'a> {
    One(&'a [Param<'static>]),
    /// An array for each placeholder, and how long they are.
    Many(Vec<Column<'a>>, i64),
}

/// The values for one placeholder.
#[derive(Debug, PartialEq)]
pub(super) enum Column<'a> {
    /// TEXT[].
    Texts(Vec<&'a str>),
    /// BIGINT[].
    Integers(Vec<i64>),
}

/// What a step's statement does, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Insert,
    Update,
    Delete,
}

/// What a step's statement does, if it can be one with others: when it has to change exactly one row.
fn kind(step: &Step) -> Option<Kind> {
    match (&step.expect, step.sql.split(' ').next()) {
        (Expect::OneRow | Expect::Unspent { .. }, Some("INSERT")) => Some(Kind::Insert),
        (Expect::OneRow, Some("UPDATE")) => Some(Kind::Update),
        (Expect::OneRow, Some("DELETE")) => Some(Kind::Delete),
        _ => None,
    }
}

/// Whether a changeset may be run together with others of which this is true.
pub(super) fn is_plain(steps: &[Step]) -> bool {
    steps.iter().all(|step| kind(step).is_some())
}

/// The statements of plain changesets, in the order in which they run.
pub(super) fn together<'a>(changesets: &[&'a [Step]]) -> Vec<Statement<'a>> {
    let mut alike: Vec<Vec<&Step>> = Vec::new();
    for step in changesets.iter().copied().flatten() {
        match alike.iter_mut().find(|steps| steps.first().is_some_and(|first| first.sql == step.sql)) {
            Some(steps) => steps.push(step),
            None => alike.push(vec![step]),
        }
    }
    alike.sort_by_key(|steps| steps.first().copied().and_then(kind));
    alike.into_iter().map(Statement::of_all).collect()
}

impl<'a> Statement<'a> {
    /// One step. What was read and must still hold is locked until the end: at READ COMMITTED it could otherwise change
    /// before COMMIT.
    pub(super) fn of(step: &'a Step) -> Self {
        let sql = match step.expect {
            Expect::Found => Cow::Owned(format!("{} FOR UPDATE", step.sql)),
            _ => Cow::Borrowed(step.sql),
        };
        Self { sql, values: Values::One(&step.params), steps: vec![step] }
    }

    /// Steps with the same statement.
    fn of_all(steps: Vec<&'a Step>) -> Self {
        match steps.as_slice() {
            [first, _, ..] => {
                let columns = columns(&steps.iter().map(|step| step.params.as_slice()).collect::<Vec<_>>());
                let count = i64::try_from(steps.len()).unwrap_or(i64::MAX);
                Self { sql: Cow::Owned(with_arrays(first)), values: Values::Many(columns, count), steps }
            }
            [step] => Self::of(step),
            [] => Self { sql: Cow::Borrowed(""), values: Values::One(&[]), steps },
        }
    }

    /// The values as the driver wants them.
    pub(super) fn values(&self) -> Vec<Typed<'_>> {
        match &self.values {
            Values::One(params) => typed(params),
            Values::Many(columns, count) => typed_arrays(columns, count),
        }
    }

    /// Whether the change of so many rows is what the steps expect.
    pub(super) fn is_satisfied(&self, rows: u64) -> bool {
        u64::try_from(self.steps.len()) == Ok(rows)
    }

    /// Whether it writes.
    pub(super) fn writes(&self) -> bool {
        self.steps.iter().any(|step| !step.expect.only_reads())
    }
}

/// The values for each placeholder, of the kinds that the first ones have.
pub(super) fn columns<'a>(all: &[&'a [Param<'static>]]) -> Vec<Column<'a>> {
    let column = |(index, kind): (usize, &Param<'_>)| {
        let values = all.iter().filter_map(|params| params.get(index));
        let text = |param: &'a Param<'static>| match param {
            Param::Text(text) => Some(text.as_ref()),
            Param::Integer(_) => None,
        };
        let integer = |param: &'a Param<'static>| match param {
            Param::Integer(number) => Some(*number),
            Param::Text(_) => None,
        };
        match kind {
            Param::Text(_) => Column::Texts(values.filter_map(text).collect()),
            Param::Integer(_) => Column::Integers(values.filter_map(integer).collect()),
        }
    };
    all.first().copied().unwrap_or_default().iter().enumerate().map(column).collect()
}

/// Rows `batch` with the columns `p1`, `p2`, … from an array in the place of each value, and the length of the arrays
/// after them.
///
/// The length is no news to the database. But a LIMIT that it does not know makes it expect few rows, so that it looks
/// each of them up by its key. Otherwise it would read a table from end to end where that is short, and go on doing so
/// for a while when it is not short any more.
pub(super) fn rows_of_arrays(params: &[&Param<'_>]) -> String {
    let (mut arrays, mut names) = (Vec::new(), Vec::new());
    for (param, number) in params.iter().zip(1..) {
        let kind = match param {
            Param::Text(_) => "TEXT",
            Param::Integer(_) => "BIGINT",
        };
        arrays.push(format!("CAST(${number} AS {kind}[])"));
        names.push(format!("p{number}"));
    }
    let (arrays, names, length) = (arrays.join(", "), names.join(", "), params.len() + 1);
    format!("(SELECT {names} FROM unnest({arrays}) AS arrays ({names}) LIMIT ${length}) AS batch")
}

/// A statement whose values are those of a row of [`rows_of_arrays`]: `$1` becomes `batch.p1`.
pub(super) fn of_batch(sql: &str) -> String {
    sql.replace('$', "batch.p")
}

/// A step's statement with an array in the place of each value.
fn with_arrays(step: &Step) -> String {
    let (rows, sql) = (rows_of_arrays(&step.params.iter().collect::<Vec<_>>()), of_batch(step.sql));
    let split = |separator| sql.split_once(separator).unwrap_or((&sql, ""));
    let (change, condition) = split(" WHERE ");
    match kind(step) {
        Some(Kind::Update) => format!("{change} FROM {rows} WHERE {condition}"),
        Some(Kind::Delete) => format!("{change} USING {rows} WHERE {condition}"),
        Some(Kind::Insert) | None => {
            let (table, rest) = split(" VALUES (");
            let (values, conflict) = rest.split_once(')').unwrap_or((rest, ""));
            format!("{table} SELECT {values} FROM {rows}{conflict}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Column, Statement, is_plain, together};
    use crate::{
        compile::{Expect, Step},
        sql,
    };

    fn update(id: &str, version: i64) -> Step {
        let params = vec!["{}".into(), id.to_owned().into(), version.into()];
        Step { sql: sql::ACCESS_KEYS.update, params, expect: Expect::OneRow }
    }

    fn insert(id: &str) -> Step {
        let params = vec![id.to_owned().into(), "{}".into(), 1.into()];
        Step { sql: sql::ACCESS_KEYS.insert, params, expect: Expect::OneRow }
    }

    fn delete(id: &str) -> Step {
        let params = vec![id.to_owned().into(), 1.into()];
        Step { sql: sql::ACCESS_KEYS.delete, params, expect: Expect::OneRow }
    }

    fn sql(statements: &[Statement<'_>]) -> Vec<String> {
        statements.iter().map(|statement| statement.sql.to_string()).collect()
    }

    #[test]
    fn steps_with_the_same_statement_become_one() {
        let (one, other) = ([delete("a"), update("b", 1), insert("c")], [update("d", 2), insert("e"), delete("f")]);
        let statements = together(&[&one, &other]);
        assert_eq!(
            sql(&statements),
            [
                "INSERT INTO access_keys (id, doc, version) SELECT batch.p1, batch.p2, batch.p3 FROM \
                 (SELECT p1, p2, p3 FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[]), CAST($3 AS BIGINT[])) \
                 AS arrays (p1, p2, p3) LIMIT $4) AS batch ON CONFLICT DO NOTHING",
                "UPDATE access_keys SET doc = batch.p1, version = version + 1 FROM \
                 (SELECT p1, p2, p3 FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[]), CAST($3 AS BIGINT[])) \
                 AS arrays (p1, p2, p3) LIMIT $4) AS batch WHERE id = batch.p2 AND version = batch.p3",
                "DELETE FROM access_keys USING \
                 (SELECT p1, p2 FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS BIGINT[])) \
                 AS arrays (p1, p2) LIMIT $3) AS batch WHERE id = batch.p1 AND version = batch.p2",
            ]
        );
        let [_, updates, _] = statements.as_slice() else { unreachable!("three statements") };
        assert_eq!(updates.values().len(), 4);
        assert!(updates.is_satisfied(2) && !updates.is_satisfied(1) && updates.writes());
        assert_eq!(
            super::columns(&[&one[1].params, &other[0].params])[1..],
            [Column::Texts(vec!["b", "d"]), Column::Integers(vec![1, 2])]
        );
    }

    #[test]
    fn a_step_alone_stays_as_it_is() {
        let (one, other) = ([update("a", 1)], [insert("b")]);
        assert_eq!(sql(&together(&[&one, &other])), [sql::ACCESS_KEYS.insert, sql::ACCESS_KEYS.update]);
        let found = Step { sql: sql::ACCESS_KEYS.assert, params: vec!["a".into(), 1.into()], expect: Expect::Found };
        assert!(Statement::of(&found).sql.ends_with(" FOR UPDATE") && !Statement::of(&found).writes());
    }

    #[test]
    fn only_what_must_change_one_row_is_plain() {
        assert!(is_plain(&[insert("a"), update("b", 1), delete("c")]));
        let claim = Expect::Claimed { name: "a".to_owned(), kind: domain::NameKind::Username };
        for (sql, expect) in [
            (sql::ACCESS_KEYS.assert, Expect::Found),
            (sql::ATTEMPT, Expect::Missing),
            (sql::CLAIM, claim),
            (sql::COUNT_USERS, Expect::Any),
        ] {
            assert!(!is_plain(&[insert("a"), Step { sql, params: Vec::new(), expect }]), "{sql}");
        }
    }
}
