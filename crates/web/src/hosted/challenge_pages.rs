//! The pages of challenges: what each asks for.

use domain::Pool;
use service::hosted::{Parameters, query};
use wire::ChallengeNameType as Challenge;

use super::{
    attributes,
    challenge::{AVAILABLE, SECRET, Step},
    page::{Button, Field, Form, Page, Secret, encoded},
    visit::Visit,
};

/// What a browser asks a passkey for.
pub(super) const PASSKEY_OPTIONS: &str = "CREDENTIAL_REQUEST_OPTIONS";
/// Authenticator apps, as sign-ins call them.
pub(super) const SOFTWARE_TOKEN: &str = "SOFTWARE_TOKEN_MFA";

/// The page of a step; none where these pages cannot answer it. `fields` is what was filled in before, where there was
/// something wrong with it.
pub(super) fn page(visit: &Visit, step: &Step, fields: &Parameters, error: Option<String>) -> Option<Page> {
    let page = match step.challenge {
        Challenge::SmsMfa | Challenge::SmsOtp | Challenge::EmailOtp => sent_code(step),
        Challenge::SoftwareTokenMfa => Page {
            title: "Enter a code",
            texts: vec![app_text(step)],
            forms: vec![form(step, vec![Field::code("code")], "Sign in")],
            ..Page::default()
        },
        Challenge::SelectMfaType => select_factor(step)?,
        Challenge::MfaSetup if step.shows(SECRET).is_some() => set_up_app(&visit.site.pool, step),
        Challenge::MfaSetup => set_up(step, fields)?,
        Challenge::NewPasswordRequired => new_password(visit, step, fields),
        Challenge::SelectChallenge => select_challenge(step)?,
        Challenge::WebAuthn => passkey(step),
        Challenge::Password => Page {
            title: "Enter your password",
            forms: vec![form(step, vec![Field::password()], "Sign in")],
            ..Page::default()
        },
        _ => return None,
    };
    Some(Page { error, links: vec![visit.link("/login", "Begin anew")], ..page })
}

/// A form that carries the step along.
fn form(step: &Step, fields: Vec<Field>, label: &'static str) -> Form {
    let shown = serde_json::to_string(&step.shown).unwrap_or_default();
    let hidden = vec![
        ("challenge", step.challenge.as_str().to_owned()),
        ("session", step.session.clone()),
        ("username", step.username.clone()),
        ("shown", shown),
    ];
    let button = Button { name: "submitButton", label };
    Form { name: "challengeForm", action: "/challenge", hidden, fields, button, ..Form::default() }
}

/// A form whose button is the answer.
fn choice(step: &Step, answer: &'static str, label: &'static str) -> Form {
    let mut form = form(step, Vec::new(), label);
    form.name = answer;
    form.hidden.push(("answer", answer.to_owned()));
    form
}

fn sent_code(step: &Step) -> Page {
    let by = if step.challenge == Challenge::EmailOtp { "an email" } else { "a text message" };
    let text = match step.shows("CODE_DELIVERY_DESTINATION") {
        Some(destination) => format!("We have sent {by} with a code to {destination}."),
        None => format!("We have sent {by} with a code."),
    };
    Page {
        title: "Enter a code",
        texts: vec![text],
        forms: vec![form(step, vec![Field::code("code")], "Sign in")],
        ..Page::default()
    }
}

fn app_text(step: &Step) -> String {
    match step.shows("FRIENDLY_DEVICE_NAME") {
        Some(name) => format!("Enter the code that your authenticator app ({name}) shows."),
        None => "Enter the code that your authenticator app shows.".to_owned(),
    }
}

fn select_factor(step: &Step) -> Option<Page> {
    let listed = step.list("MFAS_CAN_CHOOSE");
    let known = [
        ("SMS_MFA", "Send a text message"),
        ("EMAIL_OTP", "Send an email"),
        (SOFTWARE_TOKEN, "Use an authenticator app"),
    ];
    let offered = known.into_iter().filter(|(name, _)| listed.iter().any(|listed| listed == name));
    let forms: Vec<_> = offered.map(|(name, label)| choice(step, name, label)).collect();
    let texts = vec!["How do you want to confirm that it is you?".to_owned()];
    (!forms.is_empty()).then(|| Page { title: "Choose a second factor", texts, forms, ..Page::default() })
}

