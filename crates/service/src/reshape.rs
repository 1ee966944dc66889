//! Changing what is fixed when a pool is made: which attributes are required, and by what users sign in. The original
//! cannot do it; `docs/beyond.md` tells operators about it.
//!
//! Order: every user claims the names that the new shape gives, so that each of them finds its user from then on; when
//! two users would own one name, everything is given back and nothing has changed. Then the pool changes. Then once more over
//! the users: those who came meanwhile claim what they lack, and names that the new shape does not give are freed.

use domain::{NameKind, Pool, Timestamp, User, names};
use store::{Changes, CommitError, Key, Store, Stored, Taken};
use wire::{AliasAttributeType, UsernameAttributeType};

/// Users that are read at once.
const AT_ONCE: usize = 200;
/// Clashes that are named before the search for more ends.
const NAMED: usize = 20;
/// How often a change of a user is tried that changes at the same time.
const TRIES: usize = 8;

/// The shape that a pool is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// `AliasAttributes`.
    pub alias_attributes: Vec<AliasAttributeType>,
    /// `UsernameAttributes`; excludes aliases.
    pub username_attributes: Vec<UsernameAttributeType>,
    /// Names of the standard attributes that whoever signs up must give, beside `sub`.
    pub required: Vec<String>,
}

/// A name that two users would own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The name.
    pub name: String,
    /// The username of who owns it.
    pub owner: String,
    /// The username of who would own it, too.
    pub other: String,
}

