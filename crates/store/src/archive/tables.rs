//! Which tables an archive holds, described once. Everything that reads or writes them is made from the description,
//! and a test holds it against the schema of every migration.

use std::{cmp::Ordering, sync::LazyLock};

use crate::{
    Error,
    compile::{Expect, Param, Step},
    read::Found,
};

/// The values of a row, in the order of its table's columns.
pub(super) type Values = Vec<Param<'static>>;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// TEXT.
    Text,
    /// BIGINT.
    Integer,
}

impl Kind {
    /// Its name in SQL and in an archive's header.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Integer => "BIGINT",
        }
    }
}

/// A table that archives hold, with its statements.
#[derive(Debug)]
pub(super) struct Table {
    /// Its name.
    pub name: &'static str,
    /// The migration that made it.
    pub since: i64,
    /// Its columns, those of the primary key first.
    pub columns: &'static [(&'static str, Kind)],
    /// How many columns the primary key has.
    pub key: usize,
    /// Takes nothing, gives the number of rows.
    pub count: String,
    /// Takes a number of rows, gives the first ones by primary key.
    pub first_page: String,
    /// Takes a primary key and a number of rows, gives those that follow.
    pub next_page: String,
    /// Takes all values.
    insert: String,
    /// Takes a primary key.
    delete: String,
}

/// Tables of the schema that archives leave out: what was migrated is the target's own affair, and the others
/// coordinate servers at work.
#[cfg(test)]
pub(super) const LEFT_OUT: &[&str] = &["migrations", "leases", "stamps", "epochs"];

/// All tables, in the order of an archive. New ones come at the end.
pub(super) fn all() -> &'static [Table] {
    static ALL: LazyLock<Vec<Table>> = LazyLock::new(describe);
    &ALL
}

/// The tables of a database that has applied the migrations up to `schema`.
pub(super) fn at(schema: i64) -> impl Iterator<Item = &'static Table> {
    all().iter().filter(move |table| table.since <= schema)
}

fn describe() -> Vec<Table> {
    use Kind::{Integer, Text};

    let by_purpose = &[
        ("pool_id", Text),
        ("sub", Text),
        ("purpose", Integer),
        ("version", Integer),
        ("expires_at", Integer),
        ("doc", Text),
    ];
    let by_user = &[("pool_id", Text), ("sub", Text), ("version", Integer), ("doc", Text)];
    vec![
        table("meta", 1, 1, &[("name", Text), ("value", Text)]),
        table("pools", 1, 1, &[("id", Text), ("version", Integer), ("deleted", Integer), ("doc", Text)]),
        table("clients", 1, 1, &[("id", Text), ("pool_id", Text), ("version", Integer), ("doc", Text)]),
        table("users", 1, 2, by_user),
        table("names", 1, 3, &[("pool_id", Text), ("name", Text), ("kind", Integer), ("sub", Text)]),
        table("user_counts", 1, 2, &[("pool_id", Text), ("shard", Integer), ("users", Integer)]),
        table("passwords", 1, 2, by_user),
        table("codes", 1, 3, by_purpose),
        table("attempts", 1, 3, by_purpose),
        table(
            "messages",
            1,
            1,
            &[
                ("id", Text),
                ("pool_id", Text),
                ("state", Integer),
                ("due_at", Integer),
                ("created_at", Integer),
                ("version", Integer),
                ("doc", Text),
            ],
        ),
        table("signing_keys", 1, 1, &[("kid", Text), ("pool_id", Text), ("version", Integer), ("doc", Text)]),
        table("access_keys", 1, 1, &[("id", Text), ("version", Integer), ("doc", Text)]),
        table(
            "revocations",
            1,
            2,
            &[("pool_id", Text), ("origin_jti", Text), ("version", Integer), ("expires_at", Integer)],
        ),
        table("spent", 1, 1, &[("id", Text), ("version", Integer), ("expires_at", Integer)]),
        table(
            "parts",
            3,
            3,
            &[("pool_id", Text), ("kind", Integer), ("id", Text), ("version", Integer), ("doc", Text)],
        ),
        table(
            "user_parts",
            4,
            4,
            &[
                ("pool_id", Text),
                ("sub", Text),
                ("kind", Integer),
                ("id", Text),
                ("version", Integer),
                ("expires_at", Integer),
                ("doc", Text),
            ],
        ),
        table("domains", 3, 1, &[("domain", Text), ("pool_id", Text), ("version", Integer), ("doc", Text)]),
        table("members", 3, 3, &[("pool_id", Text), ("group_id", Text), ("sub", Text), ("group_name", Text)]),
        table("search_keys", 3, 4, &[("pool_id", Text), ("kind", Integer), ("value", Text), ("sub", Text)]),
        table(
            "chunks",
            3,
            2,
            &[("file_id", Text), ("number", Integer), ("pool_id", Text), ("version", Integer), ("doc", Text)],
        ),
        table("purges", 3, 1, &[("id", Text), ("pool_id", Text), ("kind", Integer)]),
    ]
}

