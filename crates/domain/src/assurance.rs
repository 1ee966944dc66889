//! How well a sign-in knows its user (auth-flows.md §16): the levels, the claims `acr` and `amr`, and what a sign-in
//! that aims at a level still has to prove.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::AcrLevelConfigType;

use crate::{Factor, MfaMethod, Pool};

/// A level of assurance; higher ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// A password.
    One,
    /// A code that was sent.
    Two,
    /// A passkey, or a password and a code that was sent.
    Three,
    /// A password and a code that an app made.
    Four,
}

impl Level {
    /// All of them, lowest first.
    pub const ALL: [Self; 4] = [Self::One, Self::Two, Self::Three, Self::Four];

    /// What `AcrConfiguration` calls it.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::One => "Level1",
            Self::Two => "Level2",
            Self::Three => "Level3",
            Self::Four => "Level4",
        }
    }

    /// What tokens call it where the pool has no name of its own.
    #[must_use]
    pub const fn default_name(self) -> &'static str {
        match self {
            Self::One => "urn:cognito:loa:1",
            Self::Two => "urn:cognito:loa:2",
            Self::Three => "urn:cognito:loa:3",
            Self::Four => "urn:cognito:loa:4",
        }
    }
}

/// What satisfies which level, the lowest first. A passkey stands for either kind.
const WAYS: [(Level, &[Factor]); 7] = [
    (Level::One, &[Factor::Password]),
    (Level::Two, &[Factor::Email]),
    (Level::Two, &[Factor::Sms]),
    (Level::Three, &[Factor::PlatformPasskey]),
    (Level::Three, &[Factor::Password, Factor::Sms]),
    (Level::Three, &[Factor::Password, Factor::Email]),
    (Level::Four, &[Factor::Password, Factor::SoftwareToken]),
];

/// The highest level that is satisfied; none for what no level knows, such as the pool's own challenges.
#[must_use]
pub fn level(proven: &[Factor]) -> Option<Level> {
    let is_satisfied = |way: &[Factor]| way.iter().all(|factor| has(proven, *factor));
    WAYS.iter().filter(|(_, way)| is_satisfied(way)).map(|(level, _)| *level).max()
}

/// What a user can prove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Means {
    /// What a sign-in can begin with.
    pub first: Vec<Factor>,
    /// What can follow a password.
    pub second: Vec<MfaMethod>,
}

/// What can be proven next on a way to `target`, or to more; a password comes before what follows it. Ways that ask
/// for more than another one are left out. Empty when the target is reached, and when it is out of reach.
#[must_use]
pub fn next(proven: &[Factor], means: &Means, target: Level) -> Vec<Factor> {
    if level(proven) >= Some(target) {
        return Vec::new();
    }
    let second = |factor: Factor| means.second.iter().any(|method| method.factor() == factor);
    let can = |factor: Factor, way: &[Factor]| {
        if way.len() > 1 && factor != Factor::Password { second(factor) } else { has(&means.first, factor) }
    };
    let missing = |way: &[Factor]| way.iter().copied().filter(|factor| !has(proven, *factor)).collect::<Vec<_>>();
    let open: Vec<Vec<Factor>> = WAYS
        .iter()
        .filter(|(level, _)| *level >= target)
        .filter(|(_, way)| missing(way).iter().all(|factor| can(*factor, way)))
        .map(|(_, way)| missing(way))
        .collect();
    let is_shortest = |way: &&Vec<Factor>| {
        !open.iter().any(|other| other.len() < way.len() && other.iter().all(|factor| way.contains(factor)))
    };
    let mut next = Vec::new();
    for factor in open.iter().filter(is_shortest).filter_map(|way| way.first()) {
        if !next.contains(factor) {
            next.push(*factor);
        }
    }
    next
}

/// Whether a factor is among those; a passkey of either kind is as good as one of the other.
fn has(factors: &[Factor], wanted: Factor) -> bool {
    factors.iter().any(|factor| *factor == wanted || factor.is_passkey() && wanted.is_passkey())
}

/// Values of the claim `amr`, in the order in which things were proven.
///
/// Decision: a remembered device takes the place of a second factor without being one; no value stands for it.
#[must_use]
pub fn amr(proven: &[Factor]) -> Vec<&'static str> {
    let mut values: Vec<_> = proven.iter().filter_map(|factor| factor.amr()).collect();
    if values.len() > 1 {
        values.push(SEVERAL);
    }
    values
}

