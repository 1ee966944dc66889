//! What operations on users share: saving a user together with the names that the change takes and frees, and with the
//! keys that a search finds the user by.

use domain::{Identity, NameKind, Pool, User, names, search};
use serde_json::{Value, json};
use store::{Changes, Stored};
use wire::{AliasAttributeType, AttributeType};

/// The attribute that shows linked identities. Nobody writes it.
pub const IDENTITIES: &str = "identities";

/// Adds a new user, the names it owns and the keys that it is found by.
pub fn insert(changes: &mut Changes, pool: &Pool, user: User) {
    changes.count_users(&pool.id, 1);
    add(changes, pool, user);
}

/// [`insert`] but for the pool's estimated number of users, which whoever adds many corrects once.
pub fn add(changes: &mut Changes, pool: &Pool, user: User) {
    claim(changes, pool, &user.sub, &names::claims(pool, &user), &[]);
    for key in search::keys(&user) {
        changes.search(&pool.id, key, &user.sub, true);
    }
    changes.insert(user);
}

/// Replaces a user; names that the new state owns and the old one did not are claimed, the others freed.
pub fn replace(changes: &mut Changes, pool: &Pool, before: &Stored<User>, after: User) {
    let (old, new) = (names::claims(pool, &before.value), names::claims(pool, &after));
    for (kind, name) in old.iter().filter(|claim| !new.contains(claim)) {
        changes.release(&pool.id, name, *kind, &before.sub);
    }
    claim(changes, pool, &after.sub, &new, &old);
    let (old, new) = (search::keys(&before.value), search::keys(&after));
    for key in old.iter().filter(|key| !new.contains(key)) {
        changes.search(&pool.id, key.clone(), &before.sub, false);
    }
    for key in new.into_iter().filter(|key| !old.contains(key)) {
        changes.search(&pool.id, key, &before.sub, true);
    }
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
            NameKind::Identity => &[],
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

/// Attributes as answers list them: `sub` first, then by name. Linked identities are a JSON array in a text.
#[must_use]
pub fn attribute_list(user: &User) -> Vec<AttributeType> {
    let attribute = |name: &str, value: &str| AttributeType { name: name.to_owned(), value: Some(value.to_owned()) };
    let mut attributes: Vec<_> = user.attributes.iter().map(|(name, value)| attribute(name, value)).collect();
    if !user.identities.is_empty() {
        let identities: Value = user.identities.iter().map(shown_identity).collect();
        let at = attributes.partition_point(|attribute| attribute.name.as_str() < IDENTITIES);
        attributes.insert(at, attribute(IDENTITIES, &identities.to_string()));
    }
    attributes.insert(0, attribute("sub", &user.sub));
    attributes
}

/// An identity in the attribute `identities` (oauth-federation.md §18).
///
/// Decision: until the user has signed in there, the provider's id of the user is what the identity was linked by.
fn shown_identity(identity: &Identity) -> Value {
    json!({
        "userId": identity.attribute_value,
        "providerName": identity.provider_name,
        "providerType": identity.provider_type,
        "issuer": identity.issuer,
        "primary": identity.primary,
        "dateCreated": identity.linked_at.milliseconds(),
    })
}

/// The claim `identities` of ID tokens, where numbers and booleans are texts; none for users without any.
#[must_use]
pub fn identities_claim(user: &User) -> Option<Value> {
    let claim = |identity: &Identity| {
        let mut shown = shown_identity(identity);
        for member in ["primary", "dateCreated"] {
            if let Some(value) = shown.get_mut(member) {
                *value = Value::from(value.to_string());
            }
        }
        shown
    };
    (!user.identities.is_empty()).then(|| user.identities.iter().map(claim).collect())
}
