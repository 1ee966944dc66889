//! What a sign-in with a password or by SRP, and a request with its tokens, read with where the pool asks for nothing
//! more: statements that are made ready at the start, each with keys that nobody has.

use std::borrow::Cow;

use crate::{compile::Param, sql};

/// The key that nobody has.
const TEXT: Param<'static> = Param::Text(Cow::Borrowed(""));
/// The number of nothing.
const NUMBER: Param<'static> = Param::Integer(0);

/// The statements and their values.
pub(crate) const FIRST_READS: [(&str, &[Param<'static>]); 10] = [
    (sql::CLIENT, &[TEXT]),
    (sql::POOL, &[TEXT]),
    (sql::SIGN_IN_PARTS_BY_NAME, &[TEXT, TEXT, TEXT, NUMBER]),
    (sql::SIGN_IN_PARTS, &[TEXT, TEXT, NUMBER]),
    (sql::USERS.assert, &[TEXT, TEXT, NUMBER]),
    (sql::PASSWORDS.assert, &[TEXT, TEXT, NUMBER]),
    (sql::ATTEMPT, &[TEXT, TEXT, NUMBER]),
    (sql::GROUPS_OF_USER, &[TEXT, TEXT, TEXT, TEXT, NUMBER]),
    (sql::SIGNING_KEYS_OF_POOL, &[TEXT, NUMBER]),
    (sql::TOKEN_PARTS, &[TEXT, TEXT, TEXT]),
];
