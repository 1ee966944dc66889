//! The rules as a table, and what must hold whatever the history is.

use proptest::prelude::*;
use wire::{
    ChallengeName, ChallengeResponse, EventResponseType, EventType, FeedbackValueType, RiskDecisionType, RiskLevelType,
    Timestamp,
};

use super::{LOOKED_AT, assess, offset};
use crate::{
    AuthEvent,
    auth_event::{AnsweredChallenge, EventContext, EventFeedback, EventRisk},
    time,
};

/// 2026-01-02T03:04:05Z.
const NOW: Timestamp = Timestamp(1_767_323_045_000);

/// A place such as `81.2.3.4 Chrome-126 id=phone tz=-07:00 in=Norway`.
fn context(text: &str) -> EventContext {
    let mut words = text.split(' ');
    let address = words.next().unwrap().parse().unwrap();
    let mut context = EventContext {
        address,
        device_name: "Other, Other".to_owned(),
        device_id: None,
        timezone: None,
        city: None,
        country: None,
        has_encoded_data: false,
    };
    for word in words {
        match word.split_once('=') {
            Some(("id", id)) => context.device_id = Some(id.to_owned()),
            Some(("tz", timezone)) => context.timezone = Some(timezone.to_owned()),
            Some(("in", country)) => context.country = Some(country.to_owned()),
            _ => context.device_name = word.to_owned(),
        }
    }
    context
}

fn event(context: EventContext, response: EventResponseType) -> AuthEvent {
    AuthEvent {
        pool_id: String::new(),
        sub: String::new(),
        id: String::new(),
        event_type: EventType::SignIn,
        client_id: None,
        created_at: NOW.plus(-10 * time::DAY),
        response,
        risk: EventRisk::NONE,
        challenges: Vec::new(),
        context,
        feedback: None,
        expires_at: NOW.plus(time::DAY),
    }
}

fn passed(text: &str) -> AuthEvent {
    event(context(text), EventResponseType::Pass)
}

/// A sign-in with a wrong password ten minutes ago.
fn failed(text: &str) -> AuthEvent {
    let answer = AnsweredChallenge { name: ChallengeName::Password, response: ChallengeResponse::Failure };
    AuthEvent {
        challenges: vec![answer],
        created_at: NOW.plus(-10 * time::MINUTE),
        ..event(context(text), EventResponseType::Fail)
    }
}

fn marked(event: AuthEvent, value: FeedbackValueType) -> AuthEvent {
    AuthEvent { feedback: Some(EventFeedback { value, provider: "Admin".to_owned(), given_at: NOW }), ..event }
}

/// Blocked for its risk, whatever that was.
fn blocked(text: &str) -> AuthEvent {
    let risk = EventRisk { decision: RiskDecisionType::Block, level: Some(RiskLevelType::High), is_compromised: false };
    AuthEvent { risk, created_at: NOW.plus(-time::MINUTE), ..event(context(text), EventResponseType::Fail) }
}

/// A wrong answer to a challenge that events do not list.
fn unlisted(text: &str) -> AuthEvent {
    AuthEvent { challenges: Vec::new(), ..failed(text) }
}

/// From an address that is blocked.
fn turned_away(text: &str) -> AuthEvent {
    let risk = EventRisk { decision: RiskDecisionType::Block, ..EventRisk::NONE };
    AuthEvent { risk, ..unlisted(text) }
}

/// Blocked for its password.
fn stolen(text: &str) -> AuthEvent {
    let risk = EventRisk { decision: RiskDecisionType::Block, level: None, is_compromised: true };
    AuthEvent { risk, ..unlisted(text) }
}

fn times(event: AuthEvent, count: usize) -> Vec<AuthEvent> {
    vec![event; count]
}

/// A user with a telephone and a browser, both at home in Norway.
fn home() -> Vec<AuthEvent> {
    vec![
        passed("81.2.3.4 Firefox-128 id=browser tz=01:00 in=Norway"),
        passed("81.2.3.5 Pixel-8 id=phone tz=+01:00 in=Norway"),
    ]
}

/// The same in an app that sends no `EncodedData`, on a server that does not know where addresses are.
fn plain_home() -> Vec<AuthEvent> {
    vec![passed("81.2.3.4 Firefox-128"), passed("2001:db8:1:2::3 Safari-17")]
}

fn with(mut history: Vec<AuthEvent>, more: Vec<AuthEvent>) -> Vec<AuthEvent> {
    history.extend(more);
    history
}

