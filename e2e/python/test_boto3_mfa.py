"""boto3: second factors at sign-in, from authenticator apps, by text message and by mail."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from challenges import (
    EVERY_CHANNEL,
    PHONE,
    STEP_SECONDS,
    USED_SESSION,
    USED_TOKEN_CODE,
    WRONG_CODE,
    WRONG_TOKEN_CODE,
    Authenticator,
    message,
    other,
    respond,
    set_up_token,
    signed_in,
    user_with,
    with_mfa,
)
from conftest import NEW_PASSWORD, PASSWORD, attributes, fresh_name

PREFERRED = {"Enabled": True, "PreferredMfa": True}
EVERY_FACTOR = {
    "SmsMfaConfiguration": {"SmsAuthenticationMessage": "Texted: {####}"},
    "SoftwareTokenMfaConfiguration": {"Enabled": True},
    "EmailMfaConfiguration": {"Message": "Mailed: {####}", "Subject": "Signing in"},
}


def user_of(pool, username: str) -> dict:
    """What an administrator sees."""
    return pool.api.admin_get_user(UserPoolId=pool.id, Username=username)


@pytest.mark.parametrize("with_secret", [False, True], ids=["public client", "client with secret"])
def test_totp_is_set_up_while_signing_in(make_pool, moved_clock, with_secret):
    pool = with_mfa(make_pool(client={"GenerateSecret": with_secret}), "ON")
    assert pool.api.get_user_pool_mfa_config(UserPoolId=pool.id)["MfaConfiguration"] == "ON"
    username = fresh_name("totp")
    pool.api.admin_create_user(
        UserPoolId=pool.id, Username=username, TemporaryPassword=PASSWORD, MessageAction="SUPPRESS"
    )
    temporary = pool.sign_in(username, PASSWORD)
    assert temporary["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    setup = respond(pool, username, temporary, NEW_PASSWORD=NEW_PASSWORD)
    assert setup["ChallengeName"] == "MFA_SETUP"
    assert json.loads(setup["ChallengeParameters"]["MFAS_CAN_SETUP"]) == ["SOFTWARE_TOKEN_MFA"]

    handed_out = pool.api.associate_software_token(Session=setup["Session"])
    assert handed_out["Session"] != setup["Session"]
    app = Authenticator(handed_out["SecretCode"], pool.controls)
    with pytest.raises(pool.api.exceptions.EnableSoftwareTokenMFAException) as refused:
        pool.api.verify_software_token(Session=handed_out["Session"], UserCode=app.wrong_code())
    assert message(refused) == "Code mismatch and fail enable Software Token MFA"
    code = app.code()
    verified = pool.api.verify_software_token(
        Session=handed_out["Session"], UserCode=code, FriendlyDeviceName="My phone"
    )
    assert verified["Status"] == "SUCCESS"
    tokens = signed_in(pool, respond(pool, username, {**setup, "Session": verified["Session"]}))
    user = pool.api.get_user(AccessToken=tokens["AccessToken"])
    assert (user["UserMFASettingList"], user["PreferredMfaSetting"]) == (["SOFTWARE_TOKEN_MFA"], "SOFTWARE_TOKEN_MFA")

    asked = pool.sign_in(username, NEW_PASSWORD)
    assert asked["ChallengeName"] == "SOFTWARE_TOKEN_MFA"
    assert asked["ChallengeParameters"]["FRIENDLY_DEVICE_NAME"] == "My phone"
    assert "AuthenticationResult" not in asked
    with pytest.raises(pool.api.exceptions.ExpiredCodeException) as refused:
        respond(pool, username, asked, SOFTWARE_TOKEN_MFA_CODE=code)
    assert message(refused) == USED_TOKEN_CODE
    with pytest.raises(pool.api.exceptions.CodeMismatchException) as refused:
        respond(pool, username, asked, SOFTWARE_TOKEN_MFA_CODE=app.wrong_code())
    assert message(refused) == WRONG_TOKEN_CODE
    # Neither of them has spent the session.
    moved_clock(STEP_SECONDS)
    second = app.code()
    signed_in(pool, respond(pool, username, asked, SOFTWARE_TOKEN_MFA_CODE=second))
    with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
        respond(pool, username, asked, SOFTWARE_TOKEN_MFA_CODE=second)
    assert message(refused) == USED_SESSION
    again = pool.sign_in(username, NEW_PASSWORD)
    with pytest.raises(pool.api.exceptions.ExpiredCodeException) as refused:
        respond(pool, username, again, SOFTWARE_TOKEN_MFA_CODE=second)
    assert message(refused) == USED_TOKEN_CODE


def test_totp_is_registered_though_mfa_setup_was_never_answered(make_pool, moved_clock):
    pool = with_mfa(make_pool(), "ON")
    username = user_with(pool, "half", PASSWORD)
    setup = pool.sign_in(username, PASSWORD)
    assert setup["ChallengeName"] == "MFA_SETUP"
    handed_out = pool.api.associate_software_token(Session=setup["Session"])
    app = Authenticator(handed_out["SecretCode"], pool.controls)
    pool.api.verify_software_token(Session=handed_out["Session"], UserCode=app.code())
    asked = pool.sign_in(username, PASSWORD)
    assert asked["ChallengeName"] == "SOFTWARE_TOKEN_MFA"
    moved_clock(STEP_SECONDS)
    tokens = signed_in(pool, respond(pool, username, asked, SOFTWARE_TOKEN_MFA_CODE=app.code()))

    # What the pool demands its users may prefer but not switch off.
    mine = {"AccessToken": tokens["AccessToken"]}
    pool.api.set_user_mfa_preference(**mine, SoftwareTokenMfaSettings=PREFERRED)
    with pytest.raises(pool.api.exceptions.InvalidParameterException):
        pool.api.set_user_mfa_preference(**mine, SoftwareTokenMfaSettings={"Enabled": False})
    assert pool.sign_in(username, PASSWORD)["ChallengeName"] == "SOFTWARE_TOKEN_MFA"


def test_totp_is_set_up_by_a_user_who_is_signed_in(make_pool, moved_clock):
    pool = with_mfa(make_pool(), "OPTIONAL")
    username = user_with(pool, "optional", PASSWORD)
    token = signed_in(pool, pool.sign_in(username, PASSWORD))["AccessToken"]
    with pytest.raises(pool.api.exceptions.InvalidParameterException) as refused:
        pool.api.set_user_mfa_preference(AccessToken=token, SoftwareTokenMfaSettings=PREFERRED)
    assert message(refused) == "User has not verified software token mfa"
    user = pool.api.get_user(AccessToken=token)
    assert "UserMFASettingList" not in user and "PreferredMfaSetting" not in user

    app = set_up_token(pool, token)
    used = app.code()
    assert pool.api.set_user_mfa_preference(AccessToken=token, SoftwareTokenMfaSettings=PREFERRED)
    user = pool.api.get_user(AccessToken=token)
    assert user["UserMFASettingList"] == ["SOFTWARE_TOKEN_MFA"]
    assert user["PreferredMfaSetting"] == "SOFTWARE_TOKEN_MFA"
    factors = pool.api.get_user_auth_factors(AccessToken=token)
    assert factors["Username"] == username
    assert "SOFTWARE_TOKEN" in factors["ConfiguredUserAuthFactors"]

    asked = pool.sign_in(username, PASSWORD)
    assert asked["ChallengeName"] == "SOFTWARE_TOKEN_MFA"
    # A session is good for its own challenge only.
    with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
        respond(pool, username, {**asked, "ChallengeName": "SMS_MFA"}, SMS_MFA_CODE=used)
    assert message(refused) == "Invalid session for the user."
    moved_clock(STEP_SECONDS)
    signed_in(pool, respond(pool, username, asked, SOFTWARE_TOKEN_MFA_CODE=app.code()))

    # Another app takes the place of the first one when it is verified, and not before.
    replacement = Authenticator(pool.api.associate_software_token(AccessToken=token)["SecretCode"], pool.controls)
    moved_clock(STEP_SECONDS)
    asked = pool.sign_in(username, PASSWORD)
    signed_in(pool, respond(pool, username, asked, SOFTWARE_TOKEN_MFA_CODE=app.code()))
    pool.api.verify_software_token(AccessToken=token, UserCode=replacement.code())
    moved_clock(STEP_SECONDS)
    asked = pool.sign_in(username, PASSWORD)
    if app.code() != replacement.code():
        with pytest.raises(pool.api.exceptions.CodeMismatchException):
            respond(pool, username, asked, SOFTWARE_TOKEN_MFA_CODE=app.code())
    signed_in(pool, respond(pool, username, asked, SOFTWARE_TOKEN_MFA_CODE=replacement.code()))

    pool.api.set_user_mfa_preference(AccessToken=token, SoftwareTokenMfaSettings={"Enabled": False})
    assert "UserMFASettingList" not in pool.api.get_user(AccessToken=token)
    signed_in(pool, pool.sign_in(username, PASSWORD))


def test_of_many_sign_ins_with_the_same_code_one_gets_in(make_pool, moved_clock):
    pool = with_mfa(make_pool(), "ON")
    username = user_with(pool, "race", PASSWORD)
    setup = pool.sign_in(username, PASSWORD)
    handed_out = pool.api.associate_software_token(Session=setup["Session"])
    app = Authenticator(handed_out["SecretCode"], pool.controls)
    pool.api.verify_software_token(Session=handed_out["Session"], UserCode=app.code())
    moved_clock(STEP_SECONDS)
    code = app.code()
    waiting = [pool.sign_in(username, PASSWORD) for _ in range(6)]
    together = threading.Barrier(len(waiting))

    def answer(asked: dict) -> str:
        together.wait(timeout=30)
        try:
            signed_in(pool, respond(pool, username, asked, SOFTWARE_TOKEN_MFA_CODE=code))
        except pool.api.exceptions.ExpiredCodeException as refused:
            return refused.response["Error"]["Message"]
        return "signed in"

    with ThreadPoolExecutor(len(waiting)) as threads:
        answers = list(threads.map(answer, waiting))
    assert sorted(answers) == sorted(["signed in", *[USED_TOKEN_CODE] * 5])


def test_an_administrator_takes_a_lost_app_away(make_pool):
    pool = with_mfa(make_pool(), "OPTIONAL")
    username = user_with(pool, "lost", PASSWORD)
    known = {"UserPoolId": pool.id, "Username": username}

    def factors() -> set[str]:
        return set(pool.api.admin_get_user_auth_factors(**known)["ConfiguredUserAuthFactors"])

    set_up_token(pool, signed_in(pool, pool.sign_in(username, PASSWORD))["AccessToken"])
    pool.api.admin_set_user_mfa_preference(**known, SoftwareTokenMfaSettings=PREFERRED)
    assert pool.sign_in(username, PASSWORD)["ChallengeName"] == "SOFTWARE_TOKEN_MFA"
    before = factors()
    assert "SOFTWARE_TOKEN" in before
    pool.api.admin_delete_software_token(**known)
    assert factors() == before - {"SOFTWARE_TOKEN"}
    signed_in(pool, pool.sign_in(username, PASSWORD))


def test_a_pool_without_software_tokens_hands_none_out(pool):
    token = pool.tokens(user_with(pool, "none", PASSWORD), PASSWORD)["AccessToken"]
    with pytest.raises(pool.api.exceptions.SoftwareTokenMFANotFoundException) as refused:
        pool.api.associate_software_token(AccessToken=token)
    assert message(refused) == "Software Token MFA has not been enabled by the userPool"


@pytest.mark.parametrize(
    ("settings", "challenge", "answer", "medium", "masked", "body", "attribute"),
    [
        ("SMSMfaSettings", "SMS_MFA", "SMS_MFA_CODE", "SMS", "+*******0100", "Texted: {}", "phone_number"),
        ("EmailMfaSettings", "EMAIL_OTP", "EMAIL_OTP_CODE", "EMAIL", "f***@e***", "Mailed: {}", "email"),
    ],
    ids=["text message", "mail"],
)
def test_code_that_is_sent(make_pool, settings, challenge, answer, medium, masked, body, attribute):
    pool = with_mfa(make_pool(**EVERY_CHANNEL), "OPTIONAL", **EVERY_FACTOR)
    destination = {"phone_number": PHONE, "email": "finn@example.com"}
    username = user_with(pool, "sent", PASSWORD, **destination)
    signed_in(pool, pool.sign_in(username, PASSWORD))
    pool.api.admin_set_user_mfa_preference(UserPoolId=pool.id, Username=username, **{settings: PREFERRED})
    assert user_of(pool, username)["PreferredMfaSetting"] == challenge

    asked = pool.sign_in(username, PASSWORD)
    assert asked["ChallengeName"] == challenge
    assert asked["ChallengeParameters"]["CODE_DELIVERY_DELIVERY_MEDIUM"] == medium
    assert asked["ChallengeParameters"]["CODE_DELIVERY_DESTINATION"] == masked
    sent = pool.controls.next_message(pool.id, username, "Authentication")
    code = sent["code"]
    assert len(code) == 6 and code.isdigit()
    assert (sent["medium"], sent["destination"]) == (medium, destination[attribute])
    assert sent["body"] == body.format(code)

    for _ in range(2):
        with pytest.raises(pool.api.exceptions.CodeMismatchException) as refused:
            respond(pool, username, asked, **{answer: other(code)})
        assert message(refused) == WRONG_CODE
    before = attributes(user_of(pool, username)["UserAttributes"])
    assert before.get(f"{attribute}_verified", "false") == "false"
    signed_in(pool, respond(pool, username, asked, **{answer: code}))
    after = attributes(user_of(pool, username)["UserAttributes"])
    assert after[f"{attribute}_verified"] == "true"
    with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
        respond(pool, username, asked, **{answer: code})
    assert message(refused) == USED_SESSION

    # A code belongs to the sign-in that it was sent for.
    again = pool.sign_in(username, PASSWORD)
    fresh = pool.controls.next_code(pool.id, username, "Authentication")
    if fresh != code:
        with pytest.raises(pool.api.exceptions.CodeMismatchException):
            respond(pool, username, again, **{answer: code})
    signed_in(pool, respond(pool, username, again, **{answer: fresh}))


def test_code_that_is_sent_lives_as_long_as_the_session(make_pool, moved_clock):
    pool = with_mfa(
        make_pool(client={"AuthSessionValidity": 5}, **EVERY_CHANNEL),
        "OPTIONAL",
        SmsMfaConfiguration={"SmsAuthenticationMessage": "{####}"},
    )
    username = user_with(pool, "slow", PASSWORD, phone_number=PHONE)
    pool.api.admin_set_user_mfa_preference(UserPoolId=pool.id, Username=username, SMSMfaSettings=PREFERRED)
    asked = pool.sign_in(username, PASSWORD)
    code = pool.controls.next_code(pool.id, username, "Authentication")
    moved_clock(301)
    with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
        respond(pool, username, asked, SMS_MFA_CODE=code)
    assert message(refused) == "Invalid session for the user, session is expired."
    asked = pool.sign_in(username, PASSWORD)
    code = pool.controls.next_code(pool.id, username, "Authentication")
    moved_clock(280)
    signed_in(pool, respond(pool, username, asked, SMS_MFA_CODE=code))


def test_one_of_several_factors_is_chosen(make_pool):
    pool = with_mfa(make_pool(**EVERY_CHANNEL), "OPTIONAL", **EVERY_FACTOR)
    username = user_with(pool, "several", PASSWORD, phone_number=PHONE, email="finn@example.com")
    token = signed_in(pool, pool.sign_in(username, PASSWORD))["AccessToken"]
    set_up_token(pool, token)
    enabled = {"Enabled": True, "PreferredMfa": False}
    pool.api.set_user_mfa_preference(
        AccessToken=token, SMSMfaSettings=enabled, EmailMfaSettings=enabled, SoftwareTokenMfaSettings=enabled
    )
    user = pool.api.get_user(AccessToken=token)
    assert sorted(user["UserMFASettingList"]) == ["EMAIL_OTP", "SMS_MFA", "SOFTWARE_TOKEN_MFA"]
    assert "PreferredMfaSetting" not in user
    for chosen, answer in [("SMS_MFA", "SMS_MFA_CODE"), ("EMAIL_OTP", "EMAIL_OTP_CODE")]:
        select = pool.sign_in(username, PASSWORD)
        assert select["ChallengeName"] == "SELECT_MFA_TYPE"
        choices = json.loads(select["ChallengeParameters"]["MFAS_CAN_CHOOSE"])
        assert sorted(choices) == ["EMAIL_OTP", "SMS_MFA", "SOFTWARE_TOKEN_MFA"]
        asked = respond(pool, username, select, ANSWER=chosen)
        assert asked["ChallengeName"] == chosen
        code = pool.controls.next_code(pool.id, username, "Authentication")
        signed_in(pool, respond(pool, username, asked, **{answer: code}))
    asked = respond(pool, username, pool.sign_in(username, PASSWORD), ANSWER="SOFTWARE_TOKEN_MFA")
    assert asked["ChallengeName"] == "SOFTWARE_TOKEN_MFA"
    with pytest.raises(pool.api.exceptions.InvalidParameterException):
        pool.api.set_user_mfa_preference(
            AccessToken=token, SMSMfaSettings=PREFERRED, SoftwareTokenMfaSettings=PREFERRED
        )