/// What stands for more than one factor.
const SEVERAL: &str = "mfa";

/// What the values of a claim `amr` of ours say has been proven.
#[must_use]
pub fn proven_by(amr: &[String]) -> Vec<Factor> {
    const ALL: [Factor; 6] = [
        Factor::Password,
        Factor::SoftwareToken,
        Factor::Sms,
        Factor::Email,
        Factor::PlatformPasskey,
        Factor::RoamingPasskey,
    ];
    amr.iter().filter_map(|value| ALL.into_iter().find(|factor| factor.amr() == Some(value))).collect()
}

impl Factor {
    /// Its value in the claim `amr`.
    #[must_use]
    pub const fn amr(self) -> Option<&'static str> {
        match self {
            Self::Password => Some("pwd"),
            Self::SoftwareToken => Some("otp"),
            Self::Sms => Some("sms"),
            Self::Email => Some("email_otp"),
            Self::PlatformPasskey => Some("swk"),
            Self::RoamingPasskey => Some("hwk"),
            Self::Provider => Some("fed"),
            Self::Device | Self::Custom => None,
        }
    }

    const fn is_passkey(self) -> bool {
        matches!(self, Self::PlatformPasskey | Self::RoamingPasskey)
    }
}

impl MfaMethod {
    /// What it proves.
    #[must_use]
    pub const fn factor(self) -> Factor {
        match self {
            Self::Sms => Factor::Sms,
            Self::SoftwareToken => Factor::SoftwareToken,
            Self::Email => Factor::Email,
        }
    }
}

impl Pool {
    /// What tokens of this pool call a level.
    #[must_use]
    pub fn acr(&self, level: Level) -> &str {
        self.sign_in.levels.get(&level).map_or(level.default_name(), String::as_str)
    }

    /// The level that tokens of this pool call so.
    #[must_use]
    pub fn level_called(&self, acr: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| self.acr(*level) == acr)
    }

    /// `AcrConfiguration` as answers show it: all four names, where at least one was given.
    #[must_use]
    pub fn acr_configuration(&self) -> Option<BTreeMap<String, AcrLevelConfigType>> {
        let named =
            |level: Level| (level.key().to_owned(), AcrLevelConfigType { acr_value: self.acr(level).to_owned() });
        (!self.sign_in.levels.is_empty()).then(|| Level::ALL.into_iter().map(named).collect())
    }
}

#[cfg(test)]
mod tests {
    use Factor::{Custom, Device, Email, Password, PlatformPasskey, RoamingPasskey, Sms, SoftwareToken};

    use super::*;

    #[test]
    fn what_was_proven_has_a_level_and_names() {
        for (proven, expected, values) in [
            (&[][..], None, ""),
            (&[Custom], None, ""),
            (&[Device], None, ""),
            (&[SoftwareToken], None, "otp"),
            (&[Password], Some(Level::One), "pwd"),
            (&[Password, Device], Some(Level::One), "pwd"),
            (&[Password, Custom], Some(Level::One), "pwd"),
            (&[Email], Some(Level::Two), "email_otp"),
            (&[Sms], Some(Level::Two), "sms"),
            (&[Sms, Email], Some(Level::Two), "sms email_otp mfa"),
            (&[PlatformPasskey], Some(Level::Three), "swk"),
            (&[RoamingPasskey], Some(Level::Three), "hwk"),
            (&[Password, Sms], Some(Level::Three), "pwd sms mfa"),
            (&[Email, Password], Some(Level::Three), "email_otp pwd mfa"),
            (&[Password, RoamingPasskey], Some(Level::Three), "pwd hwk mfa"),
            (&[Password, SoftwareToken], Some(Level::Four), "pwd otp mfa"),
            (&[RoamingPasskey, Password, SoftwareToken], Some(Level::Four), "hwk pwd otp mfa"),
        ] {
            assert_eq!(level(proven), expected, "{proven:?}");
            let names = amr(proven);
            assert_eq!(names.join(" "), values, "{proven:?}");
            // What tokens say can be read back.
            let said: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            let known: Vec<_> = proven.iter().copied().filter(|factor| factor.amr().is_some()).collect();
            assert_eq!(proven_by(&said), known, "{proven:?}");
        }
        assert_eq!(proven_by(&["fed".to_owned(), "PWD".to_owned(), String::new()]), []);
    }

