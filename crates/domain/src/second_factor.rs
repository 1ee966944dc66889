//! Which second factor a sign-in is asked for (auth-flows.md §13), as one decision from what the pool says, what the
//! user has, and what the sign-in has proven.

use wire::{EmailSendingAccountType, RecoveryOptionNameType, UserPoolMfaType};

use crate::{
    Factor, Level, Medium, MfaMethod, Pool, User,
    assurance::{self, Means},
};

/// What a sign-in has to do about a second factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// Answer with this one.
    Ask(MfaMethod),
    /// Choose one of these; more than one.
    Choose(Vec<MfaMethod>),
    /// Set up one of these; at least one.
    SetUp(Vec<MfaMethod>),
    /// One is demanded, and there is none that the user could answer with or set up.
    Impossible,
}

/// What is due after `proven`; `has_token` says whether the user has a software token that is verified.
///
/// Only who signs in with a password is asked for a second factor. A code or a passkey as the first factor is never
/// followed by one, nor are challenges of the pool's own: whether they may be used is decided before they are issued.
#[must_use]
pub fn due(pool: &Pool, user: &User, has_token: bool, proven: &[Factor]) -> Due {
    if pool.mfa() == UserPoolMfaType::Off || !is_asked_for(proven) {
        return Due::Nothing;
    }
    let usable = usable(pool, user, has_token);
    if let Some(preferred) = user.mfa.preferred.filter(|preferred| usable.contains(preferred)) {
        return Due::Ask(preferred);
    }
    if !usable.is_empty() {
        return one_of(usable);
    }
    if pool.mfa() == UserPoolMfaType::On {
        return required(pool, user, has_token);
    }
    // Decision: a factor that is switched on and has lost its address or its token is not as good as none. (What a
    // user has verified and not switched on is not asked for: clients switch it on with SetUserMFAPreference.)
    if user.mfa.methods().is_empty() { Due::Nothing } else { Due::Impossible }
}

/// What is due after `proven` in a sign-in that is risky: whoever has something at hand answers with it, whether it is
/// switched on or not, wherever the pool asks for second factors at all. `Due::Impossible` says that a password was
/// proven, and nothing can follow it.
#[must_use]
pub fn due_at_risk(pool: &Pool, user: &User, has_token: bool, proven: &[Factor]) -> Due {
    let due = due(pool, user, has_token, proven);
    if due != Due::Nothing || !is_asked_for(proven) {
        return due;
    }
    if pool.mfa() == UserPoolMfaType::Off {
        return Due::Impossible;
    }
    match required(pool, user, has_token) {
        Due::SetUp(_) => Due::Impossible,
        due => due,
    }
}

/// What is due after `proven` in a sign-in that aims at a level of assurance: what leads there, and never less than what
/// a password is followed by anyway. Nothing is set up on the way (auth-flows.md §16).
#[must_use]
pub fn due_toward(target: Level, pool: &Pool, user: &User, has_token: bool, proven: &[Factor]) -> Due {
    let at_hand = at_hand(pool, user, has_token);
    let second = at_hand.clone();
    let missing = assurance::next(proven, &Means { first: Vec::new(), second }, target);
    let wanted: Vec<_> = at_hand.iter().copied().filter(|method| missing.contains(&method.factor())).collect();
    if let Some(preferred) = user.mfa.preferred.filter(|preferred| wanted.contains(preferred)) {
        return Due::Ask(preferred);
    }
    if !wanted.is_empty() {
        return one_of(wanted);
    }
    if assurance::level(proven) < Some(target) {
        return Due::Impossible;
    }
    // What was proven before this sign-in counts only where it is what would be asked for now.
    let counts = |factor: &Factor| match factor {
        Factor::SoftwareToken | Factor::Sms | Factor::Email => at_hand.iter().any(|method| method.factor() == *factor),
        _ => true,
    };
    let proven: Vec<_> = proven.iter().copied().filter(counts).collect();
    match due(pool, user, has_token, &proven) {
        Due::SetUp(_) => Due::Impossible,
        due => due,
    }
}

