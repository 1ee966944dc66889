"""boto3: USER_AUTH, where the user chooses how to begin."""

from __future__ import annotations

import re

import pytest
from challenges import (
    PHONE,
    USED_SESSION,
    WRONG_CODE,
    begin,
    hash_of,
    message,
    other,
    respond,
    set_up_token,
    signed_in,
    user_with,
    with_mfa,
)
from conftest import PASSWORD, SMS_CONFIGURATION, Pool, attributes, fresh_name
from pycognito.aws_srp import AWSSRP, long_to_hex

CHOICES = ["PASSWORD_SRP", "PASSWORD", "EMAIL_OTP", "SMS_OTP"]


@pytest.fixture
def make_open_pool(make_pool):
    """Makes pools that take passwords and codes as first factors."""

    def make(client: dict | None = None, **settings: object) -> Pool:
        return make_pool(
            Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP", "SMS_OTP"]}},
            SmsConfiguration=SMS_CONFIGURATION,
            client={"ExplicitAuthFlows": ["ALLOW_USER_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"], **(client or {})},
            **settings,
        )

    return make


def first_code(pool: Pool, username: str) -> str:
    """The code in the next message; as a first factor it has eight digits."""
    code = pool.controls.next_message(pool.id, username, "Authentication")["code"]
    assert re.fullmatch(r"[0-9]{8}", code), code
    return code


@pytest.mark.parametrize("with_secret", [False, True], ids=["public client", "client with secret"])
def test_every_choice_signs_in(make_open_pool, with_secret):
    pool = make_open_pool(client={"GenerateSecret": with_secret})
    username = user_with(pool, "choice", PASSWORD, email="gwen@example.com", phone_number=PHONE)

    def select() -> dict:
        asked = begin(pool, "USER_AUTH", username)
        assert asked["ChallengeName"] == "SELECT_CHALLENGE"
        assert asked["AvailableChallenges"] == CHOICES
        assert asked["ChallengeParameters"] == {}
        return asked

    signed_in(pool, respond(pool, username, select(), ANSWER="PASSWORD", PASSWORD=PASSWORD))
    with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
        respond(pool, username, select(), ANSWER="PASSWORD", PASSWORD="Wrong-password-9")
    assert message(refused) == "Incorrect username or password."

    srp = AWSSRP(username, PASSWORD, pool.id, pool.client_id, client=pool.api, client_secret=pool.secret)
    asked = respond(pool, username, select(), ANSWER="PASSWORD_SRP", SRP_A=long_to_hex(srp.large_a_value))
    assert asked["ChallengeName"] == "PASSWORD_VERIFIER"
    proof = srp.process_challenge(asked["ChallengeParameters"], {"USERNAME": username})
    signed_in(pool, respond(pool, username, asked, **{k: v for k, v in proof.items() if k != "USERNAME"}))

    for choice, medium, masked in [("EMAIL_OTP", "EMAIL", "g***@e***"), ("SMS_OTP", "SMS", "+*******0100")]:
        asked = respond(pool, username, select(), ANSWER=choice)
        assert asked["ChallengeName"] == choice
        assert asked["ChallengeParameters"]["CODE_DELIVERY_DELIVERY_MEDIUM"] == medium
        assert asked["ChallengeParameters"]["CODE_DELIVERY_DESTINATION"] == masked
        code = first_code(pool, username)
        signed_in(pool, respond(pool, username, asked, **{f"{choice}_CODE": code}))


def test_preferred_password_signs_in_at_once(make_open_pool):
    pool = make_open_pool()
    username = user_with(pool, "prefers", PASSWORD, email="gwen@example.com")
    signed_in(pool, begin(pool, "USER_AUTH", username, PREFERRED_CHALLENGE="PASSWORD", PASSWORD=PASSWORD))
    with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
        begin(pool, "USER_AUTH", username, PREFERRED_CHALLENGE="PASSWORD", PASSWORD="Wrong-password-9")
    assert message(refused) == "Incorrect username or password."
    # What this user cannot do is no error: the choices are offered instead.
    asked = begin(pool, "USER_AUTH", username, PREFERRED_CHALLENGE="SMS_OTP")
    assert asked["ChallengeName"] == "SELECT_CHALLENGE"
    assert asked["AvailableChallenges"] == ["PASSWORD_SRP", "PASSWORD", "EMAIL_OTP"]


def test_preferred_mail_code(make_open_pool, moved_clock):
    pool = make_open_pool()
    username = user_with(pool, "mailed", PASSWORD, email="gwen@example.com", email_verified="false")
    asked = begin(pool, "USER_AUTH", username, PREFERRED_CHALLENGE="EMAIL_OTP")
    assert asked["ChallengeName"] == "EMAIL_OTP"
    assert asked["AvailableChallenges"] == ["PASSWORD_SRP", "PASSWORD", "EMAIL_OTP"]
    code = first_code(pool, username)
    for _ in range(3):
        with pytest.raises(pool.api.exceptions.CodeMismatchException) as refused:
            respond(pool, username, asked, EMAIL_OTP_CODE=other(code))
        assert message(refused) == WRONG_CODE
    tokens = signed_in(pool, respond(pool, username, asked, EMAIL_OTP_CODE=code))
    user = attributes(pool.api.get_user(AccessToken=tokens["AccessToken"])["UserAttributes"])
    assert user["email_verified"] == "true"
    with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
        respond(pool, username, asked, EMAIL_OTP_CODE=code)
    assert message(refused) == USED_SESSION

    asked = begin(pool, "USER_AUTH", username, PREFERRED_CHALLENGE="EMAIL_OTP")
    code = first_code(pool, username)
    moved_clock(181)
    with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
        respond(pool, username, asked, EMAIL_OTP_CODE=code)
    assert message(refused) == "Invalid session for the user, session is expired."


