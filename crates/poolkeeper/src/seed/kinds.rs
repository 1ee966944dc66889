//! What can be made, changed and read through operations, and how the request of one becomes that of another.

use serde_json::{Map, Value as Json};
use wire::Operation;

use super::{plan::PartOfPool, shape::members};

/// How things of a kind are read, made and changed.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name, singular and plural.
    pub noun: (&'static str, &'static str),
    /// Shows one.
    pub read: Operation,
    /// Where the answer has it; empty for the answer itself.
    pub found_at: &'static str,
    /// Makes one; nothing where there always is one.
    pub create: Option<Operation>,
    /// Changes one.
    pub update: Operation,
}

/// User pools. Their update leaves them alone when nothing would change.
pub const POOL: Kind = Kind {
    noun: ("user pool", "user pools"),
    read: Operation::DescribeUserPool,
    found_at: "/UserPool",
    create: Some(Operation::CreateUserPool),
    update: Operation::UpdateUserPool,
};

/// Clients. Their update leaves them alone when nothing would change.
pub const CLIENT: Kind = Kind {
    noun: ("client", "clients"),
    read: Operation::DescribeUserPoolClient,
    found_at: "/UserPoolClient",
    create: Some(Operation::CreateUserPoolClient),
    update: Operation::UpdateUserPoolClient,
};

/// The factors of a pool.
pub const MFA: Kind = Kind {
    noun: ("MFA configuration", "MFA configurations"),
    read: Operation::GetUserPoolMfaConfig,
    found_at: "",
    create: None,
    update: Operation::SetUserPoolMfaConfig,
};

/// Groups.
pub const GROUP: Kind = Kind {
    noun: ("group", "groups"),
    read: Operation::GetGroup,
    found_at: "/Group",
    create: Some(Operation::CreateGroup),
    update: Operation::UpdateGroup,
};

/// The other parts of a pool.
pub const fn part(part: PartOfPool) -> Kind {
    match part {
        PartOfPool::ResourceServer => Kind {
            noun: ("resource server", "resource servers"),
            read: Operation::DescribeResourceServer,
            found_at: "/ResourceServer",
            create: Some(Operation::CreateResourceServer),
            update: Operation::UpdateResourceServer,
        },
        PartOfPool::IdentityProvider => Kind {
            noun: ("identity provider", "identity providers"),
            read: Operation::DescribeIdentityProvider,
            found_at: "/IdentityProvider",
            create: Some(Operation::CreateIdentityProvider),
            update: Operation::UpdateIdentityProvider,
        },
        PartOfPool::Domain => Kind {
            noun: ("domain", "domains"),
            read: Operation::DescribeUserPoolDomain,
            found_at: "/DomainDescription",
            create: Some(Operation::CreateUserPoolDomain),
            update: Operation::UpdateUserPoolDomain,
        },
    }
}

/// Those members that an operation takes.
pub fn request(operation: Operation, wanted: &Map<String, Json>) -> Json {
    let takes = |name: &str| members(operation).iter().any(|member| member.name == name);
    wanted.iter().filter(|(name, _)| takes(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Whether what was found has everything that is wanted: whatever a map has beside it may be there too, and lists are
/// the same in any order.
pub fn covers(found: &Json, wanted: &Json) -> bool {
    match (found, wanted) {
        (Json::Object(found), Json::Object(wanted)) => {
            wanted.iter().all(|(name, wanted)| found.get(name).is_some_and(|found| covers(found, wanted)))
        }
        (Json::Array(found), Json::Array(wanted)) => {
            found.len() == wanted.len() && wanted.iter().all(|wanted| found.iter().any(|found| covers(found, wanted)))
        }
        _ => found == wanted,
    }
}

/// Takes what an operation says that this version does not support out of a request: the first member of that name at
/// any depth, or the one value of its list that is meant. `what` is the message's, such as `LambdaConfig.PreSignUp` or
/// `ExplicitAuthFlows ALLOW_USER_AUTH`. False when there is nothing like it.
pub fn drop_unsupported(request: &mut Json, what: &str) -> bool {
    let (path, value) = what.split_once(' ').unwrap_or((what, ""));
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    let Json::Object(members) = request else {
        return request.as_array_mut().is_some_and(|items| items.iter_mut().any(|item| drop_unsupported(item, what)));
    };
    let Some(found) = members.get_mut(name) else {
        return members.values_mut().any(|member| drop_unsupported(member, what));
    };
    let inner = if value.is_empty() { rest.to_owned() } else { format!("{rest} {value}") };
    if !rest.is_empty() && found.is_object() {
        return drop_unsupported(found, &inner);
    }
    if let Some(items) = found.as_array_mut() {
        let before = items.len();
        items.retain(|item| item != value);
        if items.len() != before && !items.is_empty() {
            return true;
        }
    }
    members.shift_remove(name);
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{covers, drop_unsupported};

    #[test]
    fn what_is_wanted_may_be_less_than_what_is_there() {
        let found =
            json!({"Policies": {"PasswordPolicy": {"MinimumLength": 8, "RequireSymbols": true}}, "L": ["a", "b"]});
        assert!(covers(&found, &json!({"Policies": {"PasswordPolicy": {"MinimumLength": 8}}, "L": ["b", "a"]})));
        for other in [
            json!({"Policies": {"PasswordPolicy": {"MinimumLength": 9}}}),
            json!({"L": ["a"]}),
            json!({"L": ["a", "c"]}),
            json!({"New": 1}),
        ] {
            assert!(!covers(&found, &other), "{other}");
        }
    }

    #[test]
    fn what_is_not_supported_is_taken_out() {
        let request = json!({
            "PoolName": "x",
            "LambdaConfig": {"PreSignUp": "a", "PostConfirmation": "b"},
            "Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}},
            "KeyConfiguration": {"KeyType": "CUSTOMER_MANAGED_KEY"},
            "DeviceConfiguration": {"x": 1},
        });
        for (what, gone) in [
            ("LambdaConfig.PreSignUp", "/LambdaConfig/PreSignUp"),
            ("DeviceConfiguration", "/DeviceConfiguration"),
            ("KeyType CUSTOMER_MANAGED_KEY", "/KeyConfiguration/KeyType"),
            ("AllowedFirstAuthFactors EMAIL_OTP", "/Policies/SignInPolicy/AllowedFirstAuthFactors/1"),
        ] {
            let mut less = request.clone();
            assert!(drop_unsupported(&mut less, what), "{what}");
            assert!(request.pointer(gone).is_some() && less.pointer(gone).is_none(), "{what}: {less}");
        }
        assert!(!drop_unsupported(&mut request.clone(), "Something else"));
    }
}