/// The methods with which a user can follow up a password, whether that is demanded or not: software tokens that are
/// verified, what is switched on, what the pool would ask for, and, where it would ask for nothing, the codes that it
/// takes as first factors. None, where something would have to be set up first.
#[must_use]
pub fn at_hand(pool: &Pool, user: &User, has_token: bool) -> Vec<MfaMethod> {
    let demanded = match due(pool, user, has_token, &[Factor::Password]) {
        Due::Nothing => Vec::new(),
        Due::Ask(method) => vec![method],
        Due::Choose(methods) => methods,
        Due::SetUp(_) | Due::Impossible => return Vec::new(),
    };
    let usable = usable(pool, user, has_token);
    let is_at_hand = |method: &MfaMethod| {
        let is_first = |medium| pool.takes_codes_first(medium) && user.address(medium).is_some();
        match medium_of(*method) {
            None => has_token,
            Some(medium) => {
                demanded.contains(method) || usable.contains(method) || demanded.is_empty() && is_first(medium)
            }
        }
    };
    MfaMethod::ALL.into_iter().filter(is_at_hand).collect()
}

/// The methods that the user has switched on and can answer with.
#[must_use]
pub fn usable(pool: &Pool, user: &User, has_token: bool) -> Vec<MfaMethod> {
    let is_usable = |method: &MfaMethod| match medium_of(*method) {
        // One that was verified is used on when the pool stops offering it.
        None => has_token,
        Some(medium) => pool.offers(*method) && user.address(medium).is_some(),
    };
    user.mfa.methods().into_iter().filter(is_usable).collect()
}

/// How the codes of a method travel; none for those that an app makes.
#[must_use]
pub const fn medium_of(method: MfaMethod) -> Option<Medium> {
    match method {
        MfaMethod::Sms => Some(Medium::Sms),
        MfaMethod::SoftwareToken => None,
        MfaMethod::Email => Some(Medium::Email),
    }
}

/// Whether a password was proven, and nothing beside it.
fn is_asked_for(proven: &[Factor]) -> bool {
    let is_second = |factor: &Factor| match factor {
        Factor::SoftwareToken | Factor::Sms | Factor::Email | Factor::Device => true,
        Factor::PlatformPasskey | Factor::RoamingPasskey => true,
        Factor::Password | Factor::Custom | Factor::Provider => false,
    };
    proven.contains(&Factor::Password) && !proven.iter().any(is_second)
}

/// For a user who has switched nothing on, in a pool that demands a second factor: whatever is at hand.
fn required(pool: &Pool, user: &User, has_token: bool) -> Due {
    let is_eligible = |method: MfaMethod| pool.offers(method) && Some(method) != recovery_method(pool);
    let at_hand = |method: &MfaMethod| match medium_of(*method) {
        None => has_token && pool.offers(*method),
        Some(medium) => is_eligible(*method) && user.address(medium).is_some(),
    };
    let at_hand: Vec<_> = MfaMethod::ALL.into_iter().filter(at_hand).collect();
    if !at_hand.is_empty() {
        return one_of(at_hand);
    }
    let has_address = [Medium::Sms, Medium::Email].into_iter().any(|medium| user.address(medium).is_some());
    // Decision: a user whose only address is the one that recovers the account cannot sign in; where the pool offers
    // software tokens, that user sets one up instead, as one does whose address is of no use for another reason.
    let can_set_up = |method: &MfaMethod| is_eligible(*method) && (!has_address || *method == MfaMethod::SoftwareToken);
    let to_set_up: Vec<_> = MfaMethod::ALL.into_iter().filter(can_set_up).collect();
    if to_set_up.is_empty() { Due::Impossible } else { Due::SetUp(to_set_up) }
}

fn one_of(methods: Vec<MfaMethod>) -> Due {
    match methods.as_slice() {
        [only] => Due::Ask(*only),
        _ => Due::Choose(methods),
    }
}