def test_a_code_confirms_an_unconfirmed_user(make_open_pool):
    pool = make_open_pool()
    username = fresh_name("unconfirmed")
    pool.sign_up(username)
    pool.controls.next_code(pool.id, username, "SignUp")
    asked = begin(pool, "USER_AUTH", username, PREFERRED_CHALLENGE="EMAIL_OTP")
    signed_in(pool, respond(pool, username, asked, EMAIL_OTP_CODE=first_code(pool, username)))
    assert pool.api.admin_get_user(UserPoolId=pool.id, Username=username)["UserStatus"] == "CONFIRMED"


@pytest.mark.parametrize("names_session", [True, False], ids=["with its session", "without a session"])
def test_sign_up_without_a_password_leads_to_tokens(make_open_pool, names_session):
    pool = make_open_pool()
    username = fresh_name("light")
    signed_up = pool.api.sign_up(
        ClientId=pool.client_id,
        Username=username,
        UserAttributes=[{"Name": "email", "Value": f"{username}@example.com"}],
    )
    confirmed = pool.api.confirm_sign_up(
        ClientId=pool.client_id,
        Username=username,
        ConfirmationCode=pool.controls.next_code(pool.id, username, "SignUp"),
        **({"Session": signed_up["Session"]} if names_session else {}),
    )
    go_on = {
        "ClientId": pool.client_id,
        "AuthFlow": "USER_AUTH",
        "AuthParameters": {"USERNAME": username},
        "Session": confirmed["Session"],
    }
    tokens = signed_in(pool, pool.api.initiate_auth(**go_on))
    assert pool.api.get_user(AccessToken=tokens["AccessToken"])["Username"] == username
    with pytest.raises(pool.api.exceptions.NotAuthorizedException):
        pool.api.initiate_auth(**go_on)
    asked = begin(pool, "USER_AUTH", username)
    assert asked["AvailableChallenges"] == ["EMAIL_OTP"]
    factors = pool.api.get_user_auth_factors(AccessToken=tokens["AccessToken"])
    assert factors["ConfiguredUserAuthFactors"] == ["EMAIL_OTP"]


def test_unknown_users(make_open_pool):
    pool = make_open_pool(client={"PreventUserExistenceErrors": "ENABLED"})
    nobody = f"{fresh_name('nobody')}@example.com"
    asked = begin(pool, "USER_AUTH", nobody, PREFERRED_CHALLENGE="EMAIL_OTP")
    assert asked["ChallengeName"] == "EMAIL_OTP"
    assert asked["ChallengeParameters"]["CODE_DELIVERY_DESTINATION"] == "n***@e***"
    with pytest.raises(pool.api.exceptions.CodeMismatchException) as refused:
        respond(pool, nobody, asked, EMAIL_OTP_CODE="12345678")
    assert message(refused) == WRONG_CODE
    assert pool.controls.messages(pool.id) == []
    legacy = make_open_pool()
    with pytest.raises(legacy.api.exceptions.UserNotFoundException) as refused:
        begin(legacy, "USER_AUTH", nobody)
    assert message(refused) == "User does not exist."


def test_a_user_with_mfa_begins_with_the_password(make_open_pool, moved_clock):
    pool = with_mfa(make_open_pool(), "OPTIONAL")
    username = user_with(pool, "both", PASSWORD, email="gwen@example.com")
    token = signed_in(pool, begin(pool, "USER_AUTH", username, PREFERRED_CHALLENGE="PASSWORD", PASSWORD=PASSWORD))
    app = set_up_token(pool, token["AccessToken"])
    pool.api.set_user_mfa_preference(
        AccessToken=token["AccessToken"], SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True}
    )
    asked = begin(pool, "USER_AUTH", username, PREFERRED_CHALLENGE="EMAIL_OTP")
    assert asked["ChallengeName"] == "SELECT_CHALLENGE"
    assert asked["AvailableChallenges"] == ["PASSWORD_SRP", "PASSWORD"]
    asked = respond(pool, username, asked, ANSWER="PASSWORD", PASSWORD=PASSWORD)
    assert asked["ChallengeName"] == "SOFTWARE_TOKEN_MFA"
    moved_clock(30)
    signed_in(pool, respond(pool, username, asked, SOFTWARE_TOKEN_MFA_CODE=app.code()))


def test_flow_that_is_switched_off(pool):
    username = user_with(pool, "off", PASSWORD)
    with pytest.raises(pool.api.exceptions.InvalidParameterException):
        begin(pool, "USER_AUTH", username)


def test_administrators_begin_it_too(make_open_pool):
    pool = make_open_pool(client={"GenerateSecret": True})
    username = user_with(pool, "admin", PASSWORD, email="gwen@example.com")
    known = {"USERNAME": username, **hash_of(pool, username)}
    asked = pool.api.admin_initiate_auth(
        UserPoolId=pool.id,
        ClientId=pool.client_id,
        AuthFlow="USER_AUTH",
        AuthParameters={**known, "PREFERRED_CHALLENGE": "EMAIL_OTP"},
    )
    assert asked["ChallengeName"] == "EMAIL_OTP"
    answer = pool.api.admin_respond_to_auth_challenge(
        UserPoolId=pool.id,
        ClientId=pool.client_id,
        ChallengeName="EMAIL_OTP",
        Session=asked["Session"],
        ChallengeResponses={**known, "EMAIL_OTP_CODE": first_code(pool, username)},
    )
    signed_in(pool, answer)
