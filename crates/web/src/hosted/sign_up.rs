//! `/signup`, `/confirm` and `/resendcode` (oauth-federation.md §4.3): users who register themselves.
//!
//! Decision: the name travels from page to page as `login_hint`, and whoever has confirmed comes to the login page, which
//! it fills in, and gives the password there: the code alone has proven no more than that somebody reads a mailbox.

use axum::response::Response;
use domain::{Terms, TermsOfClient};
use http::StatusCode;
use serde_json::{Value, json};
use service::{ApiError, hosted::Parameters};
use wire::{DefaultEmailOptionType, Operation, UsernameAttributeType};

use super::{
    attributes, login,
    page::{self, Button, Field, Form, Page},
    visit::{Sent, Visit},
};

/// The language of the pages.
const LANGUAGES: [&str; 2] = ["cognito:english", "cognito:default"];

/// `GET /signup`.
pub(super) async fn show(visit: Visit) -> Response {
    if let Some(closed) = closed(&visit) {
        return closed;
    }
    match form(&visit, visit.hint(), &Parameters::default()).await {
        Ok(form) => visit.show(&page(form, None)),
        Err(error) => visit.failed(error),
    }
}

/// `POST /signup`.
pub(super) async fn submit(Sent { visit, fields, .. }: Sent) -> Response {
    if let Some(closed) = closed(&visit) {
        return closed;
    }
    let username = login::username(&fields);
    let given = attributes::given(attributes::required(&visit.site.pool), &fields);
    let given: Value = given.map(|(name, value)| json!({"Name": name, "Value": value})).collect();
    // One that was left out is none: pools that take codes alone do without.
    let members = [("UserAttributes", given), ("Password", json!(fields.get("password")))];
    match visit.call(Operation::SignUp, username, members).await {
        Ok(answer) if answer.get("UserConfirmed") == Some(&Value::Bool(true)) => visit.go("/login", username),
        Ok(answer) if answer.get("CodeDeliveryDetails").is_some() => visit.go("/confirm", username),
        Ok(_) => {
            let text =
                "You are registered, but no code could be sent to you. Please ask an administrator to confirm it.";
            visit.closed(StatusCode::OK, "Sign up", text)
        }
        Err(refusal) => match form(&visit, username, &fields).await {
            Ok(form) => visit.refuse(refusal, |error| page(form, Some(error))),
            Err(error) => visit.failed(error),
        },
    }
}

/// `GET /confirm`.
pub(super) async fn show_confirmation(visit: Visit) -> Response {
    visit.show(&confirmation(&visit, visit.hint(), None, None))
}

/// `POST /confirm`.
pub(super) async fn confirm(Sent { visit, fields, .. }: Sent) -> Response {
    let username = login::username(&fields);
    let code = fields.get("verification_code").unwrap_or_default().trim();
    match visit.call(Operation::ConfirmSignUp, username, [("ConfirmationCode", json!(code))]).await {
        Ok(_) => visit.go("/login", username),
        Err(error) => visit.refuse(error, |error| confirmation(&visit, username, Some(error), None)),
    }
}

/// `POST /resendcode`: another code.
pub(super) async fn resend(Sent { visit, fields, .. }: Sent) -> Response {
    let username = login::username(&fields);
    match visit.call(Operation::ResendConfirmationCode, username, []).await {
        Ok(answer) => {
            let destination = answer.pointer("/CodeDeliveryDetails/Destination").and_then(Value::as_str);
            let said = format!("We have sent another code to {}.", destination.unwrap_or("you"));
            visit.show(&confirmation(&visit, username, None, Some(said)))
        }
        Err(error) => visit.refuse(error, |error| confirmation(&visit, username, Some(error), None)),
    }
}

/// What there is instead of the form where nobody registers.
fn closed(visit: &Visit) -> Option<Response> {
    let is_open = visit.has_own_users() && !visit.site.pool.admin_create_user_only;
    let text = "SignUp is not permitted for this user pool";
    (!is_open).then(|| visit.closed(StatusCode::FORBIDDEN, "Sign up", text))
}