    #[test]
    fn what_is_missing_for_a_level() {
        use Level::{Four, One, Three, Two};
        const TOKEN: &[MfaMethod] = &[MfaMethod::SoftwareToken];
        const CODES: &[MfaMethod] = &[MfaMethod::Sms, MfaMethod::Email];
        type Row = (&'static [Factor], &'static [Factor], &'static [MfaMethod], Level, &'static [Factor]);
        #[rustfmt::skip]
        let rows: [Row; 24] = [
            // Proven, what the user can begin with, what can follow a password, target.
            (&[],                       &[Password],                TOKEN, One,   &[Password]),
            (&[],                       &[Password, Email],         TOKEN, One,   &[Password, Email]),
            (&[],                       &[Password, RoamingPasskey], TOKEN, One,  &[Password, PlatformPasskey]),
            (&[],                       &[Email],                   &[],   One,   &[Email]),
            (&[],                       &[Password],                &[],   Two,   &[]),
            (&[],                       &[Password],                TOKEN, Two,   &[Password]),
            (&[],                       &[Password, Email, Sms],    &[],   Two,   &[Email, Sms]),
            // A code to begin with is none that follows a password.
            (&[],                       &[Password, Email],         &[],   Three, &[]),
            (&[],                       &[Password, Email],         CODES, Three, &[Password]),
            (&[],                       &[Email],                   CODES, Three, &[]),
            (&[],                       &[Password, PlatformPasskey], CODES, Three, &[PlatformPasskey, Password]),
            (&[],                       &[Password, PlatformPasskey], CODES, Four, &[]),
            (&[],                       &[Password, PlatformPasskey], TOKEN, Four, &[Password]),
            (&[],                       &[PlatformPasskey],         TOKEN, Four,  &[]),
            // With something proven.
            (&[Password],               &[Password],                TOKEN, One,   &[]),
            (&[Password],               &[Password],                TOKEN, Two,   &[SoftwareToken]),
            (&[Password],               &[Password, Email],         TOKEN, Two,   &[Email, SoftwareToken]),
            (&[Password],               &[Password, RoamingPasskey], CODES, Three, &[PlatformPasskey, Sms, Email]),
            (&[Password, Sms],          &[Password],                TOKEN, Four,  &[SoftwareToken]),
            (&[Email],                  &[Password, Email],         CODES, Three, &[Password]),
            (&[Email],                  &[Password, Email],         TOKEN, Four,  &[Password]),
            (&[RoamingPasskey],         &[Password],                TOKEN, Four,  &[Password]),
            (&[RoamingPasskey],         &[Password],                TOKEN, Three, &[]),
            (&[Password, Device],       &[Password],                CODES, Three, &[Sms, Email]),
        ];
        for (proven, first, second, target, expected) in rows {
            let means = Means { first: first.to_vec(), second: second.to_vec() };
            assert_eq!(next(proven, &means, target), expected, "{proven:?} {first:?} {second:?} {target:?}");
        }
    }

    #[test]
    fn whoever_goes_on_reaches_the_target() {
        let firsts = [Password, Email, Sms, PlatformPasskey];
        for bits in 0_u32..1 << 10 {
            let chosen = |index: usize| bits & (1 << index) != 0;
            let first: Vec<_> = firsts.into_iter().enumerate().filter(|(i, _)| chosen(*i)).map(|(_, f)| f).collect();
            let second: Vec<_> =
                MfaMethod::ALL.into_iter().enumerate().filter(|(i, _)| chosen(i + 4)).map(|(_, m)| m).collect();
            let credit = [Password, Email, RoamingPasskey];
            let credit: Vec<_> =
                credit.into_iter().enumerate().filter(|(i, _)| chosen(i + 7)).map(|(_, f)| f).collect();
            let means = Means { first, second };
            for target in Level::ALL {
                for choice in next(&credit, &means, target) {
                    let (mut proven, mut pending) = (credit.clone(), Some(choice));
                    while let Some(factor) = pending {
                        assert!(!has(&proven, factor), "{means:?} {credit:?} {target:?} asks twice for {factor:?}");
                        proven.push(factor);
                        pending = next(&proven, &means, target).first().copied();
                    }
                    assert!(level(&proven) >= Some(target), "{means:?} {credit:?} {target:?} ends with {proven:?}");
                    assert!(proven.len() - credit.len() <= 2, "{means:?} {credit:?} {target:?}: {proven:?}");
                }
            }
        }
    }
}
