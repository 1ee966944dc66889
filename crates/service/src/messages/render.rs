//! What a message says: the pool's template or the default text, filled in (accounts.md §5.7, §10.1, §15).

use domain::{Medium, MessagePurpose, Pool, User};
use wire::{DefaultEmailOptionType, UsernameAttributeType};

use super::html;

/// Stands for the code or the temporary password.
const CODE: &str = "####}";
/// Stands for the username, in invitations only.
const USERNAME: &str = "username}";

// Decision: the service's own default texts are not confirmed to the letter; all of them are in this table.
const VERIFICATION: Template<'static> =
    Template { subject: "Your verification code", body: "Your verification code is {####}. " };
const VERIFICATION_BY_LINK: Template<'static> = Template {
    subject: "Your verification link",
    body: "Please click the link below to verify your email address. {##Verify Email##} ",
};
const RESET: Template<'static> =
    Template { subject: "Your password reset code", body: "Your password reset code is {####}" };
const INVITATION: Template<'static> = Template {
    subject: "Your temporary password",
    body: "Your username is {username} and temporary password is {####}. ",
};

/// For users who sign in by codes. A template of the pool's that names the password is not for them.
const INVITATION_WITHOUT_PASSWORD: Template<'static> =
    Template { subject: "Your new account", body: "Your username is {username}. " };

const AUTHENTICATION: Template<'static> =
    Template { subject: "Your authentication code", body: "Your authentication code is {####}. " };

#[derive(Clone, Copy)]
struct Template<'a> {
    subject: &'a str,
    body: &'a str,
}

/// A message's words.
#[derive(Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line without control characters; empty for text messages.
    pub subject: String,
    /// HTML for mail, plain text for text messages.
    pub body: String,
}

/// What a message is about.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// Where users reach the server, without a final slash.
    pub base_url: &'a str,
    /// The pool whose templates are used.
    pub pool: &'a Pool,
    /// The client that asked; links need it.
    pub client_id: Option<&'a str>,
    /// The receiver.
    pub user: &'a User,
    /// Why it is sent.
    pub purpose: MessagePurpose,
    /// How it is sent.
    pub medium: Medium,
    /// The code or temporary password; empty in invitations of users who have no password.
    pub code: &'a str,
}

/// Fills in the template that belongs to purpose and medium.
///
/// Decision: placeholders in subjects are filled in like those in bodies, links excepted; the service says nothing
/// about them.
pub fn render(about: &About) -> Rendered {
    let link = is_by_link(about).then(|| link(about)).flatten();
    let mut template = template(about.pool, about.purpose, about.medium, link.is_some());
    if about.purpose == MessagePurpose::AdminCreateUser && about.code.is_empty() && template.body.contains("{####}") {
        template = INVITATION_WITHOUT_PASSWORD;
    }
    let username = (about.purpose == MessagePurpose::AdminCreateUser).then(|| shown_username(about.pool, about.user));
    let plain = Values { code: about.code.to_owned(), username: username.map(str::to_owned), link: None };
    match about.medium {
        Medium::Sms => Rendered { subject: String::new(), body: plain.fill_in(template.body) },
        Medium::Email => {
            let body = Values {
                code: html::escape(about.code),
                username: username.map(html::escape),
                link: link.map(|link| html::escape(&link)),
            };
            Rendered { subject: one_line(&plain.fill_in(template.subject)), body: body.fill_in(template.body) }
        }
    }
}

/// Whether the pool's invitation by this medium leaves out the temporary password, in which case none is sent
/// (accounts.md §10.1): a password that nobody is told would be of no use.
#[must_use]
pub fn invitation_is_suppressed(pool: &Pool, medium: Medium) -> bool {
    !template(pool, MessagePurpose::AdminCreateUser, medium, false).body.contains("{####}")
}

/// Links confirm sign-ups by mail only; a reset is always a code (accounts.md §5.7).
fn is_by_link(about: &About) -> bool {
    about.medium == Medium::Email
        && matches!(about.purpose, MessagePurpose::SignUp | MessagePurpose::ResendCode)
        && about.pool.verification_template.default_email_option == Some(DefaultEmailOptionType::ConfirmWithLink)
}

