//! What the login pages are made of (oauth-federation.md §4.1): texts, forms and links, which one template shows.
//!
//! Decision: the service has each form twice in a page, for wide and for narrow screens, with the same ids. One form fits
//! both here: two elements with one id are none to assistive technology, and what fills in forms takes the first.

use askama::Template;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header::CONTENT_SECURITY_POLICY};
use service::hosted::query;

use crate::page;

/// What a page says and asks for.
#[derive(Default)]
pub(super) struct Page {
    /// What page it is.
    pub(super) title: &'static str,
    /// What went wrong just now.
    pub(super) error: Option<String>,
    /// What there is to know.
    pub(super) texts: Vec<String>,
    /// The path of a script without which the page cannot be answered.
    pub(super) script: Option<&'static str>,
    /// What an authenticator app is to learn.
    pub(super) secret: Option<Secret>,
    /// Other providers.
    pub(super) providers: Vec<Link>,
    /// What can be answered.
    pub(super) forms: Vec<Form>,
    /// Where else to go.
    pub(super) links: Vec<Link>,
}

/// The secret of an authenticator app.
pub(super) struct Secret {
    /// As people type it.
    pub(super) text: String,
    /// As apps open it.
    pub(super) link: String,
}

/// A link to a path of the domain.
pub(super) struct Link {
    /// Path and query.
    pub(super) href: String,
    /// What it is called.
    pub(super) label: String,
}

/// A form. It is sent to `action` with the query of the page.
#[derive(Default)]
pub(super) struct Form {
    /// Its name, as scripts find it.
    pub(super) name: &'static str,
    /// The path of the domain that it is sent to.
    pub(super) action: &'static str,
    /// What goes along unseen.
    pub(super) hidden: Vec<(&'static str, String)>,
    /// What is typed.
    pub(super) fields: Vec<Field>,
    /// What is agreed to by sending it.
    pub(super) terms: Option<Terms>,
    /// What sends it.
    pub(super) button: Button,
}

/// Where the documents are that the user agrees to.
pub(super) struct Terms {
    /// The terms of use.
    pub(super) of_use: String,
    /// The privacy policy.
    pub(super) privacy: String,
}

/// What sends a form.
#[derive(Default)]
pub(super) struct Button {
    /// Its name.
    pub(super) name: &'static str,
    /// What is on it.
    pub(super) label: &'static str,
}

/// Something to be typed.
pub(super) struct Field {
    /// Id of the element.
    pub(super) id: String,
    /// Name in the form.
    pub(super) name: String,
    /// What people call it.
    pub(super) label: String,
    /// `type` of the element.
    pub(super) kind: &'static str,
    /// What browsers fill it with.
    pub(super) autocomplete: &'static str,
    /// Which keyboard helps.
    pub(super) input_mode: Option<&'static str>,
    /// What it holds at first.
    pub(super) value: String,
    /// What helps to fill it in.
    pub(super) hint: Option<String>,
    /// Whether the form cannot be sent without it.
    pub(super) is_required: bool,
}

impl Field {
    /// A line of text that must be there.
    pub(super) fn text(id: &str, label: &str, autocomplete: &'static str, value: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: id.to_owned(),
            label: label.to_owned(),
            kind: "text",
            autocomplete,
            input_mode: None,
            value: value.to_owned(),
            hint: None,
            is_required: true,
        }
    }

    /// The password that somebody has.
    pub(super) fn password() -> Self {
        Self { kind: "password", ..Self::text("password", "Password", "current-password", "") }
    }

    /// A password that somebody chooses.
    pub(super) fn new_password(label: &str, hint: String) -> Self {
        Self { kind: "password", hint: Some(hint), ..Self::text("password", label, "new-password", "") }
    }

    /// A code that was sent, or that an app shows.
    pub(super) fn code(name: &str) -> Self {
        Self { input_mode: Some("numeric"), ..Self::text(name, "Code", "one-time-code", "") }
    }
}

#[derive(Template)]
#[template(path = "hosted/page.html")]
struct Sheet<'a> {
    page: &'a Page,
    path: &'a str,
    query: &'a str,
    csrf: &'a str,
    focused: Option<&'a str>,
    look: &'a Look,
}

/// What a pool's administrators have made of the classic pages.
#[derive(Default)]
pub(super) struct Look {
    /// Where more style rules are, below the domain.
    pub(super) style: Option<String>,
    /// Where the logo is, below the domain.
    pub(super) logo: Option<String>,
}

/// Where a page is shown.
pub(super) struct Place<'a> {
    /// What the paths of the domain begin with.
    pub(super) path: &'a str,
    /// The query that forms repeat.
    pub(super) query: &'a str,
    /// The token that forms repeat.
    pub(super) csrf: &'a str,
    /// The pool's own look.
    pub(super) look: &'a Look,
}

/// The page as it is sent. The first field that is empty gets the cursor.
///
/// Decision: the policy says nothing of where forms lead (`form-action`). Browsers hold every redirect after a form against
/// it, those of the application included, which may send its users on to any other host. Pages have no markup but the
/// template's, and so no forms but its own.
pub(super) fn render(status: StatusCode, place: &Place<'_>, page: &Page) -> Response {
    let mut fields = page.forms.iter().flat_map(|form| &form.fields);
    let focused = fields.find(|field| field.value.is_empty()).map(|field| field.id.as_str());
    let Place { path, query, csrf, look } = *place;
    let mut response = page::render(status, &Sheet { page, path, query, csrf, focused, look });
    let scripts = if page.script.is_some() { " script-src 'self';" } else { "" };
    let policy = format!(
        "default-src 'none'; style-src 'self';{scripts} img-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// A text as a part of a URL's path.
pub(super) fn encoded(text: &str) -> String {
    query([("", text)]).trim_start_matches('=').replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn texts_become_parts_of_paths() {
        assert_eq!(encoded("a b+ä/?"), "a%20b%2B%C3%A4%2F%3F");
    }
}
