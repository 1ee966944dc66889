//! Codes, passwords, attributes, groups and clients that are changed by two at the same time.

use super::*;

const EXPIRED: &str = "ExpiredCodeException: Invalid code provided, please request a code again.";
const NO_USER: &str = "UserNotFoundException: Username/client id combination not found.";
const NO_GROUP: &str = "ResourceNotFoundException: Group not found.";

/// The request that sets a new password with the code that was sent to a new user.
async fn reset(house: &House, username: &str) -> Value {
    house.user(username).await;
    house.server.call("ForgotPassword", json!({"ClientId": house.client, "Username": username})).await.ok();
    let code = house.server.last_code(&house.pool, username).await;
    json!({"ClientId": house.client, "Username": username, "ConfirmationCode": code, "Password": "Chosen-by-me1"})
}

#[tokio::test]
async fn a_code_of_a_forgotten_password() {
    in_a_house(async |house| {
        let rows = [
            ("off", "AdminDisableUser", DISABLED),
            ("gone", "AdminDeleteUser", NO_USER),
            ("moved", "AdminUpdateUserAttributes", EXPIRED),
            ("set", "AdminSetUserPassword", EXPIRED),
            ("twice", TWICE, EXPIRED),
        ];
        house.each_overtaken("ConfirmForgotPassword", rows, async |username| reset(&house, username).await).await;
        house.server.sign_in(&house.client, "set", OTHER_PASSWORD).await.ok();
        // A newer code takes the place of the one that is being looked at.
        let request = reset(&house, "newer").await;
        let ask_again = async {
            house.twin.call("ForgotPassword", json!({"ClientId": house.client, "Username": "newer"})).await.ok();
        };
        let refused = said(&house.overtaken(0, "ConfirmForgotPassword", request, ask_again).await);
        assert!(refused.starts_with("CodeMismatchException"), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn codes_of_a_sign_up_and_of_an_address() {
    in_a_house(async |house| {
        let attributes = |email: &str| json!([{"Name": "email", "Value": email}]);
        let rows = [
            ("gone", "AdminDeleteUser", NO_USER),
            ("twice", TWICE, "NotAuthorizedException: User cannot be confirmed. Current status is CONFIRMED"),
        ];
        let sign_up = async |username: &str| {
            let name = json!({"ClientId": house.client, "Username": username});
            let email = attributes(&format!("{username}@example.com"));
            let request = with(name.clone(), &json!({"Password": PASSWORD, "UserAttributes": email}));
            house.server.call("SignUp", request).await.ok();
            with(name, &json!({"ConfirmationCode": house.server.last_code(&house.pool, username).await}))
        };
        house.each_overtaken("ConfirmSignUp", rows, sign_up).await;
        let rows = [
            ("other", "AdminUpdateUserAttributes", EXPIRED),
            ("again", TWICE, EXPIRED),
            ("shut", "AdminDisableUser", DISABLED),
        ];
        let new_address = async |username: &str| {
            house.user(username).await;
            let token = house.access_token(username).await;
            let email = attributes(&format!("new.{username}@example.com"));
            let request = json!({"AccessToken": token, "UserAttributes": email});
            house.server.call("UpdateUserAttributes", request).await.ok();
            let code = house.server.last_code(&house.pool, username).await;
            json!({"AccessToken": token, "AttributeName": "email", "Code": code})
        };
        house.each_overtaken("VerifyUserAttribute", rows, new_address).await;
    })
    .await;
}

#[tokio::test]
async fn a_password_that_is_changed() {
    in_a_house(async |house| {
        let rows = [
            ("set", "AdminSetUserPassword", INCORRECT),
            ("off", "AdminDisableUser", DISABLED),
            ("out", "AdminUserGlobalSignOut", SIGNED_OUT),
            ("reset", "AdminResetUserPassword", RESET),
            ("gone", "AdminDeleteUser", UNKNOWN),
            ("twice", TWICE, INCORRECT),
        ];
        let change = async |username: &str| {
            house.user(username).await;
            let token = house.access_token(username).await;
            json!({"AccessToken": token, "PreviousPassword": PASSWORD, "ProposedPassword": "Chosen-by-me1"})
        };
        house.each_overtaken("ChangePassword", rows, change).await;
        house.server.sign_in(&house.client, "set", OTHER_PASSWORD).await.ok();
    })
    .await;
}

/// The attributes of a user, as an object.
async fn attributes_of(house: &House, username: &str) -> Value {
    let request = json!({"UserPoolId": house.pool, "Username": username});
    let user = house.server.call("AdminGetUser", request).await.ok();
    let attributes = user["UserAttributes"].as_array().unwrap().iter();
    attributes.map(|one| (one["Name"].as_str().unwrap().to_owned(), one["Value"].clone())).collect()
}

#[tokio::test]
async fn attributes_that_two_change() {
    in_a_house(async |house| {
        house.user("alice").await;
        let token = house.access_token("alice").await;
        let changing = |name: &str| {
            let attributes = json!([{"Name": name, "Value": "new"}]);
            [
                json!({"UserPoolId": house.pool, "Username": "alice", "UserAttributes": attributes}),
                json!({"AccessToken": token, "UserAttributes": attributes}),
            ]
        };
        let operations = ["AdminUpdateUserAttributes", "UpdateUserAttributes"];
        for (number, operation) in operations.into_iter().enumerate() {
            for (other_number, other) in operations.into_iter().enumerate() {
                let [name, nickname] =
                    [("name", number), ("nickname", other_number)].map(|(name, number)| changing(name)[number].clone());
                let meanwhile = async { drop(house.twin.call(other, nickname).await.ok()) };
                assert_eq!(said(&house.overtaken(0, operation, name, meanwhile).await), "ok");
                let attributes = attributes_of(&house, "alice").await;
                assert_eq!((&attributes["name"], &attributes["nickname"]), (&json!("new"), &json!("new")));
                let request = json!({
                    "UserPoolId": house.pool, "Username": "alice", "UserAttributeNames": ["name", "nickname"],
                });
                house.server.call("AdminDeleteUserAttributes", request).await.ok();
            }
            let mine = changing("name")[number].clone();
            let gone = format!("gone{number}");
            house.user(&gone).await;
            let mut request = mine;
            match operation {
                "UpdateUserAttributes" => request["AccessToken"] = json!(house.access_token(&gone).await),
                _ => request["Username"] = json!(gone),
            }
            let outcome = house.while_administered(operation, request, "AdminDeleteUser", &gone).await;
            assert_eq!(outcome, UNKNOWN, "{operation}");
        }
    })
    .await;
}

#[tokio::test]
async fn groups_that_two_change() {
    in_a_house(async |house| {
        let group = |name: &str, more: Value| with(json!({"UserPoolId": house.pool, "GroupName": name}), &more);
        house.user("alice").await;
        for name in ["staff", "leavers", "joiners"] {
            house.server.call("CreateGroup", group(name, json!({}))).await.ok();
        }
        let meanwhile = async |operation: &str, request: Value| drop(house.twin.call(operation, request).await.ok());
        // Both changes are kept.
        let describe = group("staff", json!({"Description": "works here"}));
        let precede = meanwhile("UpdateGroup", group("staff", json!({"Precedence": 7})));
        house.overtaken(0, "UpdateGroup", describe, precede).await.ok();
        let staff = house.server.call("GetGroup", group("staff", json!({}))).await.ok();
        assert_eq!((&staff["Group"]["Description"], &staff["Group"]["Precedence"]), (&json!("works here"), &json!(7)));
        // Nobody joins a group that goes.
        let join = group("joiners", json!({"Username": "alice"}));
        let delete = meanwhile("DeleteGroup", group("joiners", json!({})));
        assert_eq!(said(&house.overtaken(0, "AdminAddUserToGroup", join, delete).await), NO_GROUP);
        let update = group("leavers", json!({"Description": "none"}));
        let delete = meanwhile("DeleteGroup", group("leavers", json!({})));
        assert_eq!(said(&house.overtaken(0, "UpdateGroup", update, delete).await), NO_GROUP);
        // Nobody who goes joins a group.
        let join = group("staff", json!({"Username": "alice"}));
        let outcome = house.while_administered("AdminAddUserToGroup", join, "AdminDeleteUser", "alice").await;
        assert_eq!(outcome, UNKNOWN);
        let members = house.server.call("ListUsersInGroup", group("staff", json!({}))).await.ok();
        assert_eq!(members["Users"], json!([]));
    })
    .await;
}

/// What rests on a client that is deleted, or on a pool. Both are kept in memory, so everything goes to one server.
#[tokio::test]
async fn clients_and_pools_that_go() {
    in_a_house(async |house| {
        let server = &house.server;
        let links = json!({"cognito:default": "https://example.com/terms"});
        server.call("CreateUserPoolDomain", json!({"UserPoolId": house.pool, "Domain": "my-app"})).await.ok();
        for (operation, more) in [
            ("UpdateUserPoolClient", json!({"ClientName": "new"})),
            ("AddUserPoolClientSecret", json!({})),
            ("DeleteUserPoolClient", json!({})),
            ("CreateManagedLoginBranding", json!({"UseCognitoProvidedValues": true})),
            ("SetUICustomization", json!({"CSS": ".logo-customizable {max-width: 60%}"})),
            (
                "CreateTerms",
                json!({
                    "TermsName": "terms-of-use", "TermsSource": "LINK", "Enforcement": "NONE", "Links": links,
                }),
            ),
        ] {
            let client = server.client_id(&house.pool, json!({"GenerateSecret": true})).await;
            let of_client = json!({"UserPoolId": house.pool, "ClientId": client});
            let delete = async { drop(server.call("DeleteUserPoolClient", of_client.clone()).await.ok()) };
            let answer = house.overtaken(0, operation, with(of_client.clone(), &more), delete).await;
            assert_eq!(
                said(&answer),
                format!("ResourceNotFoundException: User pool client {client} does not exist."),
                "{operation}"
            );
        }
        // Tokens of a client that goes before they are signed are good for nothing.
        house.user("alice").await;
        let client = server.client_id(&house.pool, json!({})).await;
        let request = json!({
            "ClientId": client, "AuthFlow": "USER_PASSWORD_AUTH",
            "AuthParameters": {"USERNAME": "alice", "PASSWORD": PASSWORD},
        });
        let of_client = json!({"UserPoolId": house.pool, "ClientId": client});
        let delete = async { drop(server.call("DeleteUserPoolClient", of_client).await.ok()) };
        let answer = house.overtaken(0, "InitiateAuth", request, delete).await;
        assert_eq!(said(&answer), "ok");
        let token = &answer.body["AuthenticationResult"];
        let refused = server.call("GetUser", json!({"AccessToken": token["AccessToken"]})).await;
        assert_eq!(refused.error(), "NotAuthorizedException: Invalid Access Token");
        for (operation, more) in
            [("CreateUserPoolClient", json!({"ClientName": "new"})), ("CreateGroup", json!({"GroupName": "new"}))]
        {
            let pool = server.pool(json!({})).await;
            let delete = async { drop(server.call("DeleteUserPool", json!({"UserPoolId": pool})).await.ok()) };
            let answer = house.overtaken(0, operation, with(json!({"UserPoolId": pool}), &more), delete).await;
            assert_eq!(
                said(&answer),
                format!("ResourceNotFoundException: User pool {pool} does not exist."),
                "{operation}"
            );
        }
    })
    .await;
}
