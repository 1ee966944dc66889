//! `/challenge`: what is asked for in a sign-in after the first step (auth-flows.md §5, §6). The session travels in the
//! form, sealed, and beside it what the next page has to show when an answer is wrong.
//!
//! Pages have no device, so that no device is ever asked to prove itself; CUSTOM_CHALLENGE belongs to a flow that they do
//! not begin. What else they cannot answer they say so of.

use std::collections::BTreeMap;

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};
use service::{
    ApiError,
    hosted::{Parameters, interactive},
    sign_in,
};
use wire::{ChallengeNameType, Operation};

use super::{
    attributes, challenge_pages as pages, login,
    page::Page,
    visit::{self, Sent, Visit},
};

/// `ChallengeParameters` that pages show; the others do not go along.
const SHOWN: [&str; 6] = [
    "CODE_DELIVERY_DESTINATION",
    pages::PASSKEY_OPTIONS,
    "FRIENDLY_DEVICE_NAME",
    "MFAS_CAN_CHOOSE",
    "MFAS_CAN_SETUP",
    "requiredAttributes",
];
/// Beside them, as lists in JSON: what a sign-in can begin with.
pub(super) const AVAILABLE: &str = "AVAILABLE_CHALLENGES";
/// Beside them: the secret of an authenticator app that is being set up.
pub(super) const SECRET: &str = "SECRET_CODE";

/// What is said of a passkey that proves nothing, and of one that is gone.
const PASSKEY_REFUSED: &str = "This passkey was not accepted. Please try again.";

/// Longest session and longest name of a form, in bytes: real ones have a fraction of that. Pages repeat them in each of
/// their forms.
const LONGEST: usize = 8_192;
/// Longest of what the page shows beside them, in bytes: twenty passkeys with ids of 1,023 bytes each.
const LONGEST_SHOWN: usize = 32_768;

/// A step that waits for its answer.
pub(super) struct Step {
    /// What is asked for.
    pub(super) challenge: ChallengeNameType,
    /// Its session.
    pub(super) session: String,
    /// Who is asked, as it was typed.
    pub(super) username: String,
    /// What the page shows.
    pub(super) shown: BTreeMap<String, String>,
}

impl Step {
    /// Something that the page shows.
    pub(super) fn shows(&self, name: &str) -> Option<&str> {
        self.shown.get(name).map(String::as_str)
    }

    /// A list of names that the page shows.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        self.shows(name).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// The step that a form answers; none where it is not one of our pages'.
    fn sent(fields: &Parameters) -> Option<Self> {
        let (session, username) = (fields.get("session")?, login::username(fields));
        let shown = fields.get("shown").unwrap_or_default();
        if session.len().max(username.len()) > LONGEST || shown.len() > LONGEST_SHOWN {
            return None;
        }
        Some(Self {
            challenge: ChallengeNameType::parse(fields.get("challenge")?)?,
            session: session.to_owned(),
            username: username.to_owned(),
            shown: serde_json::from_str(shown).unwrap_or_default(),
        })
    }
}

/// The page of a challenge.
pub(super) async fn ask(
    visit: &Visit,
    username: &str,
    challenge: ChallengeNameType,
    session: Option<String>,
    mut shown: BTreeMap<String, String>,
    available: Option<Vec<ChallengeNameType>>,
) -> Response {
    shown.retain(|name, _| SHOWN.contains(&name.as_str()));
    if let Some(available) = available {
        let names: Vec<_> = available.iter().map(|name| name.as_str()).collect();
        shown.insert(AVAILABLE.to_owned(), json!(names).to_string());
    }
    let step = Step { challenge, session: session.unwrap_or_default(), username: username.to_owned(), shown };
    if step.challenge == ChallengeNameType::MfaSetup && pages::can_set_up(&step) == [pages::SOFTWARE_TOKEN] {
        return set_up(visit, step).await;
    }
    match pages::page(visit, &step, &Parameters::default(), None) {
        Some(page) => visit.show(&page),
        None => impossible(visit),
    }
}

/// `GET /challenge`: whoever loads the page anew, without its form, begins anew.
pub(super) async fn restart(visit: Visit) -> Response {
    visit.go_on("/login")
}

/// `POST /challenge`.
pub(super) async fn answer(Sent { visit, fields, .. }: Sent) -> Response {
    let Some(step) = Step::sent(&fields) else { return visit.go_on("/login") };
    match (step.challenge, fields.get("answer")) {
        (ChallengeNameType::MfaSetup, Some(pages::SOFTWARE_TOKEN)) => set_up(&visit, step).await,
        (ChallengeNameType::MfaSetup, _) if step.shows(SECRET).is_some() => verify(&visit, step, &fields).await,
        _ => {
            let Some(given) = given(&visit, &step, &fields) else { return impossible(&visit) };
            go_on(&visit, &step, &fields, given).await
        }
    }
}

