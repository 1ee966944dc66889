"""One handler for each trigger, as one would deploy them to Lambda: nothing in here knows Poolkeeper."""

import json
import os

import boto3

# What another directory knows.
DIRECTORY = {"olga": {"password": "old secret", "email": "olga@example.com", "name": "Olga"}}


def pre_sign_up(event, context):
    request = event["request"]
    if request["userAttributes"]["email"].endswith("@spam.example"):
        raise Exception("We know no spam.example")
    if (request["validationData"] or {}).get("invitation") == "welcome":
        event["response"]["autoConfirmUser"] = True
        event["response"]["autoVerifyEmail"] = True
    return event


def post_confirmation(event, context):
    if event["triggerSource"] == "PostConfirmation_ConfirmSignUp":
        boto3.client("cognito-idp").admin_add_user_to_group(
            UserPoolId=event["userPoolId"], Username=event["userName"], GroupName="members"
        )
    return event


def custom_message(event, context):
    request, response = event["request"], event["response"]
    code = request["codeParameter"]
    if event["triggerSource"] == "CustomMessage_SignUp":
        language = request.get("clientMetadata", {}).get("language", "en")
        greeting = {"en": "Welcome", "de": "Schön, dass du da bist"}[language]
        response["emailSubject"] = f"{greeting}!"
        response["emailMessage"] = f"<p>{greeting}. Your code is <b>{code}</b>.</p>"
    elif event["triggerSource"] == "CustomMessage_AdminCreateUser":
        response["emailSubject"] = "You are invited"
        response["emailMessage"] = f"Sign in as {request['usernameParameter']} with {code}."
        response["smsMessage"] = f"{request['usernameParameter']}, {code}"
    return event


def pre_authentication(event, context):
    if (event["request"]["validationData"] or {}).get("country") == "nowhere":
        raise Exception("Nobody signs in from nowhere")
    return event


def post_authentication(event, context):
    boto3.client("cognito-idp").admin_update_user_attributes(
        UserPoolId=event["userPoolId"],
        Username=event["userName"],
        UserAttributes=[{"Name": "nickname", "Value": f"new device: {event['request']['newDeviceUsed']}".lower()}],
    )
    return event


def inbound_federation(event, context):
    said = event["request"]["attributes"]["idToken"]
    nick = f"friend {said['cognito:username']}"
    event["response"]["userAttributesToMap"] = {"email": said["email"], "nick": nick}
    return event


def token_v1(event, context):
    groups = event["request"]["groupConfiguration"]["groupsToOverride"]
    event["response"]["claimsOverrideDetails"] = {
        "claimsToAddOrOverride": {"plan": "gold"},
        "claimsToSuppress": ["email"],
        "groupOverrideDetails": {"groupsToOverride": [*groups, "guests"]},
    }
    return event


def token_v2(event, context):
    event["response"]["claimsAndScopeOverrideDetails"] = {
        "idTokenGeneration": {"claimsToAddOrOverride": {"plan": "gold"}, "claimsToSuppress": ["email"]},
        "accessTokenGeneration": {
            "claimsToAddOrOverride": {"tenant": event["request"]["userAttributes"]["email"].split("@")[1]},
            "scopesToAdd": ["shop/buy"],
        },
    }
    return event


def token_v3(event, context):
    if event["triggerSource"] == "TokenGeneration_ClientCredentials":
        event["response"]["claimsAndScopeOverrideDetails"] = {
            "accessTokenGeneration": {
                "claimsToAddOrOverride": {"tenant": event["request"].get("clientMetadata", {}).get("tenant", "none")},
                "scopesToSuppress": ["files/write"],
            }
        }
    return event


def user_migration(event, context):
    user = DIRECTORY.get(event["userName"])
    if user is None:
        return event
    if event["triggerSource"] == "UserMigration_Authentication":
        if event["request"]["password"] != user["password"]:
            raise Exception("Bad password")
        event["response"]["finalUserStatus"] = "CONFIRMED"
    event["response"]["userAttributes"] = {"email": user["email"], "email_verified": "true", "name": user["name"]}
    event["response"]["messageAction"] = "SUPPRESS"
    return event


def custom_email_sender(event, context):
    print("mail", json.dumps(event))


def custom_sms_sender(event, context):
    print("text", json.dumps(event))


def refuse(event, context):
    raise Exception(f"{event['triggerSource']} is not for today")


def broken(event, context):
    """The user's name says how."""
    fault = event["userName"].split("-")[0]
    if fault == "throw":
        raise ValueError("No, not you!")
    if fault == "exit":
        os._exit(3)
    if fault == "nothing":
        return None
    if fault == "text":
        return "fine"
    if fault == "dropped":
        return {"response": event["response"]}
    if fault == "casing":
        return {"TriggerSource": event["triggerSource"], "Response": {"autoConfirmUser": True}}
    if fault == "type":
        event["response"]["autoConfirmUser"] = "yes"
    return event
