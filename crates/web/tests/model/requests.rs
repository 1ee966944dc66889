//! Steps as requests, with the names, codes, sessions and tokens that the model knows, and as calls of the model.

use serde_json::{Value, json};

use crate::{
    model::{Answer, Method, Model, Purpose, attribute},
    run::Scene,
    steps::{Holder, Name, PASSWORDS, Prefer, Step, Switch, TokenCode},
};

/// What the server is asked for a step; nothing for steps that ask nothing.
pub fn request(scene: &Scene<'_>, model: &Model, step: Step) -> Option<(&'static str, Value)> {
    let (pool, client) = (scene.pool, |client: usize| scene.clients[client].as_str());
    let by_administrator = |name: Name| json!({"UserPoolId": pool, "Username": model.name(name)});
    let by_client = |at: usize, name: Name| json!({"ClientId": client(at), "Username": model.name(name)});
    let kept = |name: Name, purpose, code| model.code(&model.subject(&model.name(name)), Some(purpose), code);
    let begin = |at: usize, flow: &str, parameters: Value| json!({"ClientId": client(at), "AuthFlow": flow, "AuthParameters": parameters});
    Some(match step {
        Step::Wait(_) | Step::Sweep | Step::SrpAuth { .. } | Step::RepeatSrp => return None,
        Step::SignUp { client, name, password, email, phone } => {
            let mut request = by_client(client, name);
            let password = password.map(|password| PASSWORDS[password]);
            request["UserAttributes"] = attributes([
                email.map(|index| ("email", model.email(index))),
                phone.map(|index| ("phone_number", model.value(crate::steps::Address::Phone, index))),
                None,
            ]);
            ("SignUp", with(request, json!({"Password": password})))
        }
        Step::ConfirmSignUp { client, name, code, force } => {
            let code = kept(name, Purpose::SignUp, code);
            let more = json!({"ConfirmationCode": code, "ForceAliasCreation": force});
            ("ConfirmSignUp", with(by_client(client, name), more))
        }
        Step::Resend { client, name } => ("ResendConfirmationCode", by_client(client, name)),
        Step::AdminCreateUser { name, password, email, phone, force } => {
            let attributes = attributes([
                email.map(|(index, _)| ("email", model.email(index))),
                email.map(|(_, is_verified)| ("email_verified", is_verified.to_string())),
                phone.map(|index| ("phone_number", model.value(crate::steps::Address::Phone, index))),
            ]);
            let more = json!({
                "UserAttributes": attributes, "TemporaryPassword": password.map(|password| PASSWORDS[password]),
                "MessageAction": "SUPPRESS", "ForceAliasCreation": force,
            });
            ("AdminCreateUser", with(by_administrator(name), more))
        }
        Step::Invite { name, password } => {
            let more = json!({
                "TemporaryPassword": PASSWORDS[password], "MessageAction": "RESEND", "DesiredDeliveryMediums": ["EMAIL"],
            });
            ("AdminCreateUser", with(by_administrator(name), more))
        }
        Step::AdminConfirmSignUp(name) => ("AdminConfirmSignUp", by_administrator(name)),
        Step::AdminSetUserPassword { name, password, permanent } => {
            let more = json!({"Password": PASSWORDS[password], "Permanent": permanent});
            ("AdminSetUserPassword", with(by_administrator(name), more))
        }
        Step::AdminResetUserPassword(name) => ("AdminResetUserPassword", by_administrator(name)),
        Step::AdminDisableUser(name) => ("AdminDisableUser", by_administrator(name)),
        Step::AdminEnableUser(name) => ("AdminEnableUser", by_administrator(name)),
        Step::AdminUserGlobalSignOut(name) => ("AdminUserGlobalSignOut", by_administrator(name)),
        Step::AdminDeleteUser(name) => ("AdminDeleteUser", by_administrator(name)),
        Step::AdminGetUser(name) => ("AdminGetUser", by_administrator(name)),
        Step::AdminUpdateUserAttributes { name, address, change } => {
            let given = model.given(address, change).into_iter().map(Some);
            let more = json!({"UserAttributes": attributes(given)});
            ("AdminUpdateUserAttributes", with(by_administrator(name), more))
        }
        Step::AdminAddUserToGroup(name) => {
            ("AdminAddUserToGroup", with(by_administrator(name), json!({"GroupName": "group"})))
        }
        Step::AdminRemoveUserFromGroup(name) => {
            ("AdminRemoveUserFromGroup", with(by_administrator(name), json!({"GroupName": "group"})))
        }
        Step::ForgotPassword { client, name } => ("ForgotPassword", by_client(client, name)),
        Step::ConfirmForgotPassword { client, name, code, password } => {
            let more = json!({"ConfirmationCode": kept(name, Purpose::Reset, code), "Password": PASSWORDS[password]});
            ("ConfirmForgotPassword", with(by_client(client, name), more))
        }
        Step::PasswordAuth { client, name, password } => {
            let parameters = json!({"USERNAME": model.name(name), "PASSWORD": PASSWORDS[password]});
            ("InitiateAuth", begin(client, "USER_PASSWORD_AUTH", parameters))
        }
        Step::UserAuth { client, name, prefer } => {
            let more = match prefer {
                Prefer::Nothing => json!({}),
                Prefer::Password(password) => {
                    json!({"PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": PASSWORDS[password]})
                }
                Prefer::Ask => json!({"PREFERRED_CHALLENGE": "PASSWORD"}),
                Prefer::EmailOtp => json!({"PREFERRED_CHALLENGE": "EMAIL_OTP"}),
            };
            let parameters = with(json!({"USERNAME": model.name(name)}), more);
            ("InitiateAuth", begin(client, "USER_AUTH", parameters))
        }
        Step::Answer { session, code, token_code, choice, password, twist } => {
            let reply = model.reply(session, code, choice, password, twist);
            let secret = crate::model::newest(&model.sessions, session)
                .and_then(|session| model.find_sub(&session.sub))
                .and_then(|at| model.users[at].token.as_ref())
                .map(|token| token.secret.as_str());
            let more = match reply.challenge {
                "NEW_PASSWORD_REQUIRED" => json!({"NEW_PASSWORD": reply.password}),
                "SMS_MFA" => json!({"SMS_MFA_CODE": reply.code}),
                "EMAIL_OTP" => json!({"EMAIL_OTP_CODE": reply.code}),
                "SOFTWARE_TOKEN_MFA" => json!({"SOFTWARE_TOKEN_MFA_CODE": scene.token_code(secret, token_code)}),
                "SELECT_CHALLENGE" if reply.choice == "PASSWORD" && reply.brings_password => {
                    json!({"ANSWER": "PASSWORD", "PASSWORD": reply.password})
                }
                "SELECT_CHALLENGE" | "SELECT_MFA_TYPE" => json!({"ANSWER": reply.choice}),
                "PASSWORD" => json!({"PASSWORD": reply.password}),
                _ => json!({}),
            };
            let request = json!({
                "ClientId": client(reply.client), "ChallengeName": reply.challenge, "Session": reply.session,
                "ChallengeResponses": with(json!({"USERNAME": reply.username}), more),
            });
            ("RespondToAuthChallenge", request)
        }
        Step::RefreshAuth { client, token } => {
            let parameters = json!({"REFRESH_TOKEN": model.refresh_token(token)});
            ("InitiateAuth", begin(client, "REFRESH_TOKEN_AUTH", parameters))
        }
        Step::Renew { client: at, token } => {
            let request = json!({"ClientId": client(at), "RefreshToken": model.refresh_token(token)});
            ("GetTokensFromRefreshToken", request)
        }
        Step::RevokeToken { client: at, token } => {
            ("RevokeToken", json!({"ClientId": client(at), "Token": model.refresh_token(token)}))
        }
        Step::RevokeAccessToken { client: at, token } => {
            let token = model.token(crate::steps::Token::Access(token));
            ("RevokeToken", json!({"ClientId": client(at), "Token": token}))
        }
        Step::GetUser(token) => ("GetUser", json!({"AccessToken": model.token(token)})),
        Step::GlobalSignOut(token) => ("GlobalSignOut", json!({"AccessToken": model.token(token)})),
        Step::DeleteUser(token) => ("DeleteUser", json!({"AccessToken": model.token(token)})),
        Step::ChangePassword { token, previous, proposed } => {
            let request = json!({
                "AccessToken": model.token(token), "PreviousPassword": PASSWORDS[previous],
                "ProposedPassword": PASSWORDS[proposed],
            });
            ("ChangePassword", request)
        }
        Step::UpdateUserAttributes { token, address, value } => {
            let value = value.map(|index| model.value(address, index)).unwrap_or_default();
            let attributes = attributes([Some((attribute(address), value))]);
            ("UpdateUserAttributes", json!({"AccessToken": model.token(token), "UserAttributes": attributes}))
        }
        Step::SendAttributeCode { token, address } => {
            let request = json!({"AccessToken": model.token(token), "AttributeName": attribute(address)});
            ("GetUserAttributeVerificationCode", request)
        }
        Step::VerifyUserAttribute { token, address, code } => {
            let sub = model.owner(token).unwrap_or_default();
            let code = model.code(&sub, Some(Purpose::verification(address)), code);
            let request = json!({"AccessToken": model.token(token), "AttributeName": attribute(address), "Code": code});
            ("VerifyUserAttribute", request)
        }
        Step::SetUserMfaPreference { token, sms, software_token, email } => {
            let setting = |switch: Switch| {
                switch.map(|(is_on, is_preferred)| json!({"Enabled": is_on, "PreferredMfa": is_preferred}))
            };
            let request = json!({
                "AccessToken": model.token(token), "SMSMfaSettings": setting(sms),
                "SoftwareTokenMfaSettings": setting(software_token), "EmailMfaSettings": setting(email),
            });
            ("SetUserMFAPreference", request)
        }
        Step::AssociateSoftwareToken(holder) => ("AssociateSoftwareToken", credential(model, holder)),
        Step::VerifySoftwareToken { holder, code } => {
            let secret = model.secret_in_the_making(holder);
            let more = json!({"UserCode": scene.token_code(secret.as_deref(), code)});
            ("VerifySoftwareToken", with(credential(model, holder), more))
        }
    })
}

