//! What administrators change about users: attributes, and aliases and names that change hands (accounts.md §2,
//! §10.1, §11.5).

use serde_json::json;
use testkit::{Server, both_engines};

use crate::users::{UNKNOWN, create, get, named, update, value};

#[tokio::test]
async fn addresses_that_are_names_belong_to_one_user() {
    both_engines(async |server| {
        let pool = server.pool(json!({"UsernameAttributes": ["email", "phone_number"]})).await;
        let answer = create(&server, &pool, "a@example.com", &[("phone_number", "+14325551212")], json!({})).await.ok();
        let username = answer["User"]["Username"].as_str().unwrap();
        assert_eq!(answer["User"]["Attributes"][0], json!({"Name": "sub", "Value": username}));
        assert_eq!(
            create(&server, &pool, "a@example.com", &[], json!({"ForceAliasCreation": true})).await.error(),
            "UsernameExistsException: An account with the given email already exists."
        );
        assert_eq!(
            create(&server, &pool, "+14325551212", &[], json!({})).await.error(),
            "UsernameExistsException: An account with the given phone_number already exists."
        );
        // A change of the address is a change of the name, at once.
        update(&server, &pool, "a@example.com", &[("email", "b@example.com")]).await.ok();
        assert_eq!(named(&server, "AdminGetUser", &pool, "a@example.com").await.error(), UNKNOWN);
        assert_eq!(get(&server, &pool, "b@example.com").await["Username"], username);
        create(&server, &pool, "a@example.com", &[], json!({})).await.ok();
        assert_eq!(
            update(&server, &pool, "b@example.com", &[("email", "a@example.com")]).await.error(),
            "AliasExistsException: An account with the given email already exists."
        );
        // The last name cannot be taken away.
        assert_eq!(
            update(&server, &pool, "a@example.com", &[("email", "")]).await.error(),
            "InvalidParameterException: user.email: The attribute is required\n"
        );
    })
    .await;
}

#[tokio::test]
async fn verified_addresses_are_aliases_and_move_only_by_force() {
    both_engines(async |server| {
        let pool = server.pool(json!({"AliasAttributes": ["email", "phone_number", "preferred_username"]})).await;
        let verified = [
            ("email", "a@example.com"),
            ("email_verified", "true"),
            ("phone_number", "+14325551212"),
            ("phone_number_verified", "true"),
        ];
        create(&server, &pool, "alice", &verified, json!({})).await.ok();
        assert_eq!(get(&server, &pool, "a@example.com").await["Username"], "alice");
        assert_eq!(
            create(&server, &pool, "bob", &verified, json!({})).await.error(),
            "UsernameExistsException: An account with the given email already exists."
        );
        // Unverified ones clash with nobody, not even by force.
        create(&server, &pool, "carol", &[verified[0]], json!({"ForceAliasCreation": true})).await.ok();
        assert_eq!(get(&server, &pool, "a@example.com").await["Username"], "alice");
        // One user loses both.
        create(&server, &pool, "bob", &verified, json!({"ForceAliasCreation": true})).await.ok();
        assert_eq!(get(&server, &pool, "a@example.com").await["Username"], "bob");
        assert_eq!(get(&server, &pool, "+14325551212").await["Username"], "bob");
        let alice = get(&server, &pool, "alice").await;
        assert_eq!(value(&alice, "email_verified").as_deref(), Some("false"));
        assert_eq!(value(&alice, "phone_number_verified").as_deref(), Some("false"));

        // A preferred user name is nobody else's name of any kind.
        update(&server, &pool, "alice", &[("preferred_username", "ace")]).await.ok();
        assert_eq!(get(&server, &pool, "ace").await["Username"], "alice");
        let bob = get(&server, &pool, "bob").await;
        for taken in ["ace", "bob", value(&bob, "sub").unwrap().as_str()] {
            assert_eq!(
                update(&server, &pool, "carol", &[("preferred_username", taken)]).await.error(),
                "AliasExistsException: An account with the given preferred_username already exists.",
                "{taken}"
            );
        }
        assert_eq!(
            create(&server, &pool, "dave", &[("preferred_username", "ace")], json!({"ForceAliasCreation": true}))
                .await
                .error(),
            "UsernameExistsException: An account with the given preferred_username already exists."
        );
        assert_eq!(
            update(&server, &pool, "alice", &[("email_verified", "true")]).await.error(),
            "AliasExistsException: An account with the given email already exists."
        );
    })
    .await;
}

