use domain::{Medium, MessagePurpose, Pool, User};
use proptest::prelude::*;
use serde_json::json;
use wire::UsernameAttributeType;

use super::{Letter, Rendered, Words, invitation_is_suppressed, render};
use crate::messages::testing::{pool, user};

const BASE_URL: &str = "https://id.example.com";

const PURPOSES: [MessagePurpose; 6] = [
    MessagePurpose::SignUp,
    MessagePurpose::ResendCode,
    MessagePurpose::ForgotPassword,
    MessagePurpose::AdminCreateUser,
    MessagePurpose::UpdateUserAttribute,
    MessagePurpose::VerifyUserAttribute,
];

/// A message of a client's to an address that is of no interest.
fn letter<'a>(pool: &'a Pool, user: &'a User, purpose: MessagePurpose, medium: Medium, code: &'a str) -> Letter<'a> {
    Letter { pool, client_id: Some("client1"), user, purpose, medium, destination: "", code }
}

fn words(pool: &Pool, user: &User, purpose: MessagePurpose, medium: Medium, code: &str) -> Rendered {
    render(BASE_URL, &letter(pool, user, purpose, medium, code), &Words::default()).unwrap()
}

/// All words of a pool, one message a line.
fn all(pool: &Pool, user: &User, code: &str) -> String {
    let mut lines = Vec::new();
    for purpose in PURPOSES {
        for medium in [Medium::Email, Medium::Sms] {
            let Rendered { subject, body } = words(pool, user, purpose, medium, code);
            lines.push(format!("{purpose:?} {medium:?}: [{subject}] [{body}]"));
        }
    }
    lines.join("\n")
}

fn alice() -> User {
    user("alice", &[("email", "alice@example.com"), ("phone_number", "+14325551212")])
}