fn page(form: Form, error: Option<String>) -> Page {
    Page { title: "Sign up", error, forms: vec![form], ..Page::default() }
}

async fn form(visit: &Visit, username: &str, fields: &Parameters) -> Result<Form, ApiError> {
    let pool = &visit.site.pool;
    let mut asked = vec![login::name_field("username", pool, "username", username)];
    asked.extend(attributes::required(pool).filter_map(|name| {
        let field = attributes::field(name, fields);
        let is_name = match name {
            "email" => pool.uses_as_username(UsernameAttributeType::Email),
            "phone_number" => pool.uses_as_username(UsernameAttributeType::PhoneNumber),
            _ => false,
        };
        match (is_name, pool.username_attributes.len()) {
            (false, _) => Some(field),
            // The name is it.
            (true, 1) => None,
            // The name may be it.
            (true, _) => Some(Field { is_required: false, ..field }),
        }
    }));
    let mut hint = attributes::policy(&pool.password_policy);
    let is_required = !pool.takes_users_without_password();
    if !is_required {
        hint.push_str(" Leave it empty to sign in with codes alone.");
    }
    asked.push(Field { is_required, ..Field::new_password("Password", hint) });
    Ok(Form {
        name: "signUpForm",
        action: "/signup",
        fields: asked,
        terms: terms(visit).await?,
        button: Button { name: "signUpButton", label: "Sign up" },
        ..Form::default()
    })
}

/// Both documents of the client (oauth-federation.md §13); none unless both are there.
async fn terms(visit: &Visit) -> Result<Option<page::Terms>, ApiError> {
    let of_use = link(visit, "terms-of-use").await?;
    let privacy = link(visit, "privacy-policy").await?;
    Ok(of_use.zip(privacy).map(|(of_use, privacy)| page::Terms { of_use, privacy }))
}

async fn link(visit: &Visit, name: &str) -> Result<Option<String>, ApiError> {
    let (store, pool_id) = (&visit.ctx.app.store, &visit.site.pool.id);
    let key = TermsOfClient::key(&visit.client().id, name);
    let Some(found) = store.part::<TermsOfClient>(pool_id, &key).await? else { return Ok(None) };
    let Some(terms) = store.part::<Terms>(pool_id, &found.terms_id).await? else { return Ok(None) };
    let link = LANGUAGES.into_iter().find_map(|language| terms.links.get(language));
    // Whatever else an address may be, it is not to run as a script here.
    Ok(link.filter(|link| link.starts_with("https://") || link.starts_with("http://")).cloned())
}

fn confirmation(visit: &Visit, username: &str, error: Option<String>, said: Option<String>) -> Page {
    let pool = &visit.site.pool;
    let has_link = pool.verification_template.default_email_option == Some(DefaultEmailOptionType::ConfirmWithLink);
    let text = if has_link {
        "We have sent you a message. Follow the link in it, or enter the code."
    } else {
        "We have sent you a message with a code."
    };
    let code = Form {
        name: "confirmForm",
        action: "/confirm",
        fields: vec![login::name_field("username", pool, "username", username), Field::code("verification_code")],
        button: Button { name: "confirmButton", label: "Confirm" },
        ..Form::default()
    };
    let mut forms = vec![code];
    // Nobody's code is sent anew.
    if !username.is_empty() {
        forms.push(Form {
            name: "resendForm",
            action: "/resendcode",
            hidden: vec![("username", username.to_owned())],
            button: Button { name: "resendButton", label: "Send another code" },
            ..Form::default()
        });
    }
    let links = vec![visit.link("/login", "Back to the login page")];
    Page {
        title: "Confirm your registration",
        error,
        texts: vec![said.unwrap_or_else(|| text.to_owned())],
        forms,
        links,
        ..Page::default()
    }
}
