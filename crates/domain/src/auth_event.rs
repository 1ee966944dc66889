//! What threat protection remembers of a user's activity (triggers-security.md §15.4): sign-ins, sign-ups and what is
//! done about passwords, with the risk that was seen in each.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use wire::{
    ChallengeName, ChallengeResponse, EventResponseType, EventType, FeedbackValueType, RiskDecisionType, RiskLevelType,
    Timestamp,
};

use crate::{UserPart, UserPartKind, time};

/// For how long an event is remembered: two years.
pub const KEPT: i64 = 2 * 365 * time::DAY;
/// For how long what is written in the place of an event is kept where there is no such user.
pub const KEPT_OF_NOBODY: i64 = time::DAY;

/// One thing that a user, or whoever claims to be that user, has done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuthEvent {
    /// The pool.
    pub pool_id: String,
    /// The user, or the stand-in for one that does not exist.
    pub sub: String,
    /// `EventId`: a UUID that begins with the time, so that later events have greater ids. The claim `event_id` of the
    /// tokens of this sign-in.
    pub id: String,
    /// What it is.
    pub event_type: EventType,
    /// The client; none for what administrators do.
    pub client_id: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// What has come of it so far.
    pub response: EventResponseType,
    /// The risk.
    pub risk: EventRisk,
    /// What was asked and whether the answer was right, oldest first.
    pub challenges: Vec<AnsweredChallenge>,
    /// From where.
    pub context: EventContext,
    /// What the user or an administrator says about it.
    pub feedback: Option<EventFeedback>,
    /// When it is forgotten.
    pub expires_at: Timestamp,
}

/// The risk that was seen in an event, and what was done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRisk {
    /// Whether there is any, and whether the event was blocked for it.
    pub decision: RiskDecisionType,
    /// How great it is; none where there is none.
    pub level: Option<RiskLevelType>,
    /// Whether the password is one that others are known to have stolen.
    pub is_compromised: bool,
}

impl EventRisk {
    /// No risk.
    pub const NONE: Self = Self { decision: RiskDecisionType::NoRisk, level: None, is_compromised: false };
}

/// One challenge of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweredChallenge {
    /// The password, or a second factor.
    pub name: ChallengeName,
    /// Whether the answer was right.
    pub response: ChallengeResponse,
}

/// From where somebody acts: what the connection, the client and the operator's file of places say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventContext {
    /// The address.
    pub address: IpAddr,
    /// What the device is called, such as `Chrome 126, Windows 10`, or `Other, Other`.
    pub device_name: String,
    /// The id by which the client knows its device again; none without `EncodedData`.
    pub device_id: Option<String>,
    /// Offset from UTC such as `-07:00`, as the client says; none without `EncodedData`.
    pub timezone: Option<String>,
    /// English name of the city; none when it is not known.
    pub city: Option<String>,
    /// English name of the country; none when it is not known.
    pub country: Option<String>,
    /// Whether the client has sent `EncodedData` that is good.
    pub has_encoded_data: bool,
}

/// What somebody says about an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventFeedback {
    /// Whether it was the user.
    pub value: FeedbackValueType,
    /// Who says so: `Admin`, or `User` by the link in a notice.
    pub provider: String,
    /// When.
    pub given_at: Timestamp,
}

impl AuthEvent {
    /// Whether the user can be told from others by it: a sign-in that has passed, and whatever somebody has judged.
    #[must_use]
    pub fn is_evidence(&self) -> bool {
        let has_passed = self.event_type == EventType::SignIn && self.response == EventResponseType::Pass;
        has_passed || self.feedback.is_some()
    }
}

impl UserPart for AuthEvent {
    const KIND: UserPartKind = UserPartKind::AuthEvent;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    fn sub(&self) -> &str {
        &self.sub
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// An event that [is evidence](AuthEvent::is_evidence), kept once more under the same id: strangers can push events out of
/// the newest ones with wrong passwords, but they cannot make evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Evidence(pub AuthEvent);

impl UserPart for Evidence {
    const KIND: UserPartKind = UserPartKind::Evidence;

    fn pool_id(&self) -> &str {
        self.0.pool_id()
    }

    fn sub(&self) -> &str {
        self.0.sub()
    }

    fn id(&self) -> &str {
        self.0.id()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.0.expires_at()
    }
}