/// The method whose address is the first that recovers an account: it would make one factor of two. None in the
/// legacy order, which excludes nothing, and where recovery is left to administrators.
fn recovery_method(pool: &Pool) -> Option<MfaMethod> {
    let first = pool.recovery.iter().flatten().min_by_key(|option| option.priority)?;
    match first.name {
        RecoveryOptionNameType::VerifiedEmail => Some(MfaMethod::Email),
        RecoveryOptionNameType::VerifiedPhoneNumber => Some(MfaMethod::Sms),
        RecoveryOptionNameType::AdminOnly => None,
    }
}

impl Pool {
    /// `MfaConfiguration`.
    #[must_use]
    pub fn mfa(&self) -> UserPoolMfaType {
        self.factors.mfa.unwrap_or(UserPoolMfaType::Off)
    }

    /// Whether the pool has what a method needs. It says nothing about whether second factors are asked for at all.
    #[must_use]
    pub fn offers(&self, method: MfaMethod) -> bool {
        match method {
            MfaMethod::Sms => self.sms.is_some(),
            MfaMethod::SoftwareToken => self.factors.software_token == Some(true),
            MfaMethod::Email => self.factors.email.is_some() && self.sends_own_mail(),
        }
    }

    /// Whether mail leaves by the pool's own sender, as codes of second factors must.
    #[must_use]
    pub fn sends_own_mail(&self) -> bool {
        self.email.email_sending_account == Some(EmailSendingAccountType::Developer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wire::UserPoolMfaType::{self, Off, On, Optional};

    use super::{Due, due};
    use crate::{
        Factor,
        MfaMethod::{self, Email, Sms, SoftwareToken},
        MfaPreference, Pool, User,
    };

    /// A pool that offers these methods; `recovery` names its mechanisms by priority, nothing is the legacy order.
    fn pool(mfa: UserPoolMfaType, offers: &[MfaMethod], recovery: &[&str]) -> Pool {
        let options: Vec<_> =
            recovery.iter().zip(1..).map(|(name, priority)| json!({"Name": name, "Priority": priority})).collect();
        let email = if offers.contains(&Email) { json!({"EmailSendingAccount": "DEVELOPER"}) } else { json!({}) };
        serde_json::from_value(json!({
            "id": "eu-west-1_Pool", "name": "p", "created_at": 0, "modified_at": 0, "deletion_protected": false,
            "password_policy": crate::PasswordPolicy::default(), "schema": [], "alias_attributes": [],
            "username_attributes": [], "auto_verified_attributes": [], "verification_before_update": [],
            "verification_template": {}, "admin_create_user_only": false, "tags": {}, "tier": "ESSENTIALS",
            "recovery": (!options.is_empty()).then_some(options),
            "email": email,
            "sms": offers.contains(&Sms).then(|| json!({"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"})),
            "factors": {
                "mfa": mfa,
                "software_token": offers.contains(&SoftwareToken),
                "email": offers.contains(&Email).then(|| json!({})),
            },
        }))
        .unwrap()
    }

    /// A user with addresses for these methods, and a token where it is among them.
    fn user(has: &[MfaMethod], switched_on: &[MfaMethod], preferred: Option<MfaMethod>) -> User {
        let addresses = [(Email, "email", "a@example.com"), (Sms, "phone_number", "+12065550100")];
        let attributes = addresses.iter().filter(|(method, ..)| has.contains(method));
        serde_json::from_value(json!({
            "pool_id": "eu-west-1_Pool", "sub": "s", "username": "u", "status": "CONFIRMED", "enabled": true,
            "attributes": attributes.map(|(_, name, value)| (*name, *value)).collect::<std::collections::BTreeMap<_, _>>(),
            "created_at": 0, "modified_at": 0,
            "mfa": MfaPreference {
                sms: switched_on.contains(&Sms),
                software_token: switched_on.contains(&SoftwareToken),
                email: switched_on.contains(&Email),
                preferred,
                ..MfaPreference::default()
            },
        }))
        .unwrap()
    }

    type Methods = &'static [MfaMethod];
    const ALL: Methods = &MfaMethod::ALL;

    #[test]
    fn users_who_have_switched_something_on() {
        let impossible = || Due::Impossible;
        #[rustfmt::skip]
        let rows: [(UserPoolMfaType, Methods, Methods, Methods, Option<MfaMethod>, Due); 20] = [
            // Pool, what it offers, what the user has, has switched on, prefers.
            (Off,      ALL,              ALL,                ALL,                   Some(Sms),           Due::Nothing),
            (Optional, ALL,              ALL,                &[],                   None,                Due::Nothing),
            (Optional, ALL,              ALL,                ALL,                   Some(Sms),           Due::Ask(Sms)),
            (Optional, ALL,              ALL,                ALL,                   Some(Email),         Due::Ask(Email)),
            (On,       ALL,              ALL,                ALL,                   Some(SoftwareToken), Due::Ask(SoftwareToken)),
            (On,       ALL,              ALL,                ALL,                   Some(Email),         Due::Ask(Email)),
            (Optional, ALL,              ALL,                ALL,                   None,                Due::Choose(ALL.to_vec())),
            (On,       ALL,              ALL,                &[Email, Sms],         None,                Due::Choose(vec![Sms, Email])),
            (Optional, ALL,              ALL,                &[SoftwareToken],      None,                Due::Ask(SoftwareToken)),
            (On,       ALL,              ALL,                &[Sms],                None,                Due::Ask(Sms)),
            // Verified, never switched on.
            (Optional, ALL,              &[SoftwareToken],   &[],                   None,                Due::Nothing),
            // The pool has stopped offering it.
            (Optional, &[Sms],           &[SoftwareToken],   &[SoftwareToken],      Some(SoftwareToken), Due::Ask(SoftwareToken)),
            (On,       &[Sms],           &[SoftwareToken],   &[SoftwareToken],      None,                Due::Ask(SoftwareToken)),
            // What is switched on has lost its address or its token.
            (Optional, ALL,              &[Email],           &[Sms],                Some(Sms),           impossible()),
            (Optional, ALL,              &[],                &[SoftwareToken],      Some(SoftwareToken), impossible()),
            (Optional, ALL,              &[Email],           &[Sms, Email],         Some(Sms),           Due::Ask(Email)),
            (Optional, ALL,              &[Email, SoftwareToken], ALL,              Some(Sms),           Due::Choose(vec![SoftwareToken, Email])),
            (On,       ALL,              &[Email],           &[Sms],                Some(Sms),           Due::Ask(Email)),
            (On,       ALL,              &[],                &[SoftwareToken],      Some(SoftwareToken), Due::SetUp(ALL.to_vec())),
            (Optional, &[SoftwareToken], &[Email],           &[Email],              Some(Email),         impossible()),
        ];
        for (mfa, offers, has, switched_on, preferred, expected) in rows {
            let user = user(has, switched_on, preferred);
            let found = due(&pool(mfa, offers, &[]), &user, has.contains(&SoftwareToken), &[Factor::Password]);
            assert_eq!(found, expected, "{mfa:?} {offers:?} {has:?} {switched_on:?} {preferred:?}");
        }
    }

    #[test]
    fn users_of_whom_one_is_demanded_and_who_have_switched_on_none() {
        const EMAIL: &[&str] = &["verified_email"];
        const PHONE: &[&str] = &["verified_phone_number", "verified_email"];
        const ADMIN: &[&str] = &["admin_only"];
        let set_up_token = || Due::SetUp(vec![SoftwareToken]);
        #[rustfmt::skip]
        let rows: [(Methods, &[&str], Methods, Due); 24] = [
            // What the pool offers, what recovers accounts, what the user has.
            // A token alone.
            (ALL,                     EMAIL, &[SoftwareToken],        Due::Ask(SoftwareToken)),
            (ALL,                     EMAIL, &[SoftwareToken, Email], Due::Ask(SoftwareToken)),
            (&[SoftwareToken],        &[],   ALL,                     Due::Ask(SoftwareToken)),
            // A token and an address.
            (ALL,                     EMAIL, &[SoftwareToken, Sms],   Due::Choose(vec![Sms, SoftwareToken])),
            (ALL,                     &[],   ALL,                     Due::Choose(ALL.to_vec())),
            (ALL,                     PHONE, ALL,                     Due::Choose(vec![SoftwareToken, Email])),
            // A token that the pool does not offer any more.
            (&[Sms, Email],           EMAIL, &[SoftwareToken, Sms],   Due::Ask(Sms)),
            // The only address recovers the account.
            (&[Sms, Email],           EMAIL, &[Email],                Due::Impossible),
            (&[Sms, Email],           PHONE, &[Sms],                  Due::Impossible),
            (ALL,                     EMAIL, &[Email],                set_up_token()),
            // One other address.
            (&[Sms, Email],           EMAIL, &[Sms],                  Due::Ask(Sms)),
            (&[Sms, Email],           PHONE, &[Email],                Due::Ask(Email)),
            (ALL,                     &[],   &[Sms],                  Due::Ask(Sms)),
            (&[Sms],                  &[],   &[Sms, Email],           Due::Ask(Sms)),
            // An address of no use.
            (&[SoftwareToken],        &[],   &[Email],                set_up_token()),
            (&[Sms, SoftwareToken],   &[],   &[Email],                set_up_token()),
            (&[Sms],                  &[],   &[Email],                Due::Impossible),
            // Both addresses.
            (&[Sms, Email],           ADMIN, &[Sms, Email],           Due::Choose(vec![Sms, Email])),
            (&[Sms, Email],           &[],   &[Sms, Email],           Due::Choose(vec![Sms, Email])),
            (&[Sms, Email],           EMAIL, &[Sms, Email],           Due::Ask(Sms)),
            (&[Sms, Email],           PHONE, &[Sms, Email],           Due::Ask(Email)),
            // Nothing at all.
            (ALL,                     &[],   &[],                     Due::SetUp(ALL.to_vec())),
            (ALL,                     EMAIL, &[],                     Due::SetUp(vec![Sms, SoftwareToken])),
            (&[Email],                EMAIL, &[],                     Due::Impossible),
        ];
        for (offers, recovery, has, expected) in rows {
            let (user, has_token) = (user(has, &[], None), has.contains(&SoftwareToken));
            let found = due(&pool(On, offers, recovery), &user, has_token, &[Factor::Password]);
            assert_eq!(found, expected, "{offers:?} {recovery:?} {has:?}");
            // The same user is not asked where nothing is demanded.
            for mfa in [Off, Optional] {
                let found = due(&pool(mfa, offers, recovery), &user, has_token, &[Factor::Password]);
                assert_eq!(found, Due::Nothing, "{mfa:?} {offers:?} {recovery:?} {has:?}");
            }
        }
    }

    #[test]
    fn only_a_password_alone_is_followed_by_another_factor() {
        use Factor::{Custom, Device, Password, PlatformPasskey, RoamingPasskey};
        let (pool, user) = (pool(On, ALL, &[]), user(ALL, ALL, Some(Sms)));
        for (proven, is_asked) in [
            (&[Password][..], true),
            (&[Custom, Password], true),
            (&[Password, Custom], true),
            (&[], false),
            (&[Custom], false),
            (&[Factor::Email], false),
            (&[Factor::Sms], false),
            (&[PlatformPasskey], false),
            (&[RoamingPasskey], false),
            (&[Password, Device], false),
            (&[Password, Factor::Sms], false),
            (&[Password, Factor::Email], false),
            (&[Password, Factor::SoftwareToken], false),
            (&[Password, RoamingPasskey], false),
        ] {
            let expected = if is_asked { Due::Ask(Sms) } else { Due::Nothing };
            assert_eq!(due(&pool, &user, true, proven), expected, "{proven:?}");
        }
    }
}
