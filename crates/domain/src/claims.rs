//! What a PreTokenGeneration function may change about tokens (triggers-security.md §9.3).

use serde_json::{Map, Value};

/// The claim that names the groups of a user.
pub const GROUPS: &str = "cognito:groups";
/// The roles of those groups.
pub const ROLES: &str = "cognito:roles";
/// The role of the group that counts most.
pub const PREFERRED_ROLE: &str = "cognito:preferred_role";
/// Scopes, separated by blanks.
pub const SCOPE: &str = "scope";

/// Claims that are the server's own affair: what functions say of them is passed over.
const PROTECTED: [&str; 21] = [
    "acr",
    "amr",
    "at_hash",
    "aud",
    "auth_time",
    "azp",
    "client_id",
    "device_key",
    "event_id",
    "exp",
    "iat",
    "identities",
    "iss",
    "jti",
    "nbf",
    "nonce",
    "origin_jti",
    "sub",
    "token_use",
    "username",
    "version",
];
/// Claims of an ID token that have one value and no structure.
const PLAIN: [&str; 4] = ["address", "email_verified", "phone_number_verified", "updated_at"];
/// Most claims and scopes that one function may add or suppress.
const MOST_CHANGES: usize = 5_000;

/// What is different in tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// In the ID token.
    pub id: ClaimChanges,
    /// In the access token.
    pub access: ClaimChanges,
    /// Scopes that the access token gets.
    pub scopes_to_add: Vec<String>,
    /// Scopes that it does not get.
    pub scopes_to_suppress: Vec<String>,
    /// The groups and roles that both tokens name in place of the user's own.
    pub groups: Option<Groups>,
}

/// Claims that come and go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClaimChanges {
    /// Claims that are there with these values, whether they were there before or not.
    pub add: Map<String, Value>,
    /// Claims that are not there, even if they are among those that are added.
    pub suppress: Vec<String>,
}

/// Groups and roles as tokens name them; none that is empty shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// Names.
    pub groups: Vec<String>,
    /// ARNs.
    pub roles: Vec<String>,
    /// ARN.
    pub preferred_role: Option<String>,
}

impl Overrides {
    /// Whether this is something that can be done.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let number = [&self.id, &self.access].map(|changes| changes.add.len() + changes.suppress.len());
        let scopes = self.scopes_to_add.iter().chain(&self.scopes_to_suppress);
        let is_plain = |name: &str| !matches!(self.id.add.get(name), Some(Value::Array(_) | Value::Object(_)));
        number.iter().sum::<usize>() + scopes.clone().count() <= MOST_CHANGES
            && self.scopes_to_add.iter().all(|scope| !scope.is_empty() && !scope.contains(char::is_whitespace))
            && PLAIN.into_iter().all(is_plain)
    }

    /// Changes the claims of an ID token.
    pub fn change_id_token(&self, claims: &mut Map<String, Value>) {
        if let Some(groups) = &self.groups {
            put_list(claims, GROUPS, &groups.groups);
            put_list(claims, ROLES, &groups.roles);
            match &groups.preferred_role {
                Some(role) => claims.insert(PREFERRED_ROLE.to_owned(), Value::from(role.as_str())),
                None => claims.remove(PREFERRED_ROLE),
            };
        }
        self.id.change(claims, |_, _| false);
    }

    /// Changes the claims of an access token that this client gets.
    pub fn change_access_token(&self, claims: &mut Map<String, Value>, client_id: &str) {
        if let Some(groups) = &self.groups {
            put_list(claims, GROUPS, &groups.groups);
        }
        self.access.change(claims, |name, value| name == "aud" && value == client_id);
        self.change_scopes(claims);
    }

    fn change_scopes(&self, claims: &mut Map<String, Value>) {
        if self.scopes_to_add.is_empty() && self.scopes_to_suppress.is_empty() {
            return;
        }
        let before = claims.get(SCOPE).and_then(Value::as_str).unwrap_or_default();
        let mut scopes: Vec<&str> = Vec::new();
        for scope in before.split(' ').chain(self.scopes_to_add.iter().map(String::as_str)) {
            let is_suppressed = self.scopes_to_suppress.iter().any(|suppressed| suppressed == scope);
            if !scope.is_empty() && !is_suppressed && !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        let scopes = scopes.join(" ");
        if scopes.is_empty() {
            claims.remove(SCOPE);
        } else {
            claims.insert(SCOPE.to_owned(), Value::from(scopes));
        }
    }
}