/// Why a pool keeps its shape.
#[derive(Debug, thiserror::Error)]
pub enum ReshapeError {
    /// There is no such pool.
    #[error("there is no user pool {0}")]
    NoPool(String),
    /// The shape is none that a pool can have.
    #[error("{0}")]
    Impossible(String),
    /// Names would belong to two users: the first of them.
    #[error("nothing was changed: users would share names. {}", told(.0))]
    Clashes(Vec<Clash>),
    /// The pool was changed by somebody else at the same time.
    #[error("the pool or a user was changed at the same time again and again. Run the command again")]
    Busy,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

fn told(clashes: &[Clash]) -> String {
    let words = clashes.iter().map(|clash| {
        let Clash { name, owner, other } = clash;
        format!("{name} of {owner} is also that of {other}")
    });
    words.collect::<Vec<_>>().join("; ")
}

/// The pool with the new shape.
fn reshaped(pool: &Pool, shape: &Shape, now: Timestamp) -> Result<Pool, ReshapeError> {
    let impossible = |text: String| Err(ReshapeError::Impossible(text));
    if !shape.alias_attributes.is_empty() && !shape.username_attributes.is_empty() {
        return impossible("a pool has alias attributes or username attributes, not both".to_owned());
    }
    let mut after = pool.clone();
    for name in &shape.required {
        let known = after.schema.iter().any(|attribute| attribute.name.as_deref() == Some(name));
        if !known || name.contains(':') || name.ends_with("_verified") {
            return impossible(format!("{name} is no standard attribute that can be required"));
        }
    }
    let is_alias = shape.alias_attributes.contains(&AliasAttributeType::PreferredUsername);
    if is_alias && shape.required.iter().any(|name| name == "preferred_username") {
        return impossible("preferred_username cannot be both a required attribute and an alias".to_owned());
    }
    for attribute in &mut after.schema {
        let name = attribute.name.as_deref().unwrap_or_default();
        attribute.required = Some(name == "sub" || shape.required.iter().any(|required| required == name));
    }
    after.alias_attributes.clone_from(&shape.alias_attributes);
    after.username_attributes.clone_from(&shape.username_attributes);
    after.modified_at = now;
    Ok(after)
}

/// Names that a user owns in one shape of a pool and not in the other.
fn only_in(one: &Pool, other: &Pool, user: &User) -> Vec<(NameKind, String)> {
    let others = names::claims(other, user);
    names::claims(one, user).into_iter().filter(|claim| !others.contains(claim)).collect()
}

/// Gives a pool another shape; says how many users it looked at. `told` hears of every page of users.
///
/// # Errors
/// When there is no such pool, the shape is impossible, names would belong to two users, or the database fails. After any
/// but the last of these the pool is as before; after that one, run it again.
pub async fn reshape(
    store: &Store,
    pool_id: &str,
    shape: &Shape,
    now: Timestamp,
    told: &mut dyn FnMut(u64),
) -> Result<u64, ReshapeError> {
    let before = store.pool(pool_id).await?.ok_or_else(|| ReshapeError::NoPool(pool_id.to_owned()))?;
    let after = reshaped(&before, shape, now)?;
    let mut clashes = Vec::new();
    let mut each = Walk::default();
    while let Some(page) = each.next(store, pool_id).await? {
        for user in page {
            clashes.extend(claim(store, &after, &user.sub).await?);
        }
        told(each.users);
        if clashes.len() >= NAMED {
            break;
        }
    }
    if clashes.is_empty() {
        let mut changes = Changes::new();
        changes.replace(&before, after.clone());
        match store.commit(changes).await {
            Ok(()) => {}
            Err(CommitError::Store(error)) => return Err(error.into()),
            Err(CommitError::Conflict | CommitError::Taken(_)) => {
                give_back(store, &after, &before).await?;
                return Err(ReshapeError::Busy);
            }
        }
    } else {
        give_back(store, &after, &before).await?;
        clashes.truncate(NAMED);
        return Err(ReshapeError::Clashes(clashes));
    }
    let mut each = Walk::default();
    while let Some(page) = each.next(store, pool_id).await? {
        for user in page {
            clashes.extend(claim(store, &after, &user.sub).await?);
            free(store, &before, &after, &user.sub).await?;
        }
        told(each.users);
    }
    // Whoever came meanwhile with a name that is taken is found by its username alone.
    for clash in clashes {
        tracing::warn!(pool = pool_id, clash.owner, clash.other, "a user who came meanwhile shares a name");
    }
    Ok(each.users)
}

/// Users page by page.
#[derive(Default)]
struct Walk {
    after: Option<String>,
    users: u64,
}

impl Walk {
    async fn next(&mut self, store: &Store, pool_id: &str) -> Result<Option<Vec<Stored<User>>>, store::Error> {
        let page = store.users(pool_id, self.after.as_deref(), AT_ONCE).await?;
        let Some(last) = page.last() else { return Ok(None) };
        self.after = Some(last.sub.clone());
        self.users += u64::try_from(page.len()).unwrap_or_default();
        Ok(Some(page))
    }
}

async fn give_back(store: &Store, after: &Pool, before: &Pool) -> Result<(), ReshapeError> {
    let mut each = Walk::default();
    while let Some(page) = each.next(store, &before.id).await? {
        for user in page {
            free(store, after, before, &user.sub).await?;
        }
    }
    Ok(())
}

/// Claims what a user owns in a shape; or says what somebody else owns.
async fn claim(store: &Store, pool: &Pool, sub: &str) -> Result<Option<Clash>, ReshapeError> {
    for _ in 0..TRIES {
        let Some(user) = store.user(&pool.id, sub).await? else { return Ok(None) };
        let mut changes = Changes::new();
        for (kind, name) in names::claims(pool, &user) {
            if store.name_owner(&pool.id, &name, kind).await?.as_deref() != Some(sub) {
                changes.claim(&pool.id, &name, kind, sub);
            }
        }
        if changes.is_empty() {
            return Ok(None);
        }
        changes.assert(Key::User { pool_id: pool.id.clone(), sub: sub.to_owned() }, user.version);
        match store.commit(changes).await {
            Ok(()) => return Ok(None),
            Err(CommitError::Taken(Taken::Name { name, sub: owner, .. })) => {
                let owner = store.user(&pool.id, &owner).await?.map_or(owner, |owner| owner.value.username);
                return Ok(Some(Clash { name, owner, other: user.value.username }));
            }
            Err(CommitError::Conflict | CommitError::Taken(_)) => {}
            Err(CommitError::Store(error)) => return Err(error.into()),
        }
    }
    Err(ReshapeError::Busy)
}

/// Frees what a user owns in the one shape and not in the other, as far as it owns it.
async fn free(store: &Store, one: &Pool, other: &Pool, sub: &str) -> Result<(), ReshapeError> {
    for _ in 0..TRIES {
        let Some(user) = store.user(&one.id, sub).await? else { return Ok(()) };
        let mut changes = Changes::new();
        for (kind, name) in only_in(one, other, &user) {
            if store.name_owner(&one.id, &name, kind).await?.as_deref() == Some(sub) {
                changes.release(&one.id, &name, kind, sub);
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        changes.assert(Key::User { pool_id: one.id.clone(), sub: sub.to_owned() }, user.version);
        match store.commit(changes).await {
            Ok(()) => return Ok(()),
            Err(CommitError::Conflict | CommitError::Taken(_)) => {}
            Err(CommitError::Store(error)) => return Err(error.into()),
        }
    }
    Err(ReshapeError::Busy)
}

#[cfg(test)]
mod tests {
    use domain::{NameKind, Pool, Timestamp, User};
    use store::{Changes, Options, Store};
    use wire::{AliasAttributeType, UsernameAttributeType};

    use super::{Clash, ReshapeError, Shape, reshape};
    use crate::users;

    const POOL: &str = "eu-west-1_Reshape11";
    const NOW: Timestamp = Timestamp(2_000);

    fn shape(aliases: &[AliasAttributeType], usernames: &[UsernameAttributeType], required: &[&str]) -> Shape {
        Shape {
            alias_attributes: aliases.to_vec(),
            username_attributes: usernames.to_vec(),
            required: required.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn pool() -> Pool {
        let schema: Vec<_> = ["sub", "name", "email", "email_verified", "preferred_username", "custom:badge"]
            .into_iter()
            .map(|name| serde_json::json!({"Name": name, "AttributeDataType": "String", "Required": name == "sub"}))
            .collect();
        let document = serde_json::json!({
            "id": POOL, "name": "people", "created_at": 1.0, "modified_at": 1.0, "deletion_protected": false,
            "password_policy": {
                "minimum_length": 8, "require_uppercase": true, "require_lowercase": true, "require_numbers": true,
                "require_symbols": true, "history_size": null, "temporary_password_validity_days": 7,
            },
            "schema": schema, "alias_attributes": [], "username_attributes": [], "case_sensitive": false,
            "auto_verified_attributes": [], "verification_before_update": [], "recovery": null,
            "verification_template": {}, "email": {}, "sms": null, "admin_create_user_only": false,
            "invite_template": null, "tags": {}, "tier": "ESSENTIALS", "add_ons": null,
        });
        serde_json::from_value(document).unwrap()
    }

    fn user(sub: &str, email: &str, is_verified: bool) -> User {
        serde_json::from_value(serde_json::json!({
            "pool_id": POOL, "sub": sub, "username": format!("user-{sub}"), "status": "CONFIRMED", "enabled": true,
            "attributes": {"email": email, "email_verified": is_verified.to_string()},
            "created_at": 1.0, "modified_at": 1.0, "tokens_not_before": null,
        }))
        .unwrap()
    }

    async fn filled(people: Vec<User>) -> Store {
        let store = Store::open(&Options::memory()).await.unwrap();
        let mut changes = Changes::new();
        changes.insert(pool());
        for user in people {
            users::insert(&mut changes, &pool(), user);
        }
        store.commit(changes).await.unwrap();
        store
    }

    async fn change(store: &Store, shape: &Shape) -> Result<u64, ReshapeError> {
        reshape(store, POOL, shape, NOW, &mut |_| {}).await
    }

    async fn owner(store: &Store, name: &str) -> Option<String> {
        store.name_owner(POOL, name, NameKind::Email).await.unwrap()
    }

    #[tokio::test]
    async fn addresses_become_names_and_cease_to_be() {
        let people = (0..450).map(|number| user(&format!("{number:03}"), &format!("{number}@X.com"), number % 2 == 0));
        let store = filled(people.collect()).await;
        assert_eq!(owner(&store, "0@x.com").await, None);

        let aliases = shape(&[AliasAttributeType::Email], &[], &["email", "name"]);
        assert_eq!(change(&store, &aliases).await.unwrap(), 450);
        assert_eq!(owner(&store, "448@x.com").await.as_deref(), Some("448"));
        assert_eq!(owner(&store, "449@x.com").await, None, "it is not verified");
        let pool = store.pool(POOL).await.unwrap().unwrap().value;
        assert_eq!((pool.alias_attributes, pool.modified_at), (vec![AliasAttributeType::Email], NOW));
        let required = pool.schema.iter().filter(|attribute| attribute.required == Some(true));
        let required: Vec<_> = required.filter_map(|attribute| attribute.name.as_deref()).collect();
        assert_eq!(required, ["sub", "name", "email"]);

        let usernames = shape(&[], &[UsernameAttributeType::Email], &[]);
        change(&store, &usernames).await.unwrap();
        assert_eq!(owner(&store, "449@x.com").await.as_deref(), Some("449"), "verified or not");
        change(&store, &shape(&[], &[], &[])).await.unwrap();
        for number in [0, 448, 449] {
            assert_eq!(owner(&store, &format!("{number}@x.com")).await, None);
            let found = store.user_by_name(POOL, &format!("user-{number:03}")).await.unwrap();
            assert_eq!(found.unwrap().sub, format!("{number:03}"));
        }
    }

    #[tokio::test]
    async fn nothing_changes_when_two_would_share_a_name() {
        let people = vec![user("1", "a@x.com", true), user("2", "both@x.com", true), user("3", "BOTH@x.com", true)];
        let store = filled(people).await;
        let error = change(&store, &shape(&[AliasAttributeType::Email], &[], &[])).await.unwrap_err();
        let clash = |owner: &str, other: &str| Clash {
            name: "both@x.com".to_owned(),
            owner: owner.to_owned(),
            other: other.to_owned(),
        };
        assert!(matches!(&error, ReshapeError::Clashes(found) if *found == [clash("user-2", "user-3")]), "{error}");
        assert!(error.to_string().contains("both@x.com of user-2 is also that of user-3"), "{error}");
        assert_eq!(store.pool(POOL).await.unwrap().unwrap().value, pool());
        for name in ["a@x.com", "both@x.com"] {
            assert_eq!(owner(&store, name).await, None, "it was given back");
        }
    }

    #[tokio::test]
    async fn impossible_shapes_are_refused() {
        let store = filled(Vec::new()).await;
        for (shape, words) in [
            (shape(&[AliasAttributeType::Email], &[UsernameAttributeType::Email], &[]), "not both"),
            (shape(&[], &[], &["custom:badge"]), "custom:badge is no standard attribute"),
            (shape(&[], &[], &["email_verified"]), "email_verified is no standard attribute"),
            (shape(&[], &[], &["shoe_size"]), "shoe_size is no standard attribute"),
            (shape(&[AliasAttributeType::PreferredUsername], &[], &["preferred_username"]), "cannot be both"),
        ] {
            let error = change(&store, &shape).await.unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let nowhere = reshape(&store, "eu-west-1_Nowhere11", &shape(&[], &[], &[]), NOW, &mut |_| {}).await;
        assert!(matches!(nowhere, Err(ReshapeError::NoPool(_))));
    }
}
