//! What the family of databases has to understand: every feature of SQL that the store uses, taken from its source and
//! from what goes over the wire, held against `docs/sql-features.md`, which says what each member documents of it. A new
//! feature fails here until somebody has looked it up.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use poolkeeper_store::Address;

use crate::{
    pooler::do_everything,
    relay::Relay,
    support::{blocking, open, options, scratch},
};

/// Words that belong together; the longest that fits is taken. `(…)` is a list of nothing but names and values. A word
/// that is in none of them is a feature of its own.
const PHRASES: &[&str] = &[
    "BEGIN ISOLATION LEVEL READ COMMITTED",
    "BEGIN ISOLATION LEVEL REPEATABLE READ",
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "BEGIN ISOLATION LEVEL SERIALIZABLE",
    "SET LOCAL idle_in_transaction_session_timeout = '…'",
    "SET lock_timeout = '…'",
    "SET idle_in_transaction_session_timeout =",
    "INSERT INTO (…) VALUES (…)",
    "ON CONFLICT DO NOTHING",
    "ON CONFLICT (…) DO UPDATE SET",
    "UPDATE SET",
    "DELETE FROM",
    "CREATE TABLE IF NOT EXISTS",
    "CREATE INDEX IF NOT EXISTS ON (…)",
    "PRIMARY KEY",
    "PRIMARY KEY (…)",
    "NOT NULL",
    "COLLATE \"C\"",
    "ORDER BY",
    "UNION ALL",
    "FOR UPDATE",
    "IN (SELECT",
    "JOIN ON",
    "LEFT JOIN ON",
    "unnest() (…) AS (…)",
    "(…) < (…)",
    "(…) > (…)",
    "(…) = (…)",
    "COUNT(*)",
    "information_schema.tables",
];

/// Words that mean nothing without another one, whose feature they are a part of.
const COMPANIONS: &[(&str, &str)] = &[
    ("AS", "CAST"),
    ("AS", "LATERAL"),
    ("AS", "(SELECT"),
    ("WHEN", "CASE"),
    ("THEN", "CASE"),
    ("ELSE", "CASE"),
    ("END", "CASE"),
];

/// What is SQL in the source begins like this …
const BEGINNINGS: &[&str] =
    &["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "BEGIN", "COMMIT", "ROLLBACK", "SET", "SHOW", "ALTER", "DROP"];
/// … or is one of the pieces that are put together with others.
const PIECES: &[&str] = &[
    "{} FOR UPDATE",
    "TEXT COLLATE \"C\"",
    " AND ",
    "CAST(${number} AS {kind}[])",
    "(SELECT {names} FROM unnest({arrays}) AS arrays ({names}) LIMIT ${length}) AS batch",
    "{table} SELECT {values} FROM {rows}{conflict}",
    "SELECT found.*, batch.p{number} FROM {rows}, LATERAL ({}) AS found",
    "{change} FROM {rows} WHERE {condition}",
    "{change} USING {rows} WHERE {condition}",
];
/// Begins like SQL, and is none, or is for SQLite alone.
const OTHERS: &[&str] = &["BEGIN was refused: {}", "BEGIN DEFERRED", "INSERT", "UPDATE", "DELETE"];
/// Names of columns' types, and what else consists of capitals.
const CAPITALS: &[&str] = &["TEXT", " TEXT", "BIGINT", " WITHOUT ROWID", "VERIFY-FULL", " WHERE ", " VALUES ("];

/// What is only there where databases are asked about themselves, and may fail.
const OPTIONAL: [&str; 2] = ["postgres/facts.rs", "postgres/timeline.rs"];

/// What must not be used, because not everybody has it or it does not scale.
const FORBIDDEN: &[&str] = &[
    "SAVEPOINT",
    "RELEASE",
    "LISTEN",
    "NOTIFY",
    "UNLISTEN",
    "SEQUENCE",
    "SERIAL",
    "BIGSERIAL",
    "NEXTVAL",
    "IDENTITY",
    "REFERENCES",
    "FOREIGN",
    "CASCADE",
    "TRIGGER",
    "LOCK",
    "TRUNCATE",
    "TEMPORARY",
    "RETURNING",
    "COPY",
];

/// A piece of SQL that matters for what is used.
type Token = String;

/// Words in capitals, functions, operators, lists, what databases call their own; names and values are left out.
fn tokens(sql: &str) -> Vec<Token> {
    let characters: Vec<char> = sql.chars().collect();
    let (mut tokens, mut at) = (Vec::new(), 0);
    let is_word = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '.');
    while at < characters.len() {
        let start = at;
        let first = characters[at];
        at += 1;
        let until = |mut at: usize, end: char| {
            while characters.get(at).is_some_and(|character| *character != end) {
                at += 1;
            }
            at + 1
        };
        let token = match first {
            '\'' => {
                at = until(at, '\'');
                "'…'".to_owned()
            }
            '"' => {
                at = until(at, '"');
                characters[start..at].iter().collect()
            }
            // The source's own placeholders stand for names and lists of names.
            '{' => {
                at = until(at, '}');
                "name".to_owned()
            }
            '$' | '0'..='9' => {
                while characters.get(at).copied().is_some_and(is_word) {
                    at += 1;
                }
                "value".to_owned()
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                while characters.get(at).copied().is_some_and(is_word) {
                    at += 1;
                }
                let word: String = characters[start..at].iter().collect();
                let is_function = word.chars().any(char::is_lowercase) && characters.get(at) == Some(&'(');
                let is_their_own = ["pg_", "information_schema.", "excluded.", "idle_", "lock_", "transaction_"];
                match word.split_once('.') {
                    Some(("excluded", _)) => "excluded".to_owned(),
                    _ if is_their_own.iter().any(|start| word.starts_with(start)) => word,
                    _ if is_function => format!("{word}()"),
                    _ if word.chars().any(char::is_lowercase) => "name".to_owned(),
                    _ => word,
                }
            }
            '<' | '>' if characters.get(at).is_some_and(|next| matches!(next, '=' | '>')) => {
                at += 1;
                characters[start..at].iter().collect()
            }
            '<' | '>' | '=' | '+' | '-' | '*' | '/' | '|' | '(' | ')' | ',' => first.to_string(),
            _ => continue,
        };
        tokens.push(token);
    }
    without_names(&tokens)
}