impl ClaimChanges {
    fn change(&self, claims: &mut Map<String, Value>, is_exempt: impl Fn(&str, &Value) -> bool) {
        for (name, value) in &self.add {
            let is_free = !is_protected(name) && !name.starts_with("cognito:") && !name.starts_with("dev:");
            if (is_free || is_exempt(name, value)) && !value.is_null() {
                claims.insert(name.clone(), value.clone());
            }
        }
        for name in &self.suppress {
            if name == GROUPS {
                for name in [GROUPS, ROLES, PREFERRED_ROLE] {
                    claims.remove(name);
                }
            } else if !is_protected(name) && !name.starts_with("cognito:") {
                claims.remove(name);
            }
        }
    }
}

/// Decision: `scope` is changed by the lists of scopes alone.
fn is_protected(name: &str) -> bool {
    name == SCOPE || PROTECTED.contains(&name)
}

fn put_list(claims: &mut Map<String, Value>, name: &str, values: &[String]) {
    if values.is_empty() {
        claims.remove(name);
    } else {
        claims.insert(name.to_owned(), Value::from(values.to_vec()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    /// Both tokens after these changes.
    fn changed(overrides: &Overrides) -> (Value, Value) {
        let mut id = map(json!({
            "sub": "s", "aud": "c", "email": "a@b.c", "dev:stage": "x", "cognito:username": "alice",
            "cognito:groups": ["g"], "cognito:roles": ["r"], "cognito:preferred_role": "r",
        }));
        let mut access = map(json!({"sub": "s", "client_id": "c", "scope": "one two", "cognito:groups": ["g"]}));
        overrides.change_id_token(&mut id);
        overrides.change_access_token(&mut access, "c");
        (Value::Object(id), Value::Object(access))
    }

    #[test]
    fn claims_are_added_changed_and_suppressed() {
        let (id, access) = changed(&Overrides {
            id: ClaimChanges {
                add: map(json!({"email": "x@y.z", "plan": {"seats": 3}, "both": 1, "none": null})),
                suppress: texts(&["both", "dev:stage", "not there"]),
            },
            access: ClaimChanges { add: map(json!({"plan": ["a", 1, true]})), suppress: vec![] },
            ..Overrides::default()
        });
        assert_eq!(
            id,
            json!({
                "sub": "s", "aud": "c", "email": "x@y.z", "plan": {"seats": 3}, "cognito:username": "alice",
                "cognito:groups": ["g"], "cognito:roles": ["r"], "cognito:preferred_role": "r",
            })
        );
        assert_eq!(
            access,
            json!({"sub": "s", "client_id": "c", "scope": "one two", "cognito:groups": ["g"], "plan": ["a", 1, true]})
        );
    }

    #[test]
    fn what_is_protected_stays() {
        let mut everything: Vec<String> = PROTECTED.map(str::to_owned).to_vec();
        everything.extend(texts(&[
            "scope",
            "cognito:username",
            "cognito:other",
            "cognito:roles",
            "cognito:preferred_role",
        ]));
        let changes = ClaimChanges {
            add: everything.iter().map(|name| (name.clone(), Value::from("forged"))).collect(),
            suppress: everything,
        };
        let overrides = Overrides { id: changes.clone(), access: changes, ..Overrides::default() };
        assert_eq!(changed(&overrides), changed(&Overrides::default()));
        let dev = ClaimChanges { add: map(json!({"dev:stage": "y", "cognito:groups": ["admins"]})), suppress: vec![] };
        let overrides = Overrides { id: dev.clone(), access: dev, ..Overrides::default() };
        assert_eq!(
            changed(&overrides),
            changed(&Overrides::default()),
            "developers' attributes and groups cannot be set"
        );
    }

    #[test]
    fn an_audience_is_added_to_access_tokens_of_that_client_only() {
        let audience = |value: &str| {
            let access = ClaimChanges { add: map(json!({"aud": value})), suppress: vec![] };
            changed(&Overrides { access, ..Overrides::default() }).1.get("aud").cloned()
        };
        assert_eq!(audience("c"), Some(json!("c")));
        assert_eq!(audience("d"), None);
    }

    #[test]
    fn groups_are_replaced_as_a_whole() {
        let with = |groups: Groups, suppress: &[&str]| {
            let suppress = ClaimChanges { add: Map::new(), suppress: texts(suppress) };
            let overrides =
                Overrides { groups: Some(groups), id: suppress.clone(), access: suppress, ..Overrides::default() };
            let (id, access) = changed(&overrides);
            let claims = [GROUPS, ROLES, PREFERRED_ROLE].map(|name| id.get(name).cloned().unwrap_or_default());
            (claims, access.get(GROUPS).cloned().unwrap_or_default())
        };
        let groups = Groups { groups: texts(&["a", "b"]), roles: texts(&["x"]), preferred_role: Some("x".to_owned()) };
        assert_eq!(with(groups.clone(), &[]), ([json!(["a", "b"]), json!(["x"]), json!("x")], json!(["a", "b"])));
        assert_eq!(with(Groups::default(), &[]), ([Value::Null, Value::Null, Value::Null], Value::Null));
        assert_eq!(with(groups, &[GROUPS]), ([Value::Null, Value::Null, Value::Null], Value::Null));
    }

    #[test]
    fn scopes_come_and_go() {
        let scope = |add: &[&str], suppress: &[&str]| {
            let overrides =
                Overrides { scopes_to_add: texts(add), scopes_to_suppress: texts(suppress), ..Overrides::default() };
            changed(&overrides).1.get(SCOPE).cloned().unwrap_or_default()
        };
        assert_eq!(scope(&["three", "one"], &["two"]), json!("one three"));
        assert_eq!(scope(&["three"], &["three", "two"]), json!("one"));
        assert_eq!(scope(&[], &["one", "two"]), Value::Null);
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        let scope = |scope: &str| Overrides { scopes_to_add: texts(&[scope]), ..Overrides::default() };
        assert!(scope("a/b").is_valid());
        assert!(!scope("a b").is_valid() && !scope("").is_valid() && !scope("a\tb").is_valid());
        let id = |name: &str, value: Value| {
            let add = [(name.to_owned(), value)].into_iter().collect();
            Overrides { id: ClaimChanges { add, suppress: vec![] }, ..Overrides::default() }
        };
        for name in PLAIN {
            assert!(id(name, json!("text")).is_valid() && id(name, json!(true)).is_valid());
            assert!(!id(name, json!({})).is_valid() && !id(name, json!([])).is_valid(), "{name}");
        }
        assert!(id("plan", json!({})).is_valid());
        let many = |number: usize| (0..number).map(|number| number.to_string()).collect::<Vec<_>>();
        let suppress = |number| Overrides {
            access: ClaimChanges { add: Map::new(), suppress: many(number) },
            scopes_to_suppress: many(1),
            ..Overrides::default()
        };
        assert!(suppress(4_999).is_valid() && !suppress(5_000).is_valid());
    }

    proptest! {
        #[test]
        fn no_change_touches_what_is_protected(
            names in proptest::collection::vec("(sub|exp|iss|aud|scope|cognito:[a-z]{0,8}|dev:[a-z]|[a-z_:]{1,12})", 0..20),
            suppress in proptest::collection::vec("(sub|exp|iss|aud|scope|cognito:username|[a-z_:]{1,12})", 0..20),
        ) {
            let changes = ClaimChanges {
                add: names.into_iter().map(|name| (name, Value::from("forged"))).collect(),
                suppress,
            };
            let overrides = Overrides { id: changes.clone(), access: changes, ..Overrides::default() };
            let (id, access) = changed(&overrides);
            for (token, original) in [(&id, changed(&Overrides::default()).0), (&access, changed(&Overrides::default()).1)] {
                for (name, value) in original.as_object().unwrap() {
                    if is_protected(name) || name == "cognito:username" {
                        prop_assert_eq!(token.get(name), Some(value));
                    }
                }
                for name in token.as_object().unwrap().keys() {
                    let was_there = original.get(name).is_some();
                    prop_assert!(was_there || !is_protected(name) && !name.starts_with("cognito:") && !name.starts_with("dev:"));
                }
            }
        }
    }
}
