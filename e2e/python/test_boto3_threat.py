"""boto3: threat protection, with the data that SDKs for browsers collect."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time

import pytest
from challenges import message, user_with
from conftest import PASSWORD, Pool

PLUS = {"UserPoolTier": "PLUS", "UserPoolAddOns": {"AdvancedSecurityMode": "ENFORCED"}}
HOME = {"address": "192.0.2.10", "device": "laptop", "zone": "-07:00"}
ELSEWHERE = {"address": "198.51.100.7", "device": "unheard-of", "zone": "03:00"}
BLOCKED = "Unable to login because of security reasons."


def encoded_data(pool: Pool, username: str, device: str, zone: str) -> str:
    """What the scripts for browsers send: signed with the id of the app client."""
    payload = json.dumps(
        {
            "contextData": {
                "UserAgent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0.0.0 Safari/537.36",
                "DeviceId": device,
                "DeviceLanguage": "en-US",
                "DevicePlatform": "Win32",
                "ClientTimezone": zone,
            },
            "username": username,
            "userPoolId": pool.id,
            "timestamp": str(int(time.time() * 1000)),
        }
    )
    version = "JS20171115"
    mac = hmac.new(pool.client_id.encode(), (version + payload).encode(), hashlib.sha256).digest()
    signed = {"payload": payload, "signature": base64.b64encode(mac).decode(), "version": version}
    return base64.b64encode(json.dumps(signed).encode()).decode()


def signs_in(pool: Pool, username: str, *, address: str, device: str, zone: str, password: str = PASSWORD) -> dict:
    """AdminInitiateAuth by a server that says where its user is."""
    return pool.api.admin_initiate_auth(
        UserPoolId=pool.id,
        ClientId=pool.client_id,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": username, "PASSWORD": password},
        ContextData={
            "IpAddress": address,
            "ServerName": "app.example.com",
            "ServerPath": "/login",
            "HttpHeaders": [],
            "EncodedData": encoded_data(pool, username, device, zone),
        },
    )["AuthenticationResult"]


def events(pool: Pool, username: str) -> list[dict]:
    """The user's history, the newest event first."""
    return pool.api.admin_list_user_auth_events(UserPoolId=pool.id, Username=username)["AuthEvents"]


def test_a_risky_sign_in_is_refused_until_its_user_says_that_it_is_one(make_pool):
    pool = make_pool(**PLUS)
    notice = {
        "Subject": "Blocked sign-in attempt",
        "TextBody": "{username} from {ip-address} with {device-name}; event {event-id}, token {feedback-token}.",
    }
    action = {"Notify": True, "EventAction": "BLOCK"}
    configured = pool.api.set_risk_configuration(
        UserPoolId=pool.id,
        AccountTakeoverRiskConfiguration={
            "NotifyConfiguration": {
                "SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/example.com",
                "From": "security@example.com",
                "BlockEmail": notice,
            },
            "Actions": {"LowAction": action, "MediumAction": action, "HighAction": action},
        },
    )["RiskConfiguration"]
    assert pool.api.describe_risk_configuration(UserPoolId=pool.id)["RiskConfiguration"] == configured
    username = user_with(pool, "watched", PASSWORD, email="watched@example.com", email_verified="true")

    signs_in(pool, username, **HOME)
    first = events(pool, username)[0]
    assert (first["EventType"], first["EventResponse"], first["EventRisk"]["RiskDecision"]) == (
        "SignIn",
        "Pass",
        "NoRisk",
    )
    assert first["EventContextData"]["DeviceName"] == "Chrome 126, Windows 10"
    with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
        signs_in(pool, username, **ELSEWHERE)
    assert message(refused) == BLOCKED
    blocked = events(pool, username)[0]
    assert (blocked["EventResponse"], blocked["EventRisk"]["RiskDecision"]) == ("Fail", "Block")

    mail = pool.controls.next_message(pool.id, username, "AccountTakeOverNotification")
    assert mail["subject"] == notice["Subject"]
    told = re.search(r"from (\S+) with (.+); event (\S+), token (\S+)\.", mail["body"])
    assert told is not None, mail["body"]
    assert told.group(1) == ELSEWHERE["address"]
    assert told.group(3) == blocked["EventId"]
    with pytest.raises(pool.api.exceptions.NotAuthorizedException):
        pool.api.update_auth_event_feedback(
            UserPoolId=pool.id,
            Username=username,
            EventId=blocked["EventId"],
            FeedbackToken="forged",
            FeedbackValue="Valid",
        )
    pool.api.update_auth_event_feedback(
        UserPoolId=pool.id,
        Username=username,
        EventId=blocked["EventId"],
        FeedbackToken=told.group(4),
        FeedbackValue="Valid",
    )
    assert events(pool, username)[0]["EventFeedback"]["FeedbackValue"] == "Valid"
    signs_in(pool, username, **ELSEWHERE)


def test_stolen_passwords_and_blocked_addresses_are_refused(make_pool):
    pool = make_pool(**PLUS)
    with pytest.raises(pool.api.exceptions.InvalidPasswordException) as refused:
        pool.sign_up("somebody", "Password1!")
    assert message(refused) == "Provided password cannot be used for security reasons."
    username = user_with(pool, "careless", "Password1!", email="careless@example.com", email_verified="true")
    with pytest.raises(pool.api.exceptions.PasswordResetRequiredException):
        pool.sign_in(username, "Password1!")
    pool.reset(username, pool.forgot(username), PASSWORD)
    assert pool.tokens(username, PASSWORD)

    pool.api.set_risk_configuration(
        UserPoolId=pool.id, RiskExceptionConfiguration={"BlockedIPRangeList": ["198.51.100.0/24"]}
    )
    with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
        signs_in(pool, username, **ELSEWHERE)
    assert message(refused) == "Request not allowed due to security reasons."
