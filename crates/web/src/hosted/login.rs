//! `/login`: the page on which users sign in (oauth-federation.md §4.1, §11). Its form has the service's classic names.
//!
//! On managed domains, clients with ALLOW_USER_AUTH ask for the name first; what comes then is a challenge.

use std::collections::BTreeMap;

use axum::response::Response;
use domain::Pool;
use http::StatusCode;
use service::{
    ApiError,
    hosted::{Parameters, interactive},
    operations::identity_providers::COGNITO,
    sign_in::{self, Outcome, Request},
};
use wire::{
    AliasAttributeType, AuthFlowType, ErrorKind, ExplicitAuthFlowsType, UserContextDataType, UsernameAttributeType,
};

use super::{
    authorize, challenge,
    page::{Button, Field, Form, Link, Page},
    visit::{Sent, Visit},
};

/// What the page says when a sign-in has come to nothing on the way (oauth-federation.md §3.1).
pub(super) const LOST: &str = "Something went wrong";

/// `GET /login`.
pub(super) async fn show(visit: Visit) -> Response {
    if visit.asked.external().is_some() {
        return visit.go_on("/oauth2/authorize");
    }
    visit.show(&page(&visit, visit.hint(), None))
}

/// `POST /login`: the name, and the password unless it is asked for later.
pub(super) async fn submit(Sent { visit, fields, .. }: Sent) -> Response {
    if !visit.has_own_users() {
        let text = "Users of this application sign in elsewhere.";
        return visit.closed(StatusCode::FORBIDDEN, "Sign in", text);
    }
    let username = username(&fields);
    let mut parameters = BTreeMap::from([("USERNAME".to_owned(), username.to_owned())]);
    let flow = match fields.get("password") {
        None if asks_for_names_first(&visit) => AuthFlowType::UserAuth,
        password => {
            parameters.insert("PASSWORD".to_owned(), password.unwrap_or_default().to_owned());
            AuthFlowType::UserPasswordAuth
        }
    };
    let encoded_data = fields.get("cognitoAsfData").map(str::to_owned);
    let request = request(&visit, parameters, None, encoded_data);
    let outcome = interactive::begin(&visit.ctx, &request, flow).await;
    conclude(&visit, username, outcome, |error| page(&visit, username, Some(error))).await
}

/// The name that was typed. No name begins or ends with white space, which keyboards of telephones add.
pub(super) fn username(fields: &Parameters) -> &str {
    fields.get("username").unwrap_or_default().trim()
}

/// A step of a sign-in at these pages.
pub(super) fn request(
    visit: &Visit,
    parameters: BTreeMap<String, String>,
    session: Option<String>,
    encoded_data: Option<String>,
) -> Request {
    let context = encoded_data.map(|encoded| UserContextDataType { encoded_data: Some(encoded), ip_address: None });
    Request::hosted(visit.asked.client.clone(), visit.site.pool.clone(), parameters, session, context)
}

/// What comes after a step: the application, the next challenge, or a page that says what was wrong; `again` makes the
/// page of this step.
pub(super) async fn conclude(
    visit: &Visit,
    username: &str,
    outcome: Result<Outcome, ApiError>,
    again: impl FnOnce(String) -> Page,
) -> Response {
    match outcome {
        Ok(Outcome::Completed(authentication)) => {
            let request = &visit.asked.request;
            authorize::arrive(&visit.ctx, &visit.site, visit.client(), request, *authentication).await
        }
        Ok(Outcome::Challenge { name, session, parameters, available }) => {
            challenge::ask(visit, username, name, session, parameters, available).await
        }
        Ok(Outcome::Tokens(_)) => visit.failed(ApiError::internal("a sign-in at the login pages ended in tokens")),
        Err(error) if error.kind == ErrorKind::UserNotConfirmed => visit.go("/confirm", username),
        Err(error) if error.kind == ErrorKind::PasswordResetRequired => visit.go("/forgotPassword", username),
        Err(error) if sign_in::is_over(&error) => visit.show(&page(visit, username, Some(LOST.to_owned()))),
        Err(error) => visit.refuse(error, again),
    }
}

/// The page.
pub(super) fn page(visit: &Visit, username: &str, error: Option<String>) -> Page {
    let (client, pool) = (visit.client(), &visit.site.pool);
    let others = client.supported_identity_providers.iter().filter(|name| *name != COGNITO);
    let providers: Vec<Link> = others.map(|name| provider(visit, name)).collect();
    let (mut forms, mut links) = (Vec::new(), Vec::new());
    if visit.has_own_users() {
        forms.push(form(visit, username));
        if !pool.recovery_is_administrators() {
            links.push(visit.link("/forgotPassword", "Forgot your password?"));
        }
        if !pool.admin_create_user_only {
            links.push(visit.link("/signup", "Sign up"));
        }
    }
    Page { title: "Sign in", error, providers, forms, links, ..Page::default() }
}

/// The way to another provider: the same request with its name.
fn provider(visit: &Visit, name: &str) -> Link {
    let query = visit.query_with(&["identity_provider", "idp_identifier"], &[("identity_provider", name)]);
    Link { href: format!("/oauth2/authorize?{query}"), label: format!("Continue with {name}") }
}

fn form(visit: &Visit, username: &str) -> Form {
    let mut fields = vec![Field {
        name: "username".to_owned(),
        ..name_field("signInFormUsername", &visit.site.pool, "username", username)
    }];
    let button = if asks_for_names_first(visit) {
        "Next"
    } else {
        fields.push(Field { id: "signInFormPassword".to_owned(), ..Field::password() });
        "Sign in"
    };
    Form {
        name: "cognitoSignInForm",
        action: "/login",
        hidden: vec![("cognitoAsfData", String::new())],
        fields,
        button: Button { name: "signInSubmitButton", label: button },
        ..Form::default()
    }
}

/// The field for a user's name, called by what names are in the pool.
pub(super) fn name_field(id: &str, pool: &Pool, autocomplete: &'static str, value: &str) -> Field {
    let by_email = pool.uses_as_username(UsernameAttributeType::Email);
    let by_phone = pool.uses_as_username(UsernameAttributeType::PhoneNumber);
    let (email_alias, phone_alias) =
        (pool.uses_as_alias(AliasAttributeType::Email), pool.uses_as_alias(AliasAttributeType::PhoneNumber));
    let label = match (by_email, by_phone, email_alias, phone_alias) {
        (true, true, ..) => "Email address or phone number",
        (true, false, ..) => "Email address",
        (false, true, ..) => "Phone number",
        (_, _, true, true) => "Username, email address or phone number",
        (_, _, true, false) => "Username or email address",
        (_, _, false, true) => "Username or phone number",
        _ => "Username",
    };
    Field { input_mode: (by_email && !by_phone).then_some("email"), ..Field::text(id, label, autocomplete, value) }
}

fn asks_for_names_first(visit: &Visit) -> bool {
    visit.site.domain.is_managed() && visit.client().explicit_auth_flows.contains(&ExplicitAuthFlowsType::AllowUserAuth)
}
