use super::*;

fn source(attributes: &[&str], access_key: bool) -> Source {
    let key = AccessKey { id: "AKIAEXAMPLE".to_owned(), secret: Secret::new("hunter2".to_owned()) };
    Source::new(Options {
        endpoint: "http://127.0.0.1:1".parse().unwrap(),
        region: "eu-west-1".to_owned(),
        pool: "eu-west-1_Source".to_owned(),
        client: "client".to_owned(),
        client_secret: Some(Secret::new("hunter3".to_owned())),
        access_key: access_key.then_some(key),
        attributes: attributes.iter().map(|name| (*name).to_owned()).collect(),
        ca_file: None,
    })
    .unwrap()
}

const ID: &str = "0b9e6a4c-3f2d-4c58-9a57-2d1c3e4f5a6b";

fn found(username: &str, more: &[(&str, &str)]) -> Found {
    let attributes = [("sub", ID), ("email", "Bob@example.com"), ("email_verified", "true"), ("identities", "[]")];
    let list: Vec<Value> =
        attributes.iter().chain(more).map(|(name, value)| json!({"Name": name, "Value": value})).collect();
    Found::of_user(&json!({"Username": username, "UserAttributes": list}))
}

/// The attributes of the response; none where nobody comes along.
fn attributes(source: &Source, found: &Found, typed: &str, status: Status) -> Option<Value> {
    Some(source.response(found, typed, status)?["userAttributes"].clone())
}

#[test]
fn refusals_that_say_nothing_of_the_user_are_faults() {
    for (name, message, expected) in [
        ("NotAuthorizedException", "Incorrect username or password.", Meaning::Nobody),
        ("NotAuthorizedException", "User is disabled.", Meaning::Nobody),
        ("NotAuthorizedException", "Password attempts exceeded", Meaning::Locked),
        ("NotAuthorizedException", "Unable to verify secret hash for client client", Meaning::Fault),
        ("UserNotFoundException", "User does not exist.", Meaning::Nobody),
        (
            "NotAuthorizedException",
            "Temporary password has expired and must be reset by an administrator.",
            Meaning::Nobody,
        ),
        ("UserNotConfirmedException", "User is not confirmed.", Meaning::Nobody),
        // Clients that hide unknown users are told this of somebody who must reset the password.
        ("PasswordResetRequiredException", "Incorrect username or password.", Meaning::MustReset),
        ("InvalidParameterException", "USER_PASSWORD_AUTH flow not enabled for this client", Meaning::Fault),
        ("ResourceNotFoundException", "User pool client client does not exist.", Meaning::Fault),
        ("", "", Meaning::Fault),
    ] {
        assert_eq!(meaning(name, message), expected, "{name}: {message}");
    }
}

#[test]
fn attributes_come_along_but_those_that_nobody_writes() {
    let bob = found("bob", &[("custom:plan", "gold"), ("cognito:mfa_enabled", "true"), ("name", "")]);
    let all = json!({"email": "Bob@example.com", "email_verified": "true", "custom:plan": "gold", "name": ""});
    let of = |names: &[&str], typed: &str| attributes(&source(names, false), &bob, typed, Status::Confirmed);
    assert_eq!(of(&["*"], "bob"), Some(all.clone()));
    assert_eq!(of(&["custom:*", "sub"], "BOB"), Some(json!({"custom:plan": "gold"})));
    assert_eq!(of(&["phone_number"], "bob"), None, "without attributes nobody comes along");

    // An alias needs the name, which only the other pool knows.
    let mut named = all;
    named["username"] = json!("bob");
    assert_eq!(of(&["*"], "bob@example.com"), Some(named));
    let email = json!({"email": "Bob@example.com", "email_verified": "true"});
    assert_eq!(of(&["email*"], "bob@example.com"), Some(email.clone()), "the configuration leaves the name out");
    assert_eq!(of(&["custom:*"], "bob@example.com"), None);
    assert_eq!(of(&["*"], "robert"), None, "another's name");
    assert_eq!(of(&["*"], ID), None);

    // An address that is the name: the name there is the id.
    let generated = attributes(&source(&["*"], false), &found(ID, &[]), "bob@example.com", Status::Confirmed);
    assert_eq!(generated, Some(email.clone()));
    assert_eq!(attributes(&source(&["*"], false), &found(ID, &[]), ID, Status::Confirmed), None);
    let challenge = json!({"ChallengeParameters": {"USER_ID_FOR_SRP": ID, "userAttributes": email.to_string()}});
    let challenged = Found::of_challenge(&challenge);
    assert_eq!(attributes(&source(&["*"], false), &challenged, "bob@example.com", Status::ResetRequired), Some(email));
}

#[test]
fn a_reset_needs_a_verified_address() {
    let (all, few) = (source(&["*"], true), source(&["name", "email"], true));
    let bob = found("bob", &[]);
    let response = all.response(&bob, "bob", Status::ResetRequired).unwrap();
    assert_eq!(response["finalUserStatus"], "RESET_REQUIRED");
    assert_eq!(response["messageAction"], "SUPPRESS");
    assert!(few.response(&bob, "bob", Status::Confirmed).is_some());
    assert!(few.response(&bob, "bob", Status::ResetRequired).is_none(), "the flag does not come along");
    let unverified = found("bob", &[("email_verified", "false"), ("phone_number_verified", "true")]);
    assert!(all.response(&unverified, "bob", Status::ResetRequired).is_none());
    assert!(all.response(&unverified, "bob", Status::Confirmed).is_some());
}

#[test]
fn secrets_are_not_printed() {
    let printed = format!("{:?}", source(&["*"], true));
    assert!(printed.contains("AKIAEXAMPLE") && !printed.contains("hunter"), "{printed}");
}