/// What can be set up here. Codes by text message cannot: a phone number is the administrators' to give.
pub(super) fn can_set_up(step: &Step) -> Vec<&'static str> {
    let listed = step.list("MFAS_CAN_SETUP");
    [SOFTWARE_TOKEN, "EMAIL_OTP"].into_iter().filter(|name| listed.iter().any(|listed| listed == name)).collect()
}

fn set_up(step: &Step, fields: &Parameters) -> Option<Page> {
    let methods = can_set_up(step);
    let mut forms = Vec::new();
    if methods.contains(&SOFTWARE_TOKEN) {
        forms.push(choice(step, SOFTWARE_TOKEN, "Use an authenticator app"));
    }
    if methods.contains(&"EMAIL_OTP") {
        let email = Field {
            kind: "email",
            ..Field::text("email", "Email address", "email", fields.get("email").unwrap_or_default())
        };
        forms.push(form(step, vec![email], "Use this email address"));
    }
    let texts = vec!["A second factor is needed to sign in here.".to_owned()];
    (!forms.is_empty()).then(|| Page { title: "Set up a second factor", texts, forms, ..Page::default() })
}

/// Decision: the service shows a picture of the secret as well. Telephones open the link; elsewhere the text is typed.
fn set_up_app(pool: &Pool, step: &Step) -> Page {
    let secret = step.shows(SECRET).unwrap_or_default();
    let label = encoded(&format!("{}:{}", pool.name, step.username));
    let parameters = query([("secret", secret), ("issuer", &pool.name)]).replace('+', "%20");
    let groups: Vec<String> =
        secret.chars().collect::<Vec<_>>().chunks(4).map(|group| group.iter().collect()).collect();
    Page {
        title: "Set up an authenticator app",
        texts: vec!["Enter this key in an authenticator app, and then the code that the app shows.".to_owned()],
        secret: Some(Secret { text: groups.join(" "), link: format!("otpauth://totp/{label}?{parameters}") }),
        forms: vec![form(step, vec![Field::code("code")], "Confirm")],
        ..Page::default()
    }
}

fn new_password(visit: &Visit, step: &Step, fields: &Parameters) -> Page {
    let pool = &visit.site.pool;
    let missing = step.list("requiredAttributes");
    let missing: Vec<&str> = missing.iter().filter_map(|name| name.strip_prefix("userAttributes.")).collect();
    let missing = attributes::required(pool).filter(|name| missing.contains(name));
    let mut asked: Vec<Field> = missing.map(|name| attributes::field(name, fields)).collect();
    asked.push(Field::new_password("New password", attributes::policy(&pool.password_policy)));
    Page {
        title: "Change your password",
        texts: vec!["Please choose a password of your own.".to_owned()],
        forms: vec![form(step, asked, "Change the password")],
        ..Page::default()
    }
}

/// The form is filled in by the script of the page.
fn passkey(step: &Step) -> Page {
    let mut form = form(step, Vec::new(), "Continue");
    form.name = "passkeyForm";
    form.hidden.push(("credential", String::new()));
    Page {
        title: "Use your passkey",
        texts: vec!["Your browser asks you for it next.".to_owned()],
        script: Some("/_assets/passkey.js"),
        forms: vec![form],
        ..Page::default()
    }
}

fn select_challenge(step: &Step) -> Option<Page> {
    let listed = step.list(AVAILABLE);
    let has = |name: &str| listed.iter().any(|listed| listed == name);
    let mut forms = Vec::new();
    if has(Challenge::Password.as_str()) {
        let mut password = form(step, vec![Field::password()], "Sign in");
        password.hidden.push(("answer", Challenge::Password.as_str().to_owned()));
        forms.push(password);
    }
    let codes = [(Challenge::EmailOtp, "Send a code by email"), (Challenge::SmsOtp, "Send a code by text message")];
    let others = codes.into_iter().chain([(Challenge::WebAuthn, "Use a passkey")]);
    let others = others.filter(|(name, _)| has(name.as_str()));
    forms.extend(others.map(|(name, label)| choice(step, name.as_str(), label)));
    (!forms.is_empty()).then(|| Page { title: "Choose how to sign in", forms, ..Page::default() })
}