#[test]
fn the_table_of_rules() {
    use FeedbackValueType::{Invalid, Valid};
    use RiskLevelType::{High, Low, Medium};
    let elsewhere = "9.9.9.9 Chrome-126 id=new tz=01:00 in=Norway";
    let abroad = "9.9.9.9 Chrome-126 id=new tz=01:00 in=Brazil";
    let far = "9.9.9.9 Chrome-126 id=new tz=-03:00 in=Brazil";
    let seldom = |event: AuthEvent| AuthEvent { created_at: NOW.plus(-2 * time::HOUR), ..event };
    let other_kind = |event: AuthEvent| AuthEvent { event_type: EventType::ForgotPassword, ..event };
    for (what, now, history, expected) in [
        ("nothing happened yet", abroad, vec![], None),
        ("only a sign-up", abroad, vec![AuthEvent { event_type: EventType::SignUp, ..passed("81.2.3.4") }], None),
        ("nothing passed yet", abroad, times(failed("81.2.3.4"), 30), None),
        ("the same again", "81.2.3.4 Firefox-128 id=browser tz=01:00 in=Norway", home(), None),
        ("roaming with a known device", "9.9.9.9 Pixel-8 id=phone tz=-03:00 in=Brazil", home(), None),
        ("a new device at home", "81.2.3.200 Chrome-126 id=new tz=01:00 in=Norway", home(), None),
        ("a new device at home, as IPv4 in IPv6", "::ffff:81.2.3.200 id=new", home(), None),
        ("a new device elsewhere in the country", elsewhere, home(), None),
        ("another time zone of the same country, in summer", "9.9.9.9 id=new tz=02:00 in=Norway", home(), None),
        ("another time zone", "9.9.9.9 id=new tz=-07:00 in=Norway", home(), Some(Low)),
        ("a time zone in the odd form", "9.9.9.9 id=new tz=.5:30 in=Norway", home(), None),
        ("a new device in a new country", abroad, home(), Some(Medium)),
        ("a new device in a new country and time zone", far, home(), Some(High)),
        ("a device without an id in a new country", "9.9.9.9 in=Brazil", home(), Some(Medium)),
        ("a new device where countries are not known", "9.9.9.9 id=new", home(), None),
        ("a country that cannot be compared", "9.9.9.9 id=new in=Brazil", plain_home(), None),
        ("another device without ids", "9.9.9.9 Chrome-126", plain_home(), None),
        ("the same network under IPv6", "2001:db8:1:2:ffff::9 Chrome-126", plain_home(), None),
        ("a similar device abroad, without ids", "9.9.9.9 A in=Brazil", vec![passed("81.2.3.4 A in=Norway")], None),
        (
            "the same after several wrong passwords",
            "9.9.9.9 A in=Brazil",
            with(vec![passed("81.2.3.4 A in=Norway")], times(failed("9.9.9.9 A in=Brazil"), 5)),
            Some(Low),
        ),
        ("several wrong passwords before", elsewhere, with(home(), times(failed("9.9.9.9"), 5)), Some(Low)),
        ("some wrong passwords before", elsewhere, with(home(), times(failed("9.9.9.9"), 4)), None),
        ("many wrong passwords before", elsewhere, with(home(), times(failed("7.7.7.7"), 20)), Some(Medium)),
        ("wrong passwords long before", elsewhere, with(home(), times(seldom(failed("9.9.9.9")), 20)), None),
        ("wrong passwords, then the user", "81.2.3.4 id=x", with(home(), times(failed("7.7.7.7"), 40)), None),
        ("blocked again and again", abroad, with(home(), times(blocked(abroad), 20)), Some(Medium)),
        // What has passed is there however often somebody has failed since: nothing is lost among wrong passwords.
        ("wrong passwords all over the history", abroad, with(home(), times(failed("7.7.7.7"), LOOKED_AT)), Some(High)),
        ("the same later", abroad, with(home(), times(seldom(failed("7.7.7.7")), LOOKED_AT)), Some(Medium)),
        ("the same where nothing has ever passed", abroad, times(failed("7.7.7.7"), LOOKED_AT), None),
        ("several wrong codes or passkeys before", elsewhere, with(home(), times(unlisted("7.7.7.7"), 5)), Some(Low)),
        (
            "several times a blocked address before",
            elsewhere,
            with(home(), times(turned_away("7.7.7.7"), 5)),
            Some(Low),
        ),
        ("several times a stolen password before", elsewhere, with(home(), times(stolen("7.7.7.7"), 5)), None),
        ("a device that was marked", abroad, with(home(), vec![marked(blocked(abroad), Invalid)]), Some(High)),
        (
            "a device that was marked, at home",
            "81.2.3.4 id=phone",
            with(home(), vec![marked(passed("9.9.9.9 id=phone"), Invalid)]),
            Some(High),
        ),
        (
            "a network that was marked",
            "9.9.9.200 id=new in=Norway",
            with(home(), vec![marked(blocked("9.9.9.9 id=thief"), Invalid)]),
            Some(High),
        ),
        (
            "a known device in a network that was marked",
            "9.9.9.200 id=phone in=Norway",
            with(home(), vec![marked(blocked("9.9.9.9 id=thief"), Invalid)]),
            None,
        ),
        (
            "a network that was marked, of a user of whom nothing is known",
            "9.9.9.200 id=new",
            vec![marked(other_kind(failed("9.9.9.9")), Invalid)],
            Some(Low),
        ),
        (
            "a sign-in that was somebody else's",
            abroad,
            vec![marked(passed("7.7.7.7 in=Brazil"), Invalid)],
            Some(Medium),
        ),
        ("a blocked one that was the user's", abroad, with(home(), vec![marked(blocked(abroad), Valid)]), None),
        ("a blocked one", "9.9.9.9 id=new in=Brazil", with(home(), vec![blocked(abroad)]), Some(Medium)),
        ("another operation from there", abroad, with(home(), vec![other_kind(passed(abroad))]), Some(Medium)),
    ] {
        assert_eq!(assess(NOW, &context(now), &history), expected, "{what}");
    }
}