/// Makes lists of names and values one token, and leaves out all other names, values, commas and brackets.
fn without_names(tokens: &[Token]) -> Vec<Token> {
    let (mut rest, mut at) = (Vec::new(), 0);
    while let Some(token) = tokens.get(at) {
        let list = tokens[at + 1..].iter().take_while(|token| matches!(token.as_str(), "name" | "value" | ",")).count();
        let following = tokens.get(at + 1 + list).map(String::as_str);
        at += 1;
        match token.as_str() {
            "(" if list > 0 && following == Some(")") => {
                rest.push("(…)".to_owned());
                at += list + 1;
            }
            "(" if following == Some("SELECT") && list == 0 => rest.push("(SELECT".to_owned()),
            "COUNT" if tokens.get(at..at + 3).is_some_and(|next| next == ["(", "*", ")"]) => {
                rest.push("COUNT(*)".to_owned());
                at += 3;
            }
            "name" | "value" | "," | "(" | ")" => {}
            _ => rest.push(token.clone()),
        }
    }
    rest
}

/// The features of one piece of SQL.
fn features(sql: &str) -> BTreeSet<String> {
    let tokens = tokens(sql);
    let phrases: Vec<Vec<&str>> = PHRASES.iter().map(|phrase| phrase.split(' ').collect()).collect();
    let (mut found, mut at) = (BTreeSet::new(), 0);
    while let Some(token) = tokens.get(at) {
        let fits = |phrase: &Vec<&str>| {
            let next = tokens.get(at..at + phrase.len());
            next.is_some_and(|next| next.iter().zip(phrase).all(|(token, word)| token == word))
        };
        let longest = phrases.iter().filter(|phrase| fits(phrase)).max_by_key(|phrase| phrase.len());
        match longest {
            Some(phrase) => {
                found.insert(phrase.join(" "));
                at += phrase.len();
            }
            None => {
                // What a list or a text is for, its surroundings say.
                let is_companion =
                    COMPANIONS.iter().any(|(word, of)| token == word && tokens.iter().any(|token| token == of));
                if !is_companion && token != "(…)" && token != "'…'" {
                    found.insert(token.trim_start_matches('(').to_owned());
                }
                at += 1;
            }
        }
    }
    found
}

