//! Risk configuration of a pool or of one of its clients (triggers-security.md §15.1): what is done about risks.
//!
//! Decisions, as the reference does not settle them:
//! - A client's settings and its pool's are put together by their three members: a member that the client has set counts
//!   as a whole, one that it has not set is the pool's.
//! - A member that neither has set is what the service's console begins with: stolen passwords are refused on every
//!   occasion, sign-ins of any risk are refused, nobody is told, and no address is an exception.
//! - Of a takeover configuration that is set, a level that it leaves out is let through: whoever set it has named the
//!   levels for which something is done.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use wire::{
    AccountTakeoverActionType, AccountTakeoverEventActionType, AccountTakeoverRiskConfigurationType,
    CompromisedCredentialsEventActionType, CompromisedCredentialsRiskConfigurationType, EventFilterType,
    NotifyConfigurationType, RiskExceptionConfigurationType, RiskLevelType, Timestamp,
};

use crate::{Client, Network, Pool};

/// The occasions on which stolen passwords are looked for where nobody has chosen some of them: all.
pub const OCCASIONS: [EventFilterType; 3] =
    [EventFilterType::SignIn, EventFilterType::PasswordChange, EventFilterType::SignUp];
/// What is done about stolen passwords where nobody has set it.
const UNSET_COMPROMISED: CompromisedCredentialsEventActionType = CompromisedCredentialsEventActionType::Block;
/// What is done about a sign-in of any risk where nobody has set it.
const UNSET_TAKEOVER: AccountTakeoverActionType =
    AccountTakeoverActionType { notify: false, event_action: AccountTakeoverEventActionType::Block };
/// What is done about a level that a takeover configuration leaves out.
const UNSET_LEVEL: AccountTakeoverActionType =
    AccountTakeoverActionType { notify: false, event_action: AccountTakeoverEventActionType::NoAction };

/// What SetRiskConfiguration has set for a pool, or for a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskSettings {
    /// What is done about passwords that are known to be stolen.
    pub compromised: Option<CompromisedCredentialsRiskConfigurationType>,
    /// What is done about sign-ins that may be somebody else's.
    pub takeover: Option<AccountTakeoverRiskConfigurationType>,
    /// Addresses that are always refused, or never looked at.
    pub exceptions: Option<RiskExceptionConfigurationType>,
    /// When it was set.
    pub modified_at: Timestamp,
}

/// The settings that count for a client.
#[derive(Clone, Copy, Debug)]
pub struct RiskRules<'a> {
    pool: Option<&'a RiskSettings>,
    client: Option<&'a RiskSettings>,
}

impl<'a> RiskRules<'a> {
    /// Those of this client of this pool.
    #[must_use]
    pub const fn of(pool: &'a Pool, client: &'a Client) -> Self {
        Self { pool: pool.risk.as_ref(), client: client.risk.as_ref() }
    }

    /// What is done about a sign-in of this risk.
    #[must_use]
    pub fn action(&self, level: RiskLevelType) -> AccountTakeoverActionType {
        let Some(takeover) = self.takeover() else { return UNSET_TAKEOVER };
        let actions = &takeover.actions;
        let action = match level {
            RiskLevelType::Low => &actions.low_action,
            RiskLevelType::Medium => &actions.medium_action,
            RiskLevelType::High => &actions.high_action,
        };
        action.clone().unwrap_or(UNSET_LEVEL)
    }

    /// Whether a stolen password is refused on this occasion.
    #[must_use]
    pub fn blocks_compromised(&self, occasion: EventFilterType) -> bool {
        let action = self.compromised().map_or(UNSET_COMPROMISED, |compromised| compromised.actions.event_action);
        self.looks_for_compromised(occasion) && action == CompromisedCredentialsEventActionType::Block
    }

    /// Whether stolen passwords are looked for on this occasion.
    #[must_use]
    pub fn looks_for_compromised(&self, occasion: EventFilterType) -> bool {
        let chosen = self.compromised().and_then(|compromised| compromised.event_filter.as_deref());
        chosen.unwrap_or(&OCCASIONS).contains(&occasion)
    }