#[tokio::test]
async fn of_many_who_want_an_alias_one_gets_it() {
    both_engines(async |server| {
        let pool = server.pool(json!({"AliasAttributes": ["email"]})).await;
        for name in ["a", "b", "c", "d"] {
            create(&server, &pool, name, &[("email", "shared@example.com")], json!({})).await.ok();
        }
        let verify = [("email_verified", "true")];
        let answers = tokio::join!(
            update(&server, &pool, "a", &verify),
            update(&server, &pool, "b", &verify),
            update(&server, &pool, "c", &verify),
            update(&server, &pool, "d", &verify),
        );
        let answers = [answers.0, answers.1, answers.2, answers.3];
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!(won.len(), 1);
        for answer in lost {
            assert_eq!(answer.error(), "AliasExistsException: An account with the given email already exists.");
        }
    })
    .await;
}

#[tokio::test]
async fn attributes_change_and_flags_follow() {
    let server = Server::memory().await;
    let pool = server
        .pool(json!({"Schema": [
            {"Name": "badge", "AttributeDataType": "String", "Mutable": false},
            {"Name": "level", "AttributeDataType": "Number", "Mutable": true},
        ]}))
        .await;
    let pairs = [("email", "a@example.com"), ("email_verified", "true"), ("custom:badge", "x"), ("custom:level", "1")];
    create(&server, &pool, "alice", &pairs, json!({})).await.ok();
    server.advance(60);
    assert_eq!(
        update(&server, &pool, "alice", &[("email", "b@example.com"), ("custom:level", "2")]).await.ok(),
        json!({})
    );
    insta::assert_json_snapshot!(get(&server, &pool, "alice").await, @r#"
    {
      "Username": "alice",
      "UserAttributes": [
        {
          "Name": "sub",
          "Value": "0c10cea7-3e6e-410d-bb43-dba308331651"
        },
        {
          "Name": "custom:badge",
          "Value": "x"
        },
        {
          "Name": "custom:level",
          "Value": "2"
        },
        {
          "Name": "email",
          "Value": "b@example.com"
        },
        {
          "Name": "email_verified",
          "Value": "false"
        }
      ],
      "UserCreateDate": 1767323045.0,
      "UserLastModifiedDate": 1767323105.0,
      "Enabled": true,
      "UserStatus": "FORCE_CHANGE_PASSWORD"
    }
    "#);
    assert!(server.messages(&pool, "alice").await.is_empty());
    update(&server, &pool, "alice", &[("email_verified", "true"), ("custom:level", "")]).await.ok();
    let user = get(&server, &pool, "alice").await;
    assert_eq!((value(&user, "email_verified").as_deref(), value(&user, "custom:level")), (Some("true"), None));
    update(&server, &pool, "alice", &[("email", "")]).await.ok();
    let user = get(&server, &pool, "alice").await;
    assert_eq!((value(&user, "email"), value(&user, "email_verified")), (None, None));

    for (name, given, expected) in [
        ("custom:badge", "y", "user.custom:badge: Attribute cannot be updated."),
        ("sub", "y", "user.sub: Attribute cannot be updated."),
        ("custom:nothing", "y", "user.custom:nothing: Attribute does not exist in the schema."),
        ("custom:level", "y", "user.custom:level: Number must be an integer"),
    ] {
        let answer = update(&server, &pool, "alice", &[(name, given)]).await.error();
        assert_eq!(answer, format!("InvalidParameterException: {expected}\n"));
    }
    assert_eq!(
        update(&server, &pool, "alice", &[("email", "nobody")]).await.error(),
        "InvalidParameterException: Invalid email address format."
    );
    assert_eq!(
        update(&server, &pool, "alice", &[("email_verified", "true")]).await.error(),
        "InvalidParameterException: Email is required to verify/un-verify an email"
    );
    assert_eq!(update(&server, &pool, "nobody", &[]).await.error(), UNKNOWN);
}
