//! What operations on users share: saving a user together with the names that the change takes and frees.

use domain::{NameKind, Pool, User, names};
use store::{Changes, Stored};
use wire::{AliasAttributeType, AttributeType};

/// Adds a new user and the names it owns.
pub fn insert(changes: &mut Changes, pool: &Pool, user: User) {
    claim(changes, pool, &user.sub, &names::claims(pool, &user), &[]);
    changes.count_users(&pool.id, 1);
    changes.insert(user);
}

/// Replaces a user; names that the new state owns and the old one did not are claimed, the others freed.
pub fn replace(changes: &mut Changes, pool: &Pool, before: &Stored<User>, after: User) {
    let (old, new) = (names::claims(pool, &before.value), names::claims(pool, &after));
    for (kind, name) in old.iter().filter(|claim| !new.contains(claim)) {
        changes.release(&pool.id, name, *kind, &before.sub);
    }
    claim(changes, pool, &after.sub, &new, &old);
    changes.save(after, Some(before.version));
}

/// Claims the names of `new` that `old` does not have.
///
/// A claim is for one kind of name. `preferred_username` is a name that could be another user's name of any other
/// kind; whoever claims both kinds for a moment can be sure that nobody else does so at the same time.
fn claim(changes: &mut Changes, pool: &Pool, sub: &str, new: &[(NameKind, String)], old: &[(NameKind, String)]) {
    for (kind, name) in new.iter().filter(|claim| !old.contains(claim)) {
        let others: &[NameKind] = match kind {
            NameKind::PreferredUsername => &[NameKind::Username, NameKind::Email, NameKind::PhoneNumber],
            _ if pool.uses_as_alias(AliasAttributeType::PreferredUsername) => &[NameKind::PreferredUsername],
            _ => &[],
        };
        let mut kinds: Vec<NameKind> = others.iter().chain([kind]).copied().collect();
        // In the same order everywhere, so that nobody waits for somebody who waits for them.
        kinds.sort_unstable();
        for passing in kinds {
            let is_own = new.iter().any(|(kept, other)| *kept == passing && other == name);
            changes.claim(&pool.id, name, passing, sub);
            if !is_own {
                changes.release(&pool.id, name, passing, sub);
            }
        }
    }
}

/// Attributes as answers list them: `sub` first, then by name.
#[must_use]
pub fn attribute_list(user: &User) -> Vec<AttributeType> {
    let attribute = |name: &str, value: &str| AttributeType { name: name.to_owned(), value: Some(value.to_owned()) };
    std::iter::once(attribute("sub", &user.sub))
        .chain(user.attributes.iter().map(|(name, value)| attribute(name, value)))
        .collect()
}