/// The answer in the words of RespondToAuthChallenge; none where the pages have no answer.
fn given(visit: &Visit, step: &Step, fields: &Parameters) -> Option<BTreeMap<String, String>> {
    use ChallengeNameType as Challenge;
    let text = |name: &str| fields.get(name).unwrap_or_default().to_owned();
    // As people copy them, in groups.
    let code = || text("code").split_whitespace().collect::<String>();
    let mut given: Vec<(String, String)> = match step.challenge {
        Challenge::SmsMfa => vec![("SMS_MFA_CODE".to_owned(), code())],
        Challenge::EmailOtp => vec![("EMAIL_OTP_CODE".to_owned(), code())],
        Challenge::SmsOtp => vec![("SMS_OTP_CODE".to_owned(), code())],
        Challenge::SoftwareTokenMfa => vec![("SOFTWARE_TOKEN_MFA_CODE".to_owned(), code())],
        Challenge::SelectMfaType => vec![("ANSWER".to_owned(), text("answer"))],
        Challenge::SelectChallenge => {
            vec![("ANSWER".to_owned(), text("answer")), ("PASSWORD".to_owned(), text("password"))]
        }
        Challenge::WebAuthn => vec![("CREDENTIAL".to_owned(), text("credential"))],
        Challenge::Password => vec![("PASSWORD".to_owned(), text("password"))],
        Challenge::MfaSetup => vec![("EMAIL".to_owned(), text("email").trim().to_owned())],
        Challenge::NewPasswordRequired => {
            let attributes = attributes::given(attributes::required(&visit.site.pool), fields);
            let attributes = attributes.map(|(name, value)| (format!("userAttributes.{name}"), value.to_owned()));
            attributes.chain([("NEW_PASSWORD".to_owned(), text("password"))]).collect()
        }
        _ => return None,
    };
    given.push(("USERNAME".to_owned(), step.username.clone()));
    Some(given.into_iter().collect())
}

async fn go_on(visit: &Visit, step: &Step, fields: &Parameters, given: BTreeMap<String, String>) -> Response {
    let request = login::request(visit, given, Some(step.session.clone()), None);
    let outcome = interactive::answer(&visit.ctx, request, step.challenge).await;
    login::conclude(visit, &step.username, outcome, |error| again(visit, step, fields, error)).await
}

/// The page of the step with what was wrong with its answer.
fn again(visit: &Visit, step: &Step, fields: &Parameters, error: String) -> Page {
    // The API says the same of whatever proves nothing; here nobody has typed a name or a password.
    let is_passkey = step.challenge == ChallengeNameType::WebAuthn && error == ApiError::wrong_credentials().message;
    let error = if is_passkey { PASSKEY_REFUSED.to_owned() } else { error };
    let lost = |error| login::page(visit, &step.username, error);
    pages::page(visit, step, fields, Some(error.clone())).unwrap_or_else(|| lost(Some(error)))
}

/// Shows the secret that an authenticator app is to learn.
async fn set_up(visit: &Visit, mut step: Step) -> Response {
    let request = json!({"Session": step.session});
    match visit::call(&visit.ctx, Operation::AssociateSoftwareToken, &request).await {
        Ok(answer) => {
            step.session = text(&answer, "Session");
            step.shown.insert(SECRET.to_owned(), text(&answer, "SecretCode"));
            match pages::page(visit, &step, &Parameters::default(), None) {
                Some(page) => visit.show(&page),
                None => impossible(visit),
            }
        }
        Err(error) => refuse(visit, &step, &Parameters::default(), error),
    }
}

/// Takes the first code of an authenticator app, which ends its set-up.
async fn verify(visit: &Visit, mut step: Step, fields: &Parameters) -> Response {
    let code: String = fields.get("code").unwrap_or_default().split_whitespace().collect();
    let request = json!({"Session": step.session, "UserCode": code});
    match visit::call(&visit.ctx, Operation::VerifySoftwareToken, &request).await {
        Ok(answer) => {
            step.session = text(&answer, "Session");
            let given = BTreeMap::from([("USERNAME".to_owned(), step.username.clone())]);
            go_on(visit, &step, fields, given).await
        }
        Err(error) => refuse(visit, &step, fields, error),
    }
}

fn refuse(visit: &Visit, step: &Step, fields: &Parameters, error: ApiError) -> Response {
    if sign_in::is_over(&error) {
        return visit.show(&login::page(visit, &step.username, Some(login::LOST.to_owned())));
    }
    visit.refuse(error, |error| again(visit, step, fields, error))
}

fn impossible(visit: &Visit) -> Response {
    let text = "What this sign-in asks for next cannot be answered on these pages.";
    visit.closed(StatusCode::FORBIDDEN, "This sign-in is not possible here", text)
}

fn text(answer: &Value, name: &str) -> String {
    answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
