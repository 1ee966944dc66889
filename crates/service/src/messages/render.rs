//! What a message says: the words of the pool's function, the pool's template or the default text, filled in
//! (accounts.md §5.7, §10.1, §15; triggers-security.md §7).

use domain::{Medium, MessagePurpose, Pool, User};
use wire::{DefaultEmailOptionType, UsernameAttributeType};

use super::{Letter, html};
use crate::{
    ApiError,
    triggers::{custom_message::Words, invalid_response},
};

/// Stands for the code or the temporary password.
const CODE: &str = "####}";
/// Ends the label of a link, which `{##` begins.
const LABEL_END: &str = "##}";
/// Stands for the username, in invitations and notices ([`super::notice`]) only.
const USERNAME: &str = "username}";

/// Most characters of a mail in a function's words, code and all.
const LONGEST_MAIL: usize = 20_000;
/// Most characters of a text message in a function's words, code and all.
const LONGEST_TEXT: usize = 140;
/// Most characters of a subject in a function's words.
const LONGEST_SUBJECT: usize = 140;
/// How many times shorter words become at most where placeholders are filled in: `{username}` may become one letter.
const SHRINK_BY: usize = 10;

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

/// Fills in what belongs to purpose and medium: the words of the pool's function where it has any, else the template.
/// `base_url` is where users reach the server, without a final slash.
///
/// Decision: placeholders in subjects are filled in like those in bodies, links excepted; the service says nothing
/// about them.
///
/// # Errors
/// `InvalidLambdaResponseException` for words of a function that lack a placeholder, or that are too long.
pub fn render(base_url: &str, letter: &Letter, words: &Words) -> Result<Rendered, ApiError> {
    let link = is_by_link(letter).then(|| link(base_url, letter)).flatten();
    let mut template = template(letter.pool, letter.purpose, letter.medium, link.is_some());
    let (name, subject, body) = match letter.medium {
        Medium::Email => ("emailMessage", words.email_subject.as_deref(), words.email_message.as_deref()),
        Medium::Sms => ("smsMessage", None, words.sms_message.as_deref()),
    };
    template.subject = subject.unwrap_or(template.subject);
    template.body = body.unwrap_or(template.body);
    if letter.purpose == MessagePurpose::AdminCreateUser && letter.code.is_empty() && template.body.contains("{####}") {
        template = INVITATION_WITHOUT_PASSWORD;
    }
    if body.is_some()
        && let Some(placeholder) = missing(letter, template.body, link.is_some())
    {
        // Decision: the service's words for this and the next are not recorded.
        return Err(invalid_response(format!("CustomMessage answered {name} without the placeholder {placeholder}.")));
    }
    let longest = if letter.medium == Medium::Sms { LONGEST_TEXT } else { LONGEST_MAIL };
    // What a function answers may be megabytes, and placeholders can make more of it: what can only be too long is not
    // filled in.
    check_length(name, body, longest * SHRINK_BY, longest)?;
    check_length("emailSubject", subject, LONGEST_SUBJECT * SHRINK_BY, LONGEST_SUBJECT)?;
    let rendered = fill_in(letter, template, link.as_deref());
    check_length(name, body.map(|_| rendered.body.as_str()), longest, longest)?;
    check_length("emailSubject", subject.map(|_| rendered.subject.as_str()), LONGEST_SUBJECT, LONGEST_SUBJECT)?;
    Ok(rendered)
}

/// Refuses words of a function that have more than `most` characters, because no more than `allowed` may be sent.
fn check_length(name: &str, words: Option<&str>, most: usize, allowed: usize) -> Result<(), ApiError> {
    if words.is_some_and(|words| words.chars().count() > most) {
        return Err(invalid_response(format!("CustomMessage answered {name} of more than {allowed} characters.")));
    }
    Ok(())
}

fn fill_in(letter: &Letter, template: Template, link: Option<&str>) -> Rendered {
    let username =
        (letter.purpose == MessagePurpose::AdminCreateUser).then(|| shown_username(letter.pool, letter.user));
    let plain = Values { code: letter.code.to_owned(), username: username.map(str::to_owned), link: None };
    match letter.medium {
        Medium::Sms => Rendered { subject: String::new(), body: plain.fill_in(template.body) },
        Medium::Email => {
            let body = Values {
                code: html::escape(letter.code),
                username: username.map(html::escape),
                link: link.map(html::escape),
            };
            Rendered { subject: one_line(&plain.fill_in(template.subject)), body: body.fill_in(template.body) }
        }
    }
}