/// The text literals of a Rust file, its tests left out.
fn literals(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests").next().unwrap();
    let characters: Vec<char> = source.chars().collect();
    let (mut literals, mut at) = (Vec::new(), 0);
    while at < characters.len() {
        match characters[at] {
            '/' if characters.get(at + 1) == Some(&'/') => {
                while at < characters.len() && characters[at] != '\n' {
                    at += 1;
                }
            }
            // A quotation mark as a character.
            '\'' if characters.get(at + 1) == Some(&'"') => at += 3,
            'r' if characters[at + 1..].starts_with(&['#', '"']) => unreachable!("raw texts are not understood here"),
            '"' => {
                let mut literal = String::new();
                at += 1;
                while characters[at] != '"' {
                    if characters[at] == '\\' {
                        at += 1;
                        match characters[at] {
                            // The text goes on where the next line begins.
                            '\n' => {
                                while characters[at + 1].is_whitespace() {
                                    at += 1;
                                }
                            }
                            escaped => literal.push(escaped),
                        }
                    } else {
                        literal.push(characters[at]);
                    }
                    at += 1;
                }
                at += 1;
                literals.push(literal);
            }
            _ => at += 1,
        }
    }
    literals
}

/// Whether a text is SQL for databases of the family.
fn is_sql(text: &str) -> bool {
    if OTHERS.contains(&text) {
        return false;
    }
    let first = text.split([' ', ';']).next().unwrap_or_default();
    let is_sql = BEGINNINGS.contains(&first) || PIECES.contains(&text);
    let capitals = text.chars().filter(char::is_ascii_uppercase).count();
    let is_all_capitals = capitals > 1 && !text.chars().any(|character| character.is_lowercase() || character == '_');
    assert!(is_sql || !is_all_capitals || CAPITALS.contains(&text), "is {text:?} SQL? Then name it in PIECES");
    is_sql
}

/// All SQL in the store's source that is not SQLite's own, by file.
fn statements() -> BTreeMap<String, Vec<String>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut statements) = (vec![source.clone()], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("sqlite") {
                    folders.push(path);
                }
                continue;
            }
            let file = path.strip_prefix(&source).unwrap().display().to_string();
            let found: Vec<_> =
                literals(&fs::read_to_string(&path).unwrap()).into_iter().filter(|text| is_sql(text)).collect();
            if !found.is_empty() {
                statements.insert(file, found);
            }
        }
    }
    statements
}

/// The rows of the tables in the document: heading of the section, feature, files.
fn documented() -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sql-features.md");
    let (mut sections, mut heading) = (BTreeMap::new(), String::new());
    for line in fs::read_to_string(document).unwrap().lines() {
        if let Some(text) = line.strip_prefix("## ") {
            heading = text.to_owned();
            sections.insert(heading.clone(), BTreeMap::new());
        }
        let cells: Vec<&str> = line.split(" | ").collect();
        let Some(feature) = line.strip_prefix("| `").and_then(|rest| rest.split("` | ").next()) else { continue };
        assert_eq!(cells.len(), 5, "feature, files, and one column for each of three databases: {line}");
        let files = cells[1].split(", ").map(str::to_owned).collect();
        let section: &mut BTreeMap<_, _> = sections.entry(heading.clone()).or_default();
        assert_eq!(section.insert(feature.to_owned(), files), None, "{feature} is there twice");
    }
    sections
}

/// Compares what is used with what is documented.
fn compare(used: &BTreeMap<String, BTreeSet<String>>, documented: &BTreeMap<String, BTreeSet<String>>) {
    let rows = |missing: &BTreeMap<_, BTreeSet<String>>| {
        let row = |(feature, files): (&String, &BTreeSet<String>)| {
            format!("| `{feature}` | {} | ? | ? | ? |", files.iter().cloned().collect::<Vec<_>>().join(", "))
        };
        missing.iter().map(row).collect::<Vec<_>>().join("\n")
    };
    let new = used.iter().filter(|(feature, files)| documented.get(*feature) != Some(files));
    let new: BTreeMap<_, _> = new.map(|(feature, files)| (feature.clone(), files.clone())).collect();
    assert!(new.is_empty(), "look these up, and add or correct them in docs/sql-features.md:\n{}", rows(&new));
    let unused: Vec<_> = documented.keys().filter(|feature| !used.contains_key(*feature)).collect();
    assert!(unused.is_empty(), "not used any more, and still in docs/sql-features.md: {unused:?}");
}