    /// Whether everything from this address is refused, also where [`is_skipped`](Self::is_skipped) says so of it.
    #[must_use]
    pub fn is_blocked(&self, address: IpAddr) -> bool {
        let ranges = self.exceptions().and_then(|exceptions| exceptions.blocked_ip_range_list.as_deref());
        is_in(address, ranges)
    }

    /// Whether the risk of what comes from this address is not looked at.
    #[must_use]
    pub fn is_skipped(&self, address: IpAddr) -> bool {
        let ranges = self.exceptions().and_then(|exceptions| exceptions.skipped_ip_range_list.as_deref());
        is_in(address, ranges)
    }

    /// How users are told.
    #[must_use]
    pub fn notify(&self) -> Option<&'a NotifyConfigurationType> {
        self.takeover()?.notify_configuration.as_ref()
    }

    fn compromised(&self) -> Option<&'a CompromisedCredentialsRiskConfigurationType> {
        self.first(|settings| settings.compromised.as_ref())
    }

    fn takeover(&self) -> Option<&'a AccountTakeoverRiskConfigurationType> {
        self.first(|settings| settings.takeover.as_ref())
    }

    fn exceptions(&self) -> Option<&'a RiskExceptionConfigurationType> {
        self.first(|settings| settings.exceptions.as_ref())
    }

    /// A member of the client's settings, or of the pool's.
    fn first<T>(&self, member: impl Fn(&'a RiskSettings) -> Option<&'a T>) -> Option<&'a T> {
        self.client.and_then(&member).or_else(|| self.pool.and_then(&member))
    }
}

