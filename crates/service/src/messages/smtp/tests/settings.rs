//! Settings that make sense, and those that do not.

use std::time::Duration;

use domain::Secret;

use crate::messages::{Encryption, SmtpSender, SmtpSettings};

fn settings() -> SmtpSettings {
    SmtpSettings {
        host: "mail.example".to_owned(),
        port: 587,
        encryption: Encryption::StartTls,
        username: Some("poolkeeper".to_owned()),
        password: Some(Secret::new("hunter2".to_owned())),
        from: "Poolkeeper <no-reply@mail.example>".to_owned(),
        ca_file: None,
        timeout: Duration::from_secs(10),
    }
}

fn refusal(settings: &SmtpSettings) -> String {
    SmtpSender::new(settings).err().unwrap().to_string()
}

#[test]
fn settings_that_make_sense_are_taken() {
    for encryption in [Encryption::None, Encryption::StartTls, Encryption::Tls] {
        assert!(SmtpSender::new(&SmtpSettings { encryption, ..settings() }).is_ok());
    }
}

#[test]
fn contradicting_settings_are_refused_with_advice() {
    let file = std::env::temp_dir().join("poolkeeper-no-such-file.pem");
    insta::assert_snapshot!(refusal(&SmtpSettings { from: "nobody".to_owned(), ..settings() }),
        @"the sender \"nobody\" is not a mail address: write `address` or `Name <address>`");
    insta::assert_snapshot!(refusal(&SmtpSettings { password: None, ..settings() }),
        @"username and password of the mail server belong together: set both or neither");
    let useless = SmtpSettings { encryption: Encryption::None, ca_file: Some(file.clone()), ..settings() };
    insta::assert_snapshot!(refusal(&useless),
        @"a ca_file has no effect without encryption: set encryption to starttls or tls, or leave it out");
    assert!(refusal(&SmtpSettings { ca_file: Some(file), ..settings() }).contains("cannot be read: No such file"));
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into();
    assert!(refusal(&SmtpSettings { ca_file: Some(manifest), ..settings() }).contains("holds no certificates"));
}

#[test]
fn the_password_is_never_printed() {
    assert!(!format!("{:?}", settings()).contains("hunter2"));
}
