//! What operations on users share: saving a user together with the names that the change takes and frees.

use domain::{Pool, User, names};
use store::{Changes, Stored};
use wire::AttributeType;

/// Adds a new user and the names it owns.
pub fn insert(changes: &mut Changes, pool: &Pool, user: User) {
    for (kind, name) in names::claims(pool, &user) {
        changes.claim(&pool.id, &name, kind, &user.sub);
    }
    changes.count_users(&pool.id, 1);
    changes.insert(user);
}

/// Replaces a user; names that the new state owns and the old one did not are claimed, the others freed.
pub fn replace(changes: &mut Changes, pool: &Pool, before: &Stored<User>, after: User) {
    let (old, new) = (names::claims(pool, &before.value), names::claims(pool, &after));
    for (kind, name) in old.iter().filter(|claim| !new.contains(claim)) {
        changes.release(&pool.id, name, *kind, &before.sub);
    }
    for (kind, name) in new.iter().filter(|claim| !old.contains(claim)) {
        changes.claim(&pool.id, name, *kind, &after.sub);
    }
    changes.save(after, Some(before.version));
}

/// Attributes as answers list them: `sub` first, then by name.
#[must_use]
pub fn attribute_list(user: &User) -> Vec<AttributeType> {
    let attribute = |name: &str, value: &str| AttributeType { name: name.to_owned(), value: Some(value.to_owned()) };
    std::iter::once(attribute("sub", &user.sub))
        .chain(user.attributes.iter().map(|(name, value)| attribute(name, value)))
        .collect()
}