/// Where a click confirms the sign-up (accounts.md §9.2). None without a client, since the target needs one.
fn link(about: &About) -> Option<String> {
    Some(format!(
        "{}/confirmUser/?client_id={}&user_name={}&confirmation_code={}",
        about.base_url,
        percent_encode(about.client_id?),
        percent_encode(&about.user.username),
        percent_encode(about.code),
    ))
}

fn template(pool: &Pool, purpose: MessagePurpose, medium: Medium, by_link: bool) -> Template<'_> {
    let own = &pool.verification_template;
    let (default, subject, body) = match (purpose, medium) {
        (MessagePurpose::AdminCreateUser, _) => {
            let invite = pool.invite_template.as_ref();
            let body = invite.and_then(|invite| match medium {
                Medium::Email => invite.email_message.as_ref(),
                Medium::Sms => invite.sms_message.as_ref(),
            });
            (INVITATION, invite.and_then(|invite| invite.email_subject.as_ref()), body)
        }
        (MessagePurpose::Authentication, Medium::Email) => {
            let email = pool.factors.email.as_ref();
            (
                AUTHENTICATION,
                email.and_then(|email| email.subject.as_ref()),
                email.and_then(|email| email.message.as_ref()),
            )
        }
        (MessagePurpose::Authentication, Medium::Sms) => (AUTHENTICATION, None, pool.factors.sms_message.as_ref()),
        (_, Medium::Email) if by_link => {
            (VERIFICATION_BY_LINK, own.email_subject_by_link.as_ref(), own.email_message_by_link.as_ref())
        }
        (purpose, medium) => {
            let default = if purpose == MessagePurpose::ForgotPassword { RESET } else { VERIFICATION };
            match medium {
                Medium::Email => (default, own.email_subject.as_ref(), own.email_message.as_ref()),
                Medium::Sms => (default, None, own.sms_message.as_ref()),
            }
        }
    };
    Template {
        subject: subject.map_or(default.subject, String::as_str),
        body: body.map_or(default.body, String::as_str),
    }
}

/// The username that an invitation names.
///
/// Decision: where users sign in with an address, the stored username is a UUID that means nothing to them, so the
/// address is shown; email before phone.
fn shown_username<'a>(pool: &Pool, user: &'a User) -> &'a str {
    let address = |kind: UsernameAttributeType, medium: Medium| {
        if pool.uses_as_username(kind) { user.address(medium) } else { None }
    };
    address(UsernameAttributeType::Email, Medium::Email)
        .or_else(|| address(UsernameAttributeType::PhoneNumber, Medium::Sms))
        .unwrap_or(&user.username)
}

/// What placeholders stand for.
struct Values {
    code: String,
    /// None where `{username}` means itself.
    username: Option<String>,
    /// The escaped target of `{##Text##}`; none where that means itself.
    link: Option<String>,
}

impl Values {
    /// Replaces placeholders in one pass over the template, so that nothing inside a value is taken for one.
    fn fill_in(&self, template: &str) -> String {
        let mut out = String::with_capacity(template.len() + 64);
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            rest = self.placeholder(&mut out, after).unwrap_or_else(|| {
                out.push('{');
                after
            });
        }
        out.push_str(rest);
        out
    }

    /// Writes what the placeholder at the start of `text`, whose brace was just read, stands for, and answers what
    /// comes after it. None when there is none.
    fn placeholder<'t>(&self, out: &mut String, text: &'t str) -> Option<&'t str> {
        if let Some(link) = &self.link
            && let Some((label, after)) = text.strip_prefix("##").and_then(|text| text.split_once("##}"))
        {
            // Decision: a label without text, `{####}`, would make a link that nobody sees; it shows its address.
            let label = if label.trim().is_empty() { link } else { label };
            out.push_str(&format!("<a href=\"{link}\">{label}</a>"));
            return Some(after);
        }
        if let Some(after) = text.strip_prefix(CODE) {
            out.push_str(&self.code);
            return Some(after);
        }
        let after = text.strip_prefix(USERNAME)?;
        out.push_str(self.username.as_deref()?);
        Some(after)
    }
}

/// Text as a header can carry it: what could end a line becomes a space.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c }).collect()
}

/// RFC 3986: everything but unreserved characters.
fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests;