#[test]
fn default_texts() {
    insta::assert_snapshot!(all(&pool(), &alice(), "123456"), @"
    SignUp Email: [Your verification code] [Your verification code is 123456. ]
    SignUp Sms: [] [Your verification code is 123456. ]
    ResendCode Email: [Your verification code] [Your verification code is 123456. ]
    ResendCode Sms: [] [Your verification code is 123456. ]
    ForgotPassword Email: [Your password reset code] [Your password reset code is 123456]
    ForgotPassword Sms: [] [Your password reset code is 123456]
    AdminCreateUser Email: [Your temporary password] [Your username is alice and temporary password is 123456. ]
    AdminCreateUser Sms: [] [Your username is alice and temporary password is 123456. ]
    UpdateUserAttribute Email: [Your verification code] [Your verification code is 123456. ]
    UpdateUserAttribute Sms: [] [Your verification code is 123456. ]
    VerifyUserAttribute Email: [Your verification code] [Your verification code is 123456. ]
    VerifyUserAttribute Sms: [] [Your verification code is 123456. ]
    ");
}

#[test]
fn default_texts_by_link() {
    let mut pool = pool();
    pool.verification_template = serde_json::from_value(json!({"DefaultEmailOption": "CONFIRM_WITH_LINK"})).unwrap();
    insta::assert_snapshot!(all(&pool, &alice(), "123456"), @r#"
    SignUp Email: [Your verification link] [Please click the link below to verify your email address. <a href="https://id.example.com/confirmUser/?client_id=client1&amp;user_name=alice&amp;confirmation_code=123456">Verify Email</a> ]
    SignUp Sms: [] [Your verification code is 123456. ]
    ResendCode Email: [Your verification link] [Please click the link below to verify your email address. <a href="https://id.example.com/confirmUser/?client_id=client1&amp;user_name=alice&amp;confirmation_code=123456">Verify Email</a> ]
    ResendCode Sms: [] [Your verification code is 123456. ]
    ForgotPassword Email: [Your password reset code] [Your password reset code is 123456]
    ForgotPassword Sms: [] [Your password reset code is 123456]
    AdminCreateUser Email: [Your temporary password] [Your username is alice and temporary password is 123456. ]
    AdminCreateUser Sms: [] [Your username is alice and temporary password is 123456. ]
    UpdateUserAttribute Email: [Your verification code] [Your verification code is 123456. ]
    UpdateUserAttribute Sms: [] [Your verification code is 123456. ]
    VerifyUserAttribute Email: [Your verification code] [Your verification code is 123456. ]
    VerifyUserAttribute Sms: [] [Your verification code is 123456. ]
    "#);
}

#[test]
fn own_templates() {
    let mut pool = pool();
    pool.verification_template = serde_json::from_value(json!({
        "SmsMessage": "sms {####} {username}",
        "EmailMessage": "<p>mail {####} {username} {##no link##}</p>",
        "EmailSubject": "subject {####}",
        "EmailMessageByLink": "not used {##x##}",
        "EmailSubjectByLink": "not used",
        "DefaultEmailOption": "CONFIRM_WITH_CODE",
    }))
    .unwrap();
    pool.invite_template = Some(
        serde_json::from_value(json!({
            "SMSMessage": "invited {username} {####}",
            "EmailMessage": "<p>Hello {username}, {####}, {username}</p>",
            "EmailSubject": "Welcome {username}",
        }))
        .unwrap(),
    );
    insta::assert_snapshot!(all(&pool, &alice(), "123456"), @"
    SignUp Email: [subject 123456] [<p>mail 123456 {username} {##no link##}</p>]
    SignUp Sms: [] [sms 123456 {username}]
    ResendCode Email: [subject 123456] [<p>mail 123456 {username} {##no link##}</p>]
    ResendCode Sms: [] [sms 123456 {username}]
    ForgotPassword Email: [subject 123456] [<p>mail 123456 {username} {##no link##}</p>]
    ForgotPassword Sms: [] [sms 123456 {username}]
    AdminCreateUser Email: [Welcome alice] [<p>Hello alice, 123456, alice</p>]
    AdminCreateUser Sms: [] [invited alice 123456]
    UpdateUserAttribute Email: [subject 123456] [<p>mail 123456 {username} {##no link##}</p>]
    UpdateUserAttribute Sms: [] [sms 123456 {username}]
    VerifyUserAttribute Email: [subject 123456] [<p>mail 123456 {username} {##no link##}</p>]
    VerifyUserAttribute Sms: [] [sms 123456 {username}]
    ");
}

#[test]
fn own_templates_by_link() {
    let mut pool = pool();
    pool.verification_template = serde_json::from_value(json!({
        "EmailMessage": "code {####}",
        "EmailSubject": "code subject",
        "EmailMessageByLink": "Click {##<b>here</b>##}, {##there##} or {####}. {##open",
        "EmailSubjectByLink": "link subject",
        "DefaultEmailOption": "CONFIRM_WITH_LINK",
    }))
    .unwrap();
    let odd = user("a b&c=d/é\"><", &[("email", "alice@example.com")]);
    insta::assert_snapshot!(all(&pool, &odd, "123456"), @r#"
    SignUp Email: [link subject] [Click <a href="https://id.example.com/confirmUser/?client_id=client1&amp;user_name=a%20b%26c%3Dd%2F%C3%A9%22%3E%3C&amp;confirmation_code=123456"><b>here</b></a>, <a href="https://id.example.com/confirmUser/?client_id=client1&amp;user_name=a%20b%26c%3Dd%2F%C3%A9%22%3E%3C&amp;confirmation_code=123456">there</a> or <a href="https://id.example.com/confirmUser/?client_id=client1&amp;user_name=a%20b%26c%3Dd%2F%C3%A9%22%3E%3C&amp;confirmation_code=123456">https://id.example.com/confirmUser/?client_id=client1&amp;user_name=a%20b%26c%3Dd%2F%C3%A9%22%3E%3C&amp;confirmation_code=123456</a>. {##open]
    SignUp Sms: [] [Your verification code is 123456. ]
    ResendCode Email: [link subject] [Click <a href="https://id.example.com/confirmUser/?client_id=client1&amp;user_name=a%20b%26c%3Dd%2F%C3%A9%22%3E%3C&amp;confirmation_code=123456"><b>here</b></a>, <a href="https://id.example.com/confirmUser/?client_id=client1&amp;user_name=a%20b%26c%3Dd%2F%C3%A9%22%3E%3C&amp;confirmation_code=123456">there</a> or <a href="https://id.example.com/confirmUser/?client_id=client1&amp;user_name=a%20b%26c%3Dd%2F%C3%A9%22%3E%3C&amp;confirmation_code=123456">https://id.example.com/confirmUser/?client_id=client1&amp;user_name=a%20b%26c%3Dd%2F%C3%A9%22%3E%3C&amp;confirmation_code=123456</a>. {##open]
    ResendCode Sms: [] [Your verification code is 123456. ]
    ForgotPassword Email: [code subject] [code 123456]
    ForgotPassword Sms: [] [Your password reset code is 123456]
    AdminCreateUser Email: [Your temporary password] [Your username is a b&amp;c=d/é&quot;&gt;&lt; and temporary password is 123456. ]
    AdminCreateUser Sms: [] [Your username is a b&c=d/é">< and temporary password is 123456. ]
    UpdateUserAttribute Email: [code subject] [code 123456]
    UpdateUserAttribute Sms: [] [Your verification code is 123456. ]
    VerifyUserAttribute Email: [code subject] [code 123456]
    VerifyUserAttribute Sms: [] [Your verification code is 123456. ]
    "#);
}

#[test]
fn without_a_client_there_is_no_link() {
    let mut pool = pool();
    pool.verification_template = serde_json::from_value(json!({"DefaultEmailOption": "CONFIRM_WITH_LINK"})).unwrap();
    let alice = alice();
    let letter = Letter { client_id: None, ..letter(&pool, &alice, MessagePurpose::SignUp, Medium::Email, "123456") };
    let rendered = render(BASE_URL, &letter, &Words::default()).unwrap();
    assert_eq!(rendered.body, "Your verification code is 123456. ");
    assert_eq!(rendered.subject, "Your verification code");
}

#[test]
fn values_are_escaped_in_mail_bodies_only_and_never_read_as_placeholders() {
    let odd = user("<b>{####}&", &[]);
    let mail = words(&pool(), &odd, MessagePurpose::AdminCreateUser, Medium::Email, "<{username}\"&>");
    assert_eq!(
        mail.body,
        "Your username is &lt;b&gt;{####}&amp; and temporary password is &lt;{username}&quot;&amp;&gt;. "
    );
    let sms = words(&pool(), &odd, MessagePurpose::AdminCreateUser, Medium::Sms, "<{username}\"&>");
    assert_eq!(sms.body, "Your username is <b>{####}& and temporary password is <{username}\"&>. ");
}

#[test]
fn invitations_name_the_address_that_users_sign_in_with() {
    let sub = "34c84488-e0e1-40ae-92ee-991ad1a898c8";
    let both = user(sub, &[("email", "alice@example.com"), ("phone_number", "+14325551212")]);
    let phone = user(sub, &[("phone_number", "+14325551212")]);
    let mut pool = pool();
    pool.username_attributes = vec![UsernameAttributeType::PhoneNumber, UsernameAttributeType::Email];
    let name = |user: &User| words(&pool, user, MessagePurpose::AdminCreateUser, Medium::Sms, "x").body;
    assert!(name(&both).starts_with("Your username is alice@example.com and"));
    assert!(name(&phone).starts_with("Your username is +14325551212 and"));
    assert!(name(&user(sub, &[])).starts_with(&format!("Your username is {sub} and")));
}

#[test]
fn an_invitation_that_leaves_out_the_password_is_suppressed() {
    let mut pool = pool();
    assert!(!invitation_is_suppressed(&pool, Medium::Email) && !invitation_is_suppressed(&pool, Medium::Sms));
    pool.invite_template = Some(serde_json::from_value(json!({"EmailMessage": "Hello {username}!"})).unwrap());
    assert!(invitation_is_suppressed(&pool, Medium::Email) && !invitation_is_suppressed(&pool, Medium::Sms));
}

#[test]
fn a_subject_is_one_line() {
    let mut pool = pool();
    pool.invite_template = Some(
        serde_json::from_value(json!({"EmailSubject": "Hi\r\nBcc: eve@evil.example\u{2028}{username}\t\u{85}\0"}))
            .unwrap(),
    );
    let rendered = words(&pool, &user("a\nb", &[]), MessagePurpose::AdminCreateUser, Medium::Email, "x");
    assert_eq!(rendered.subject, "Hi  Bcc: eve@evil.example a b   ");
}

/// What becomes of a function's words, all three of which are these.
fn in_words_of_a_function(letter: &Letter, words: &str) -> String {
    let own = || Some(words.to_owned());
    let words = Words { sms_message: own(), email_message: own(), email_subject: own() };
    match render(BASE_URL, letter, &words) {
        Ok(Rendered { subject, body }) => format!("[{subject}] [{body}]"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn words_of_a_function_take_the_place_of_templates() {
    let mut pool = pool();
    pool.verification_template = serde_json::from_value(json!({
        "SmsMessage": "sms {####}", "EmailMessage": "mail {####}", "EmailSubject": "subject",
    }))
    .unwrap();
    let alice = alice();
    let mail = letter(&pool, &alice, MessagePurpose::SignUp, Medium::Email, "<1>");
    assert_eq!(
        in_words_of_a_function(&mail, "<b>{####}</b> {username} {##no link##}"),
        "[<b><1></b> {username} {##no link##}] [<b>&lt;1&gt;</b> {username} {##no link##}]"
    );
    let text = Letter { medium: Medium::Sms, ..mail };
    assert_eq!(in_words_of_a_function(&text, "<b>{####}</b>"), "[] [<b><1></b>]");
    let invitation = Letter { purpose: MessagePurpose::AdminCreateUser, ..mail };
    assert_eq!(in_words_of_a_function(&invitation, "{username}: {####}"), "[alice: <1>] [alice: &lt;1&gt;]");
    // The pool's template stays for what the function leaves alone.
    let words = Words { email_subject: Some("of my own {####}".to_owned()), ..Words::default() };
    let rendered = render(BASE_URL, &mail, &words).unwrap();
    assert_eq!((rendered.subject.as_str(), rendered.body.as_str()), ("of my own <1>", "mail &lt;1&gt;"));
    let words = Words { email_message: Some("{####}".to_owned()), ..Words::default() };
    let rendered = render(BASE_URL, &mail, &words).unwrap();
    assert_eq!((rendered.subject.as_str(), rendered.body.as_str()), ("subject", "&lt;1&gt;"));
    // A mail's words are of no interest to a text message.
    let words = Words { email_message: Some("nothing".to_owned()), ..Words::default() };
    assert_eq!(render(BASE_URL, &text, &words).unwrap().body, "sms <1>");
}

#[test]
fn words_of_a_function_hold_what_the_message_is_sent_for() {
    let refused = |name: &str, placeholder: &str| {
        format!("InvalidLambdaResponseException: CustomMessage answered {name} without the placeholder {placeholder}.")
    };
    let (mut pool, alice) = (pool(), alice());
    for purpose in PURPOSES {
        for (medium, name) in [(Medium::Email, "emailMessage"), (Medium::Sms, "smsMessage")] {
            let letter = letter(&pool, &alice, purpose, medium, "123456");
            for words in ["", "Hello", "{username}", "{##Click Here##}", "{###}", "{#####}", "####"] {
                assert_eq!(in_words_of_a_function(&letter, words), refused(name, "{####}"), "{purpose:?} {words}");
            }
            let without_name = in_words_of_a_function(&letter, "Hello {####}");
            if purpose == MessagePurpose::AdminCreateUser {
                assert_eq!(without_name, refused(name, "{username}"));
            } else {
                assert!(without_name.ends_with("[Hello 123456]"), "{without_name}");
            }
        }
    }
    // Users without a password are told none, and whoever would tell them one all the same is not listened to.
    let invitation = letter(&pool, &alice, MessagePurpose::AdminCreateUser, Medium::Sms, "");
    assert_eq!(in_words_of_a_function(&invitation, "You are {username}"), "[] [You are alice]");
    assert_eq!(in_words_of_a_function(&invitation, "{username}: {####}"), "[] [Your username is alice. ]");
    assert_eq!(in_words_of_a_function(&invitation, "Hello"), refused("smsMessage", "{username}"));

    pool.verification_template = serde_json::from_value(json!({"DefaultEmailOption": "CONFIRM_WITH_LINK"})).unwrap();
    let by_link = letter(&pool, &alice, MessagePurpose::SignUp, Medium::Email, "1");
    for words in ["", "Hello", "{##", "##}", "{##Click Here"] {
        assert_eq!(in_words_of_a_function(&by_link, words), refused("emailMessage", "{##Click Here##}"), "{words}");
    }
    let link = "https://id.example.com/confirmUser/?client_id=client1&amp;user_name=alice&amp;confirmation_code=1";
    assert!(
        in_words_of_a_function(&by_link, "{##Click Here##}").ends_with(&format!("[<a href=\"{link}\">Click Here</a>]"))
    );
    // A reset is never by link.
    let reset = letter(&pool, &alice, MessagePurpose::ForgotPassword, Medium::Email, "1");
    assert_eq!(in_words_of_a_function(&reset, "{##Click Here##}"), refused("emailMessage", "{####}"));
}

#[test]
fn words_of_a_function_have_limits() {
    let (pool, alice) = (pool(), alice());
    let of_length = |medium: Medium, name: &str, length: usize| {
        let letter = letter(&pool, &alice, MessagePurpose::SignUp, medium, "123456");
        let text = format!("{}{{####}}", "é".repeat(length - 6));
        let mut words = Words::default();
        let place = match name {
            "smsMessage" => &mut words.sms_message,
            "emailMessage" => &mut words.email_message,
            _ => &mut words.email_subject,
        };
        *place = Some(text);
        render(BASE_URL, &letter, &words).map_err(|error| error.to_string())
    };
    for (medium, name, most) in [
        (Medium::Sms, "smsMessage", 140),
        (Medium::Email, "emailMessage", 20_000),
        (Medium::Email, "emailSubject", 140),
    ] {
        of_length(medium, name, most).unwrap();
        let error =
            format!("InvalidLambdaResponseException: CustomMessage answered {name} of more than {most} characters.");
        assert_eq!(of_length(medium, name, most + 1).unwrap_err(), error);
    }
    // A pool's own template has other limits, at other doors.
    let mut pool = pool.clone();
    pool.verification_template = serde_json::from_value(
        json!({"SmsMessage": format!("{}{{####}}", "x".repeat(134)), "EmailSubject": "x".repeat(140)}),
    )
    .unwrap();
    assert_eq!(words(&pool, &alice, MessagePurpose::SignUp, Medium::Sms, "12345678").body.len(), 142);
}

/// The answer of a function may be megabytes; it is its length once it is filled in that counts.
#[test]
fn words_of_a_function_may_be_longer_than_what_they_become() {
    let (mut pool, alice) = (pool(), user("a", &[]));
    let invitation = letter(&pool, &alice, MessagePurpose::AdminCreateUser, Medium::Email, "123456");
    let subject_of = |subject: String| {
        let words = Words { email_subject: Some(subject), ..Words::default() };
        render(BASE_URL, &invitation, &words).map(|rendered| rendered.subject).map_err(|error| error.to_string())
    };
    // Placeholders can make less of it.
    assert_eq!(subject_of("{username}".repeat(140)), Ok("a".repeat(140)));
    let refused = "InvalidLambdaResponseException: CustomMessage answered emailSubject of more than 140 characters.";
    for count in [141, 500_000] {
        assert_eq!(subject_of("{username}".repeat(count)), Err(refused.to_owned()));
    }
    pool.verification_template = serde_json::from_value(json!({"DefaultEmailOption": "CONFIRM_WITH_LINK"})).unwrap();
    let by_link = letter(&pool, &alice, MessagePurpose::SignUp, Medium::Email, "1");
    let words = Words { email_message: Some("{##a##}".repeat(500_000)), ..Words::default() };
    let error = render(BASE_URL, &by_link, &words).unwrap_err().to_string();
    assert!(error.ends_with("answered emailMessage of more than 20000 characters."), "{error}");
}

/// Millions of characters of what begins a label that nothing ends: with time that grows with the square, each of them
/// would take many minutes.
#[test]
fn long_templates_take_no_longer_than_they_are_long() {
    for (before, after) in [("", ""), ("{##a##}", ""), ("##}", "##"), ("", "##}")] {
        let template = format!("{before}{}{after}", "{##".repeat(2_000_000));
        let (done, is_done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut pool = pool();
            pool.verification_template = serde_json::from_value(json!({
                "DefaultEmailOption": "CONFIRM_WITH_LINK", "EmailMessageByLink": template,
            }))
            .unwrap();
            done.send(words(&pool, &alice(), MessagePurpose::SignUp, Medium::Email, "1").body.len())
        });
        let length = is_done.recv_timeout(std::time::Duration::from_secs(60));
        assert!(length.is_ok_and(|length| length >= 5_999_000), "{before:?} and {after:?}");
    }
}

/// Text with everything in it that means something to somebody.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{####}".to_owned()),
        Just("{username}".to_owned()),
        Just("{##click##}".to_owned()),
        Just("{##".to_owned()),
        Just("##}".to_owned()),
        Just("\r\n".to_owned()),
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just("<script>".to_owned()),
        Just("\"'&<>".to_owned()),
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nothing_breaks_out_of_subject_or_body(
        template in hostile(),
        username in hostile(),
        code in hostile(),
        by_link in any::<bool>(),
        which in 0_usize..4,
    ) {
        let mut pool = pool();
        let option = if by_link { "CONFIRM_WITH_LINK" } else { "CONFIRM_WITH_CODE" };
        pool.verification_template = serde_json::from_value(json!({
            "EmailMessage": template, "EmailSubject": template,
            "EmailMessageByLink": template, "EmailSubjectByLink": template,
            "DefaultEmailOption": option,
        })).unwrap();
        pool.invite_template = Some(serde_json::from_value(json!({"EmailMessage": template, "EmailSubject": template})).unwrap());
        let purpose = PURPOSES.get(which).copied().unwrap();
        let mail = words(&pool, &user(&username, &[]), purpose, Medium::Email, &code);
        prop_assert!(!mail.subject.contains(['\r', '\n']));
        // Every `<` is the template's own, or belongs to an anchor that we made from one of its labels.
        let anchors = mail.body.matches("<a href=\"https://id.example.com/confirmUser/?").count();
        let closings = mail.body.matches("</a>").count();
        prop_assert_eq!(anchors, closings);
        prop_assert!(mail.body.matches('<').count() <= template.matches('<').count() + 2 * anchors);
    }
}
