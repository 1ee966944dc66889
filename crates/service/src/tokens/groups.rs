//! What tokens say of their user's groups (accounts.md §17, auth-flows.md §17): `cognito:groups`, `cognito:roles` and
//! `cognito:preferred_role`, as the groups are when the tokens are made.

use domain::{Group, User};

use crate::{ApiError, Ctx};

/// Most groups that a user is in.
pub const MOST_GROUPS: usize = 100;

/// The claims. A claim that would be empty is left out of tokens.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GroupClaims {
    /// Names, the group that counts most first.
    pub groups: Vec<String>,
    /// Roles, each once, in the same order.
    pub roles: Vec<String>,
    /// The role of the group that counts most.
    pub preferred_role: Option<String>,
}

/// The claims of a user's tokens: one read.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn claims(ctx: &Ctx, user: &User) -> Result<GroupClaims, ApiError> {
    let groups = ctx.app.store.groups_of_user(&user.pool_id, &user.sub, None, MOST_GROUPS).await?;
    Ok(claims_of(groups.into_iter().map(|group| group.value).collect()))
}

/// Decision: groups and roles are in the order of precedence, then of names; groups without a precedence come last, all
/// alike; a group without a role has no say in the preferred one.
fn claims_of(mut groups: Vec<Group>) -> GroupClaims {
    let precedence = |group: &Group| group.precedence.unwrap_or(i64::MAX);
    // Stable: they come by name.
    groups.sort_by_key(precedence);
    let mut with_role = groups.iter().filter_map(|group| Some((precedence(group), group.role_arn.as_ref()?)));
    let first = with_role.next();
    let is_undecided = with_role
        .any(|(precedence, role)| first.is_some_and(|(lowest, preferred)| precedence == lowest && role != preferred));
    let preferred_role = first.filter(|_| !is_undecided).map(|(_, role)| role.clone());
    let mut roles: Vec<String> = Vec::new();
    for role in groups.iter().filter_map(|group| group.role_arn.as_ref()) {
        if !roles.contains(role) {
            roles.push(role.clone());
        }
    }
    GroupClaims { groups: groups.into_iter().map(|group| group.name).collect(), roles, preferred_role }
}

#[cfg(test)]
mod tests {
    use domain::Group;
    use wire::Timestamp;

    use super::claims_of;

    fn group(name: &str, precedence: Option<i64>, role: Option<&str>) -> Group {
        Group {
            pool_id: String::new(),
            name: name.to_owned(),
            id: name.to_owned(),
            description: None,
            role_arn: role.map(str::to_owned),
            precedence,
            created_at: Timestamp(0),
            modified_at: Timestamp(0),
        }
    }

    #[test]
    fn the_group_that_counts_most_lends_its_role() {
        for (groups, names, roles, preferred) in [
            (vec![], "", "", None),
            (vec![group("a", None, None)], "a", "", None),
            (vec![group("a", None, Some("r1"))], "a", "r1", Some("r1")),
            (vec![group("a", Some(2), Some("r1")), group("b", Some(1), Some("r2"))], "b a", "r2 r1", Some("r2")),
            (vec![group("a", None, Some("r1")), group("b", Some(9), Some("r2"))], "b a", "r2 r1", Some("r2")),
            // A tie.
            (vec![group("a", Some(1), Some("r1")), group("b", Some(1), Some("r2"))], "a b", "r1 r2", None),
            (vec![group("a", None, Some("r1")), group("b", None, Some("r2"))], "a b", "r1 r2", None),
            // One without consequences: the same role, or not the lowest number, or no role at all.
            (vec![group("a", Some(1), Some("r1")), group("b", Some(1), Some("r1"))], "a b", "r1", Some("r1")),
            (
                vec![group("a", Some(2), Some("r1")), group("b", Some(2), Some("r2")), group("c", Some(0), Some("r3"))],
                "c a b",
                "r3 r1 r2",
                Some("r3"),
            ),
            (vec![group("a", Some(0), None), group("b", Some(1), Some("r2"))], "a b", "r2", Some("r2")),
        ] {
            let claims = claims_of(groups);
            assert_eq!(claims.groups.join(" "), names);
            assert_eq!(claims.roles.join(" "), roles, "{names}");
            assert_eq!(claims.preferred_role.as_deref(), preferred, "{names}");
        }
    }
}