/// The placeholder that a function's words must have and have not.
///
/// Decision: the words must hold what the message is sent for, or the user could do nothing with it; only the medium that
/// is used is looked at.
fn missing(letter: &Letter, body: &str, by_link: bool) -> Option<&'static str> {
    let is_invitation = letter.purpose == MessagePurpose::AdminCreateUser;
    let has_link = || body.split_once("{##").is_some_and(|(_, after)| after.contains(LABEL_END));
    if by_link && !has_link() {
        return Some("{##Click Here##}");
    }
    let has_code = by_link || is_invitation && letter.code.is_empty() || body.contains("{####}");
    if !has_code {
        return Some("{####}");
    }
    (is_invitation && !body.contains("{username}")).then_some("{username}")
}

/// Whether the pool's invitation by this medium leaves out the temporary password, in which case none is sent
/// (accounts.md §10.1): a password that nobody is told would be of no use.
#[must_use]
pub fn invitation_is_suppressed(pool: &Pool, medium: Medium) -> bool {
    !template(pool, MessagePurpose::AdminCreateUser, medium, false).body.contains("{####}")
}

/// Links confirm sign-ups by mail only; a reset is always a code (accounts.md §5.7).
fn is_by_link(letter: &Letter) -> bool {
    letter.medium == Medium::Email
        && matches!(letter.purpose, MessagePurpose::SignUp | MessagePurpose::ResendCode)
        && letter.pool.verification_template.default_email_option == Some(DefaultEmailOptionType::ConfirmWithLink)
}

/// Where a click confirms the sign-up (accounts.md §9.2). None without a client, since the target needs one.
///
/// Decision: the server itself answers there, so that a pool needs no domain for links.
fn link(base_url: &str, letter: &Letter) -> Option<String> {
    Some(format!(
        "{base_url}/confirmUser/?client_id={}&user_name={}&confirmation_code={}",
        percent_encode(letter.client_id?),
        percent_encode(&letter.user.username),
        percent_encode(letter.code),
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

/// The username that an invitation names, and a notice.
///
/// Decision: where users sign in with an address, the stored username is a UUID that means nothing to them, so the
/// address is shown; email before phone.
pub(super) fn shown_username<'a>(pool: &Pool, user: &'a User) -> &'a str {
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
    fn fill_in(&self, template: &str) -> String {
        // Where no label ends any more none is looked for: each would be searched to the end of the template.
        let last_end = template.rfind(LABEL_END).map_or(usize::MAX, |at| template.len() - at);
        replace_placeholders(template, |out, text| self.placeholder(out, text, last_end))
    }

    /// Writes what the placeholder at the start of `text`, whose brace was just read, stands for, and answers what
    /// comes after it. None when there is none. `last_end` is how many bytes before the end of the template the last
    /// label ends.
    fn placeholder<'t>(&self, out: &mut String, text: &'t str, last_end: usize) -> Option<&'t str> {
        if let Some(link) = &self.link
            && let Some(labelled) = text.strip_prefix("##").filter(|labelled| labelled.len() >= last_end)
            && let Some((label, after)) = labelled.split_once(LABEL_END)
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

/// Replaces placeholders in one pass over the template, so that nothing inside a value is taken for one. `placeholder`
/// writes what the one at the start of a text, whose brace was just read, stands for, and answers what comes after it;
/// none when there is none.
pub(super) fn replace_placeholders<'t>(
    template: &'t str,
    placeholder: impl Fn(&mut String, &'t str) -> Option<&'t str>,
) -> String {
    let mut out = String::with_capacity(template.len() + 64);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        rest = placeholder(&mut out, after).unwrap_or_else(|| {
            out.push('{');
            after
        });
    }
    out.push_str(rest);
    out
}

/// Text as a header can carry it: what could end a line becomes a space.
pub(super) fn one_line(text: &str) -> String {
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
