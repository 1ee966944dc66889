//! How much of a risk a sign-in is, by what the user has done before (triggers-security.md §15.2).
//!
//! Decision: how the service judges is its secret. This is a short list of rules that people can follow; the table in
//! docs/threat-protection.md is the same:
//!
//! 1. A device that somebody has marked as `Invalid`: high.
//! 2. A device or a network that is known, and was not marked: none. So nobody who travels with a device is a risk.
//! 3. Nothing to compare with, since no sign-in has passed yet: none.
//! 4. Otherwise points are added up: 3 are a low risk, 4 a medium one, 5 and more a high one.
//!
//! Strangers can fill the latest events with wrong passwords. What is known of the user is therefore read apart from them
//! ([`Evidence`](crate::auth_event::Evidence)), and whatever strangers can add to the history is a bad sign.
//!
//! What is new in one respect alone stays below three points: a new telephone on the way to work, or a journey with a
//! device that has no id.

use std::net::IpAddr;

use wire::{ChallengeResponse, EventResponseType, EventType, FeedbackValueType, RiskLevelType, Timestamp};

use crate::{
    auth_event::{AuthEvent, EventContext},
    time,
};

/// How many of the user's latest events are to be given to [`assess`], and how many of those that are evidence.
pub const LOOKED_AT: usize = 60;

/// How long ago a failed sign-in counts, in milliseconds.
const JUST_BEFORE: i64 = time::HOUR;
/// Failed sign-ins just before that are a bad sign: more than somebody needs who has forgotten a password.
const SEVERAL: usize = 5;
/// Those that are a worse one.
const MANY: usize = 20;
/// By how much the offset of a device changes within the year, in minutes.
const SUMMER_TIME: i32 = 60;

// Points of the signs.
/// Nobody has signed in with the device.
const NEW_DEVICE: u32 = 2;
/// Nobody has signed in from the country.
const NEW_COUNTRY: u32 = 2;
/// No device had such a time zone.
const NEW_TIMEZONE: u32 = 1;
/// [`SEVERAL`] sign-ins failed just before.
const SEVERAL_FAILED: u32 = 1;
/// [`MANY`] of them did.
const MANY_FAILED: u32 = 2;
/// An event from the network was marked as `Invalid`.
const MARKED_NETWORK: u32 = 3;

/// The risk of a sign-in from `context` now; none where there is none. `history` are the user's latest events
/// and the latest of those that are evidence, [`LOOKED_AT`] at most of either, each once, in any order.
#[must_use]
pub fn assess(now: Timestamp, context: &EventContext, history: &[AuthEvent]) -> Option<RiskLevelType> {
    let past = Past { history };
    if past.marked().any(|event| is_same_device_id(&event.context, context)) {
        return Some(RiskLevelType::High);
    }
    let is_marked_network = past.marked().any(|event| is_same_network(&event.context, context));
    let is_known_network = !is_marked_network && past.known().any(|event| is_same_network(&event.context, context));
    if is_known_network || past.known().any(|event| is_same_device_id(&event.context, context)) {
        return None;
    }
    let mut points = past.failures(now);
    if is_marked_network {
        points += MARKED_NETWORK;
    }
    if past.can_be_compared_with() {
        points += if past.known().any(|event| is_same_device(&event.context, context)) { 0 } else { NEW_DEVICE };
        points += if past.is_new_country(context) { NEW_COUNTRY } else { 0 };
        points += if past.is_new_timezone(context) { NEW_TIMEZONE } else { 0 };
    } else if !is_marked_network {
        return None;
    }
    match points {
        0..3 => None,
        3 => Some(RiskLevelType::Low),
        4 => Some(RiskLevelType::Medium),
        5.. => Some(RiskLevelType::High),
    }
}

/// The user's latest events, by what they say about the next one.
struct Past<'a> {
    history: &'a [AuthEvent],
}