#[test]
fn every_feature_of_sql_is_documented_and_none_is_forbidden() {
    let (mut needed, mut optional) = (BTreeMap::new(), BTreeMap::new());
    for (file, statements) in statements() {
        let used: &mut BTreeMap<String, BTreeSet<String>> =
            if OPTIONAL.contains(&file.as_str()) { &mut optional } else { &mut needed };
        for statement in statements {
            for word in FORBIDDEN {
                let is_forbidden = |token: &Token| {
                    let token = token.trim_end_matches("()").to_uppercase();
                    token == *word || token.starts_with("PG_ADVISORY") || token.starts_with("PG_TRY_ADVISORY")
                };
                assert!(!tokens(&statement).iter().any(is_forbidden), "{word} in {statement}");
            }
            for feature in features(&statement) {
                used.entry(feature).or_default().insert(file.clone());
            }
        }
    }
    // An empty list would be easy to satisfy.
    assert!(needed.len() > 30 && needed.contains_key("ON CONFLICT (…) DO UPDATE SET"), "{needed:?}");
    let documented = documented();
    compare(&needed, &documented["What every database has to understand"]);
    optional.retain(|feature, _| !needed.contains_key(feature));
    compare(&optional, &documented["What is asked and may stay without an answer"]);
}

#[test]
fn features_are_recognised() {
    let found = |sql: &str| features(sql).into_iter().collect::<Vec<_>>().join(" ~ ");
    assert_eq!(
        found("INSERT INTO a (b, c) VALUES ($1, 0) ON CONFLICT (b) DO UPDATE SET c = a.c + excluded.c WHERE a.c <> ''"),
        "+ ~ <> ~ = ~ INSERT INTO (…) VALUES (…) ~ ON CONFLICT (…) DO UPDATE SET ~ WHERE ~ excluded"
    );
    assert_eq!(
        found("SELECT a FROM b WHERE (a, c) > ($1, $2) FOR UPDATE"),
        "(…) > (…) ~ FOR UPDATE ~ FROM ~ SELECT ~ WHERE"
    );
    assert_eq!(found("SELECT nextval('a'), MAX(b)"), "MAX ~ SELECT ~ nextval()");
    assert_eq!(found("CREATE TABLE IF NOT EXISTS a (b TEXT UNIQUE)"), "CREATE TABLE IF NOT EXISTS ~ TEXT ~ UNIQUE");
    let source = "const A: &str = \"SELECT \\\"a\\\" \\\n    FROM b\"; // \"no\"\nlet b = '\"';\n#[cfg(test)]\nmod tests { \"no\" }";
    assert_eq!(literals(source), ["SELECT \"a\" FROM b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_else_goes_over_the_wire() {
    let Some(scratch) = scratch() else { return };
    let address = Address::parse(&scratch.url()).unwrap().to_string();
    let Some(port) = address.strip_prefix("postgres://127.0.0.1:").and_then(|rest| rest.split('/').next()) else {
        println!("Nothing was tested: the server is not at 127.0.0.1");
        return;
    };
    // Two hosts, so that the driver asks which one takes writes.
    let relays = [Relay::start(port.parse().unwrap()).await, Relay::start(port.parse().unwrap()).await];
    let [one, other] = relays.each_ref().map(Relay::port);
    let url = blocking(|| cluster::through(&scratch.url(), one));
    let url = url.replace(&format!("127.0.0.1:{one}"), &format!("127.0.0.1:{one},127.0.0.1:{other}"));
    let store = open(options(&url)).await;
    do_everything(&store, "heard").await;
    store.reset().await.unwrap();
    let heard: BTreeSet<String> = relays.iter().flat_map(Relay::heard).collect();
    assert!(heard.contains("COMMIT") && heard.contains("SHOW transaction_read_only"), "{heard:?}");
    let documented = documented();
    for sql in &heard {
        let is_known = |feature: &String| documented.values().any(|table| table.contains_key(feature));
        let unknown: Vec<_> = features(sql).into_iter().filter(|feature| !is_known(feature)).collect();
        assert!(unknown.is_empty(), "{unknown:?} in {sql}");
    }
}