fn table(name: &'static str, since: i64, key: usize, columns: &'static [(&'static str, Kind)]) -> Table {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let placeholders: Vec<String> = (1..=columns.len()).map(|number| format!("${number}")).collect();
    let (all, values) = (names.join(", "), placeholders.join(", "));
    let by = names.iter().take(key).copied().collect::<Vec<_>>().join(", ");
    let after = placeholders.iter().take(key).map(String::as_str).collect::<Vec<_>>().join(", ");
    let same: Vec<String> =
        names.iter().zip(&placeholders).take(key).map(|(name, at)| format!("{name} = {at}")).collect();
    Table {
        name,
        since,
        columns,
        key,
        count: format!("SELECT COUNT(*) FROM {name}"),
        first_page: format!("SELECT {all} FROM {name} ORDER BY {by} LIMIT $1"),
        next_page: format!("SELECT {all} FROM {name} WHERE ({by}) > ({after}) ORDER BY {by} LIMIT ${}", key + 1),
        insert: format!("INSERT INTO {name} ({all}) VALUES ({values}) ON CONFLICT DO NOTHING"),
        delete: format!("DELETE FROM {name} WHERE {}", same.join(" AND ")),
    }
}

/// All values of a row that was found; as many as can be read.
pub(super) fn values(row: &Found<'_>) -> Option<Values> {
    let value = |index| match row.text(index) {
        Some(text) => Some(Param::from(text.to_owned())),
        None => row.integer(index).map(Param::from),
    };
    Some((0..).map_while(value).collect())
}

impl Table {
    /// The values of the primary key.
    pub(super) fn key_of<'a>(&self, row: &'a [Param<'static>]) -> &'a [Param<'static>] {
        row.get(..self.key).unwrap_or(row)
    }

    /// Whether these are values that the columns hold.
    pub(super) fn fits(&self, row: &[Param<'_>]) -> bool {
        let fits = |((_, kind), value): (&(&str, Kind), &Param<'_>)| match value {
            Param::Text(_) => *kind == Kind::Text,
            Param::Integer(_) => *kind == Kind::Integer,
        };
        row.len() == self.columns.len() && self.columns.iter().zip(row).all(fits)
    }

    /// A row that was read, unless it is damaged.
    pub(super) fn checked(&self, row: Values) -> Result<Values, Error> {
        if self.fits(&row) {
            return Ok(row);
        }
        let words = self.key_of(&row).iter().map(|value| match value {
            Param::Text(text) => text.to_string(),
            Param::Integer(number) => number.to_string(),
        });
        Err(Error::Corrupt { table: self.name, key: words.collect::<Vec<_>>().join("/") })
    }

    /// Inserts a row; lost when there is one with its key.
    pub(super) fn insert(&'static self, row: Values) -> Step {
        Step { sql: &self.insert, params: row, expect: Expect::OneRow }
    }

    /// Removes the row with the key of this one, if it is there.
    pub(super) fn delete(&'static self, mut row: Values) -> Step {
        row.truncate(self.key);
        Step::any(&self.delete, row)
    }
}

/// How two primary keys of one table are ordered: texts byte by byte.
pub(super) fn compare(one: &[Param<'_>], other: &[Param<'_>]) -> Ordering {
    let value = |(one, other): (&Param<'_>, &Param<'_>)| match (one, other) {
        (Param::Text(one), Param::Text(other)) => one.as_bytes().cmp(other.as_bytes()),
        (Param::Integer(one), Param::Integer(other)) => one.cmp(other),
        (Param::Integer(_), Param::Text(_)) => Ordering::Less,
        (Param::Text(_), Param::Integer(_)) => Ordering::Greater,
    };
    one.iter().zip(other).map(value).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::{LEFT_OUT, all, at, compare};
    use crate::migrations::{self, SQLITE};

    /// Name, type, and place in the primary key from 1; 0 for none.
    type Column = (String, String, u32);

    /// Name and columns of all tables.
    fn schema(connection: &Connection) -> Vec<(String, Vec<Column>)> {
        let mut statement = connection
            .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
            .unwrap();
        let names: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let columns = |name: String| {
            let mut statement = connection.prepare("SELECT name, type, pk FROM pragma_table_info($1)").unwrap();
            let columns = statement.query_map([&name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
            let columns = columns.map(Result::unwrap).collect();
            (name, columns)
        };
        names.into_iter().map(columns).collect()
    }

    #[test]
    fn every_table_is_archived_as_it_is_or_left_out_on_purpose_at_every_migration() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute(migrations::CREATE_BOOK, []).unwrap();
        connection.execute(migrations::CREATE_LEASES, []).unwrap();
        for migration in migrations::ALL {
            for statement in migration.statements(&SQLITE) {
                connection.execute(&statement, []).unwrap();
            }
            let real = schema(&connection);
            let mut described: Vec<_> = at(migration.number)
                .map(|table| {
                    let places = (1..=u32::try_from(table.key).unwrap()).chain(std::iter::repeat(0));
                    let columns = table
                        .columns
                        .iter()
                        .zip(places)
                        .map(|((name, kind), place)| ((*name).to_owned(), kind.name().to_owned(), place));
                    (table.name.to_owned(), columns.collect::<Vec<_>>())
                })
                .collect();
            described.sort();
            let archived: Vec<_> = real.into_iter().filter(|(name, _)| !LEFT_OUT.contains(&name.as_str())).collect();
            assert_eq!(described, archived, "after migration {}", migration.number);
        }
        let left_out = schema(&connection).into_iter().filter(|(name, _)| LEFT_OUT.contains(&name.as_str()));
        assert_eq!(left_out.count(), LEFT_OUT.len(), "the list names tables that there are");
    }

    #[test]
    fn every_statement_prepares_and_pages_neither_scan_nor_sort() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::sqlite::migrate(&mut connection).unwrap();
        for table in all() {
            for sql in [&table.count, &table.insert, &table.delete] {
                connection.prepare(sql).unwrap_or_else(|error| unreachable!("{sql}: {error}"));
            }
            for (sql, values) in [(&table.first_page, 1), (&table.next_page, table.key + 1)] {
                let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
                assert_eq!(statement.parameter_count(), values, "{sql}");
                for index in 1..=values {
                    assert_eq!(statement.parameter_name(index), Some(format!("${index}").as_str()), "{sql}");
                    statement.raw_bind_parameter(index, 1).unwrap();
                }
                let mut rows = statement.raw_query();
                while let Some(row) = rows.next().unwrap() {
                    let step: String = row.get("detail").unwrap();
                    assert!(!step.contains("TEMP B-TREE"), "{sql}: {step}");
                    assert!(values == 1 || step.starts_with("SEARCH"), "{sql}: {step}");
                }
            }
        }
    }

    #[test]
    fn keys_are_ordered_byte_by_byte() {
        let key = |text: &str, number: i64| [text.to_owned().into(), number.into()];
        assert!(compare(&key("Z", 9), &key("a", 1)).is_lt());
        assert!(compare(&key("a", 10), &key("a", 9)).is_gt());
        assert!(compare(&key("z", 0), &key("\u{e4}", 0)).is_lt());
        assert!(compare(&key("a", 1), &key("a", 1)).is_eq());
    }
}