/// What the model makes of a step.
pub fn expected(model: &mut Model, step: Step) -> Answer {
    match step {
        Step::Wait(seconds) => model.wait(seconds),
        Step::Sweep => model.sweep(),
        Step::SignUp { client: _, name, password, email, phone } => model.sign_up(name, password, email, phone),
        Step::ConfirmSignUp { client, name, code, force } => model.confirm_sign_up(client, name, code, force),
        Step::Resend { client, name } => model.resend(client, name),
        Step::AdminCreateUser { name, password, email, phone, force } => {
            model.admin_create_user(name, password, email, phone, force)
        }
        Step::Invite { name, password } => model.invite(name, password),
        Step::AdminConfirmSignUp(name) => model.admin_confirm_sign_up(name),
        Step::AdminSetUserPassword { name, password, permanent } => {
            model.admin_set_user_password(name, password, permanent)
        }
        Step::AdminResetUserPassword(name) => model.admin_reset_user_password(name),
        Step::AdminDisableUser(name) => model.admin_set_enabled(name, false),
        Step::AdminEnableUser(name) => model.admin_set_enabled(name, true),
        Step::AdminUserGlobalSignOut(name) => model.admin_user_global_sign_out(name),
        Step::AdminDeleteUser(name) => model.admin_delete_user(name),
        Step::AdminGetUser(name) => model.admin_get_user(name),
        Step::AdminUpdateUserAttributes { name, address, change } => {
            model.admin_update_user_attributes(name, address, change)
        }
        Step::AdminAddUserToGroup(name) => model.set_membership(name, true),
        Step::AdminRemoveUserFromGroup(name) => model.set_membership(name, false),
        Step::ForgotPassword { client, name } => model.forgot_password(client, name),
        Step::ConfirmForgotPassword { client, name, code, password } => {
            model.confirm_forgot_password(client, name, code, password)
        }
        Step::PasswordAuth { client, name, password } => model.password_auth(client, name, password),
        Step::SrpAuth { client, name, password } => model.srp_auth(client, name, password),
        Step::RepeatSrp => model.repeat_srp(),
        Step::UserAuth { client, name, prefer } => model.user_auth(client, name, prefer),
        Step::Answer { session, code, token_code, choice, password, twist } => {
            let reply = model.reply(session, code, choice, password, twist);
            model.answer(session, &reply, token_code)
        }
        Step::RefreshAuth { client, token } => model.refresh_auth(client, token),
        Step::Renew { client, token } => model.renew(client, token),
        Step::RevokeToken { client, token } => model.revoke_token(client, token),
        Step::RevokeAccessToken { client: _, token } => model.revoke_access_token(token),
        Step::GetUser(token) => model.get_user(token),
        Step::GlobalSignOut(token) => model.global_sign_out(token),
        Step::DeleteUser(token) => model.delete_user(token),
        Step::ChangePassword { token, previous, proposed } => model.change_password(token, previous, proposed),
        Step::UpdateUserAttributes { token, address, value } => model.update_user_attributes(token, address, value),
        Step::SendAttributeCode { token, address } => model.send_attribute_code(token, address),
        Step::VerifyUserAttribute { token, address, code } => model.verify_user_attribute(token, address, code),
        Step::SetUserMfaPreference { token, sms, software_token, email } => {
            model.set_user_mfa_preference(token, [sms, software_token, email])
        }
        Step::AssociateSoftwareToken(holder) => model.associate_software_token(holder),
        Step::VerifySoftwareToken { holder, code } => model.verify_software_token(holder, code),
    }
}