/// Whether an address is in one of these ranges, which were looked at when they were set.
fn is_in(address: IpAddr, ranges: Option<&[String]>) -> bool {
    let mut networks = ranges.into_iter().flatten().filter_map(|range| range.parse::<Network>().ok());
    networks.any(|network| network.contains(address))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use wire::{
        AccountTakeoverEventActionType::{Block, MfaIfConfigured, MfaRequired, NoAction},
        EventFilterType::{PasswordChange, SignIn, SignUp},
        RiskLevelType::{High, Low, Medium},
        Timestamp,
    };

    use super::{OCCASIONS, RiskRules, RiskSettings};

    fn settings(compromised: &Value, takeover: &Value, exceptions: &Value) -> RiskSettings {
        RiskSettings {
            compromised: serde_json::from_value(compromised.clone()).unwrap(),
            takeover: serde_json::from_value(takeover.clone()).unwrap(),
            exceptions: serde_json::from_value(exceptions.clone()).unwrap(),
            modified_at: Timestamp(0),
        }
    }

    fn action(action: &str, notify: bool) -> Value {
        json!({"EventAction": action, "Notify": notify})
    }

    #[test]
    fn where_nothing_is_set_everything_is_refused_and_nobody_told() {
        let empty = settings(&Value::Null, &Value::Null, &Value::Null);
        for rules in [
            RiskRules { pool: None, client: None },
            RiskRules { pool: Some(&empty), client: None },
            RiskRules { pool: Some(&empty), client: Some(&empty) },
        ] {
            for level in [Low, Medium, High] {
                let action = rules.action(level);
                assert_eq!((action.event_action, action.notify), (Block, false));
            }
            assert!(OCCASIONS.into_iter().all(|occasion| rules.blocks_compromised(occasion)));
            assert!(!rules.is_blocked("192.0.2.1".parse().unwrap()));
            assert!(!rules.is_skipped("192.0.2.1".parse().unwrap()));
            assert_eq!(rules.notify(), None);
        }
    }

    #[test]
    fn each_level_has_its_action_and_one_that_is_left_out_has_none() {
        let takeover = json!({
            "Actions": {"LowAction": action("MFA_IF_CONFIGURED", true), "HighAction": action("MFA_REQUIRED", false)},
            "NotifyConfiguration": {"SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/example.com"},
        });
        let pool = settings(&Value::Null, &takeover, &Value::Null);
        let rules = RiskRules { pool: Some(&pool), client: None };
        let actions = [Low, Medium, High].map(|level| rules.action(level)).map(|done| (done.event_action, done.notify));
        assert_eq!(actions, [(MfaIfConfigured, true), (NoAction, false), (MfaRequired, false)]);
        assert!(rules.notify().is_some());
    }

    #[test]
    fn stolen_passwords_are_looked_for_on_the_chosen_occasions() {
        let chosen = |filter: Value, action: &str| {
            settings(&json!({"EventFilter": filter, "Actions": {"EventAction": action}}), &Value::Null, &Value::Null)
        };
        let on = |settings: &RiskSettings| {
            let rules = RiskRules { pool: Some(settings), client: None };
            OCCASIONS.map(|occasion| (rules.looks_for_compromised(occasion), rules.blocks_compromised(occasion)))
        };
        assert_eq!(OCCASIONS, [SignIn, PasswordChange, SignUp]);
        assert_eq!(on(&chosen(json!(["SIGN_UP"]), "BLOCK")), [(false, false), (false, false), (true, true)]);
        assert_eq!(on(&chosen(json!(["SIGN_IN"]), "NO_ACTION")), [(true, false), (false, false), (false, false)]);
        assert_eq!(on(&chosen(Value::Null, "NO_ACTION")), [(true, false); 3]);
    }

    #[test]
    fn members_of_the_client_replace_those_of_the_pool() {
        let actions = |name: &str| json!({"Actions": {"LowAction": action(name, false)}});
        let pool = settings(
            &json!({"Actions": {"EventAction": "NO_ACTION"}}),
            &actions("NO_ACTION"),
            &json!({"BlockedIPRangeList": ["10.0.0.0/8"], "SkippedIPRangeList": ["192.0.2.0/24"]}),
        );
        let client = settings(&Value::Null, &actions("BLOCK"), &json!({"BlockedIPRangeList": ["2001:db8::/32"]}));
        let rules = RiskRules { pool: Some(&pool), client: Some(&client) };
        assert_eq!(rules.action(Low).event_action, Block);
        assert!(!rules.blocks_compromised(SignIn), "the pool's");
        assert!(rules.is_blocked("2001:db8::1".parse().unwrap()));
        for address in ["10.0.0.1", "192.0.2.1"] {
            let address = address.parse().unwrap();
            assert!(
                !rules.is_blocked(address) && !rules.is_skipped(address),
                "the client's exceptions count as a whole"
            );
        }
        let rules = RiskRules { pool: Some(&pool), client: None };
        assert!(rules.is_blocked("::ffff:10.0.0.1".parse().unwrap()) && rules.is_skipped("192.0.2.1".parse().unwrap()));
    }

    proptest! {
        /// Also where a list holds what is no range, which nobody can set.
        #[test]
        fn an_address_is_in_a_list_when_one_of_its_ranges_has_it(
            ranges in proptest::collection::vec("(10\\.[0-3]\\.0\\.0/(14|15|16)|fd00::/[0-9]|nonsense)", 0..6),
            address in "(10\\.[0-3]\\.0\\.1|fd00::1)",
        ) {
            let lists = json!({"BlockedIPRangeList": &ranges, "SkippedIPRangeList": []});
            let pool = settings(&Value::Null, &Value::Null, &lists);
            let rules = RiskRules { pool: Some(&pool), client: None };
            let address = address.parse().unwrap();
            let alone = |range: &String| {
                let lists = json!({"BlockedIPRangeList": [range]});
                let pool = settings(&Value::Null, &Value::Null, &lists);
                RiskRules { pool: Some(&pool), client: None }.is_blocked(address)
            };
            prop_assert_eq!(rules.is_blocked(address), ranges.iter().any(alone));
            prop_assert!(!rules.is_skipped(address));
        }
    }
}
