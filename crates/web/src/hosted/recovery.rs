//! `/forgotPassword` and `/confirmforgotPassword` (oauth-federation.md §4.3): a forgotten password is replaced by way of a
//! code. Names that nobody has lead to the same pages, where the client hides who is unknown.

use axum::response::Response;
use http::StatusCode;
use serde_json::json;
use wire::Operation;

use super::{
    attributes, login,
    page::{Button, Field, Form, Page},
    visit::{Sent, Visit},
};

/// `GET /forgotPassword`.
pub(super) async fn show(visit: Visit) -> Response {
    closed(&visit).unwrap_or_else(|| visit.show(&page(&visit, visit.hint(), None)))
}

/// `POST /forgotPassword`: sends a code.
pub(super) async fn submit(Sent { visit, fields, .. }: Sent) -> Response {
    if let Some(closed) = closed(&visit) {
        return closed;
    }
    let username = login::username(&fields);
    match visit.call(Operation::ForgotPassword, username, []).await {
        Ok(_) => visit.go("/confirmforgotPassword", username),
        Err(error) => visit.refuse(error, |error| page(&visit, username, Some(error))),
    }
}

/// `GET /confirmforgotPassword`.
pub(super) async fn show_confirmation(visit: Visit) -> Response {
    visit.show(&confirmation(&visit, visit.hint(), None))
}

/// `POST /confirmforgotPassword`: takes the code and the new password.
pub(super) async fn confirm(Sent { visit, fields, .. }: Sent) -> Response {
    let username = login::username(&fields);
    let text = |name: &str| fields.get(name).unwrap_or_default();
    let members =
        [("ConfirmationCode", json!(text("verification_code").trim())), ("Password", json!(text("password")))];
    match visit.call(Operation::ConfirmForgotPassword, username, members).await {
        Ok(_) => visit.go("/login", username),
        Err(error) => visit.refuse(error, |error| confirmation(&visit, username, Some(error))),
    }
}

/// What there is instead of the form where nobody gets a code.
fn closed(visit: &Visit) -> Option<Response> {
    let is_open = visit.has_own_users() && !visit.site.pool.recovery_is_administrators();
    let text = "Contact administrator to reset password.";
    (!is_open).then(|| visit.closed(StatusCode::FORBIDDEN, "Forgot your password?", text))
}

fn page(visit: &Visit, username: &str, error: Option<String>) -> Page {
    let form = Form {
        name: "forgotPasswordForm",
        action: "/forgotPassword",
        fields: vec![login::name_field("username", &visit.site.pool, "username", username)],
        button: Button { name: "resetButton", label: "Send a code" },
        ..Form::default()
    };
    Page {
        title: "Forgot your password?",
        error,
        texts: vec!["We send you a code, with which you choose a new password.".to_owned()],
        forms: vec![form],
        links: vec![visit.link("/login", "Back to the login page")],
        ..Page::default()
    }
}

fn confirmation(visit: &Visit, username: &str, error: Option<String>) -> Page {
    let pool = &visit.site.pool;
    let form = Form {
        name: "confirmForgotPasswordForm",
        action: "/confirmforgotPassword",
        fields: vec![
            login::name_field("username", pool, "username", username),
            Field::code("verification_code"),
            Field::new_password("New password", attributes::policy(&pool.password_policy)),
        ],
        button: Button { name: "confirmButton", label: "Change the password" },
        ..Form::default()
    };
    Page {
        title: "Choose a new password",
        error,
        texts: vec!["We have sent you a code.".to_owned()],
        forms: vec![form],
        links: vec![visit.link("/forgotPassword", "Send another code")],
        ..Page::default()
    }
}