/// Whose software token a request is about.
fn credential(model: &Model, holder: Holder) -> Value {
    match holder {
        Holder::Token(token) => json!({"AccessToken": model.token(token)}),
        Holder::Session(back) => {
            let session = crate::model::newest(&model.sessions, back).map(|session| session.text.clone());
            json!({"Session": session.unwrap_or_else(|| "x".repeat(30))})
        }
    }
}

fn attributes(given: impl IntoIterator<Item = Option<(&'static str, String)>>) -> Value {
    given.into_iter().flatten().map(|(name, value)| json!({"Name": name, "Value": value})).collect()
}

/// A request with more members; those that are null are left out.
fn with(mut request: Value, more: Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        if !value.is_null() {
            request[name] = value.clone();
        }
    }
    request
}

/// The names of settings, as answers list them.
pub fn setting_list(methods: &[Method]) -> Value {
    if methods.is_empty() { Value::Null } else { methods.iter().map(|method| method.name()).collect() }
}

/// A code that is none of a software token's present ones.
pub fn wrong_token_code(present: &[String]) -> String {
    let candidates = ["000000", "111111", "222222", "333333", "444444", "555555"];
    candidates.into_iter().find(|code| !present.iter().any(|other| other == code)).unwrap().to_owned()
}

/// So many steps from now.
pub fn offset(code: TokenCode) -> Option<i64> {
    match code {
        TokenCode::Step(offset) => Some(offset),
        TokenCode::Wrong => None,
    }
}