impl<'a> Past<'a> {
    /// Sign-ins that have passed, and those that were blocked although they were the user's.
    fn seen(&self) -> impl Iterator<Item = &'a AuthEvent> {
        let is_seen = |event: &&AuthEvent| {
            event.event_type == EventType::SignIn
                && (event.response == EventResponseType::Pass || is_marked(event, FeedbackValueType::Valid))
        };
        self.history.iter().filter(is_seen)
    }

    /// The same without those that were somebody else's: what the user is known by.
    fn known(&self) -> impl Iterator<Item = &'a AuthEvent> {
        self.seen().filter(|event| !is_marked(event, FeedbackValueType::Invalid))
    }

    /// Events of all kinds that were somebody else's.
    fn marked(&self) -> impl Iterator<Item = &'a AuthEvent> {
        self.history.iter().filter(|event| is_marked(event, FeedbackValueType::Invalid))
    }

    /// Whether anything is known by which the user could be told from others.
    fn can_be_compared_with(&self) -> bool {
        self.seen().next().is_some()
    }

    /// Points for sign-ins that failed, or had a wrong answer, just before. Those that were blocked for their risk are
    /// none, or one would lead to the next.
    fn failures(&self, now: Timestamp) -> u32 {
        let has_failed = |event: &&AuthEvent| {
            let is_for_risk = event.risk.level.is_some() || event.risk.is_compromised;
            event.event_type == EventType::SignIn
                && now.since(event.created_at) < JUST_BEFORE
                && (event.response == EventResponseType::Fail && !is_for_risk
                    || event.challenges.iter().any(|challenge| challenge.response == ChallengeResponse::Failure))
        };
        match self.history.iter().filter(has_failed).count() {
            0..SEVERAL => 0,
            SEVERAL..MANY => SEVERAL_FAILED,
            MANY.. => MANY_FAILED,
        }
    }

    /// Whether the country is another one than those that the user is known to sign in from; not where it is not known, or
    /// never was.
    fn is_new_country(&self, context: &EventContext) -> bool {
        context.country.is_some()
            && self.seen().any(|event| event.context.country.is_some())
            && self.known().all(|event| event.context.country != context.country)
    }

    /// The same of time zones. What cannot be read as one says nothing: scripts write those of India in an odd form, and
    /// apps do not.
    fn is_new_timezone(&self, context: &EventContext) -> bool {
        let Some(offset) = offset(context) else { return false };
        let fits =
            |event: &AuthEvent| self::offset(&event.context).is_some_and(|other| (other - offset).abs() <= SUMMER_TIME);
        self.seen().any(|event| self::offset(&event.context).is_some()) && !self.known().any(fits)
    }
}

fn is_marked(event: &AuthEvent, value: FeedbackValueType) -> bool {
    event.feedback.as_ref().is_some_and(|feedback| feedback.value == value)
}

fn is_same_device_id(one: &EventContext, other: &EventContext) -> bool {
    one.device_id.is_some() && one.device_id == other.device_id
}

/// Whether it can be the same device: by its id, or by its name where neither has one. A name is shared by many, and
/// therefore no more than the lack of a sign.
fn is_same_device(one: &EventContext, other: &EventContext) -> bool {
    one.device_id == other.device_id && (one.device_id.is_some() || one.device_name == other.device_name)
}

/// Whether two addresses are in the same network, which a household or an office shares: /24, and /64 under IPv6.
fn is_same_network(one: &EventContext, other: &EventContext) -> bool {
    match (one.address.to_canonical(), other.address.to_canonical()) {
        (IpAddr::V4(one), IpAddr::V4(other)) => one.to_bits() >> 8 == other.to_bits() >> 8,
        (IpAddr::V6(one), IpAddr::V6(other)) => one.to_bits() >> 64 == other.to_bits() >> 64,
        _ => false,
    }
}

/// The offset of the time zone in minutes, such as -420 of `-07:00`; none of what is no offset.
fn offset(context: &EventContext) -> Option<i32> {
    let text = context.timezone.as_deref()?;
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, minutes) = digits.split_once(':')?;
    let number = |text: &str| {
        let is_plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_plain { text.parse::<i32>().ok() } else { None }
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
mod tests;