#[test]
fn offsets() {
    for (text, expected) in [
        ("-07:00", Some(-420)),
        ("+05:45", Some(345)),
        ("05:30", Some(330)),
        ("00:00", Some(0)),
        ("-00:00", Some(0)),
        ("+14:00", Some(840)),
        (".5:30", None),
        ("-.5:30", None),
        ("75:45", None),
        ("15:00", None),
        ("01:60", None),
        ("+-1:00", None),
        ("1:00", None),
        ("0100", None),
        ("", None),
        ("é1:00", None),
    ] {
        let context = EventContext { timezone: Some(text.to_owned()), ..context("1.1.1.1") };
        assert_eq!(offset(&context), expected, "{text}");
    }
}

fn any_context() -> impl Strategy<Value = EventContext> {
    let address = prop::sample::select(vec!["81.2.3.4", "81.2.3.5", "9.9.9.9", "2001:db8::1", "2001:db8:0:1::1"]);
    let id = prop::sample::select(vec!["", " id=a", " id=b", " id=c"]);
    let name = prop::sample::select(vec!["", " A", " B"]);
    let timezone = prop::sample::select(vec!["", " tz=01:00", " tz=-07:00", " tz=.5:30"]);
    let country = prop::sample::select(vec!["", " in=Norway", " in=Brazil"]);
    (address, id, name, timezone, country)
        .prop_map(|(address, id, name, timezone, country)| context(&format!("{address}{id}{name}{timezone}{country}")))
}

fn any_event() -> impl Strategy<Value = AuthEvent> {
    let kind = prop::sample::select(vec![EventType::SignIn, EventType::SignIn, EventType::ForgotPassword]);
    let response = prop::sample::select(vec![EventResponseType::Pass, EventResponseType::Fail]);
    let feedback =
        prop::sample::select(vec![None, None, Some(FeedbackValueType::Valid), Some(FeedbackValueType::Invalid)]);
    (any_context(), kind, response, feedback, 0..120_i64).prop_map(|(context, kind, response, feedback, minutes)| {
        let answer = match response {
            EventResponseType::Fail => ChallengeResponse::Failure,
            _ => ChallengeResponse::Success,
        };
        let event = AuthEvent {
            event_type: kind,
            created_at: NOW.plus(-minutes * time::MINUTE),
            challenges: vec![AnsweredChallenge { name: ChallengeName::Password, response: answer }],
            ..event(context, response)
        };
        match feedback {
            Some(value) => marked(event, value),
            None => event,
        }
    })
}

proptest! {
    #[test]
    fn the_order_of_the_history_does_not_matter(
        now in any_context(),
        (history, shuffled) in prop::collection::vec(any_event(), 0..30)
            .prop_flat_map(|history| (Just(history.clone()), Just(history).prop_shuffle())),
    ) {
        prop_assert_eq!(assess(NOW, &now, &history), assess(NOW, &now, &shuffled));
    }

    #[test]
    fn more_evidence_never_lowers_the_risk(
        now in any_context(),
        history in prop::collection::vec(any_event(), 1..30),
        which in any::<prop::sample::Index>(),
        elsewhere in any_context(),
        failures in 0..30_usize,
    ) {
        let before = assess(NOW, &now, &history);
        let mut another = history.clone();
        another.extend(times(AuthEvent { context: elsewhere, ..failed("1.1.1.1") }, failures));
        prop_assert!(assess(NOW, &now, &another) >= before, "wrong passwords");
        let mut accused = history.clone();
        let event = &mut accused[which.index(history.len())];
        // Taking back that an event was the user's takes something away.
        if event.feedback.is_none() {
            *event = marked(event.clone(), FeedbackValueType::Invalid);
            prop_assert!(assess(NOW, &now, &accused) >= before, "marked as somebody else's");
        }
    }

    #[test]
    fn what_has_passed_once_passes_again(now in any_context(), history in prop::collection::vec(any_event(), 0..30)) {
        let is_marked = |event: &AuthEvent| {
            event.feedback.as_ref().is_some_and(|feedback| feedback.value == FeedbackValueType::Invalid)
        };
        let mut history: Vec<_> = history.into_iter().filter(|event| !is_marked(event)).collect();
        history.push(event(now.clone(), EventResponseType::Pass));
        prop_assert_eq!(assess(NOW, &now, &history), None);
    }
}
