"""boto3: the administrator's side of accounts."""

from __future__ import annotations

import re

import pytest
from conftest import NEW_PASSWORD, PASSWORD, SMS_CONFIGURATION, attributes, fresh_name

TEMPORARY = "Temporary-pass-3"


def admin_create(pool, username: str, given: dict[str, str] | None = None, **members: object) -> dict:
    """AdminCreateUser without a message, with these attributes."""
    return pool.api.admin_create_user(
        **{
            "UserPoolId": pool.id,
            "Username": username,
            "UserAttributes": [{"Name": name, "Value": value} for name, value in (given or {}).items()],
            "MessageAction": "SUPPRESS",
            **members,
        }
    )["User"]


def admin_user(pool, given: dict[str, str]) -> str:
    """A confirmed user with a permanent password and these attributes."""
    username = fresh_name("admin")
    admin_create(pool, username, given)
    pool.api.admin_set_user_password(UserPoolId=pool.id, Username=username, Password=PASSWORD, Permanent=True)
    return username


def status(pool, username: str) -> str:
    """The user's status."""
    return pool.api.admin_get_user(UserPoolId=pool.id, Username=username)["UserStatus"]


def test_invited_user_chooses_a_password(pool):
    username = fresh_name("invited")
    email = f"{username}@example.com"
    created = pool.api.admin_create_user(
        UserPoolId=pool.id,
        Username=username,
        UserAttributes=[{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}],
        TemporaryPassword=TEMPORARY,
        DesiredDeliveryMediums=["EMAIL"],
    )["User"]
    assert (created["UserStatus"], created["Enabled"]) == ("FORCE_CHANGE_PASSWORD", True)
    invitation = pool.controls.next_message(pool.id, username, "AdminCreateUser")
    assert invitation["destination"] == email
    assert TEMPORARY in invitation["body"]
    assert username in invitation["body"]

    with pytest.raises(pool.api.exceptions.NotAuthorizedException, match="User password cannot be reset"):
        pool.api.forgot_password(ClientId=pool.client_id, Username=username)

    challenge = pool.sign_in(username, TEMPORARY)
    assert challenge["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    assert "AuthenticationResult" not in challenge
    answer = {
        "ClientId": pool.client_id,
        "ChallengeName": "NEW_PASSWORD_REQUIRED",
        "Session": challenge["Session"],
    }
    with pytest.raises(pool.api.exceptions.InvalidPasswordException, match="Password does not conform to policy: "):
        pool.api.respond_to_auth_challenge(
            **answer, ChallengeResponses={"USERNAME": username, "NEW_PASSWORD": "short"}
        )
    challenge = pool.sign_in(username, TEMPORARY)
    answer["Session"] = challenge["Session"]
    tokens = pool.api.respond_to_auth_challenge(
        **answer, ChallengeResponses={"USERNAME": username, "NEW_PASSWORD": NEW_PASSWORD}
    )["AuthenticationResult"]
    assert pool.api.get_user(AccessToken=tokens["AccessToken"])["Username"] == username
    assert status(pool, username) == "CONFIRMED"
    with pytest.raises(pool.api.exceptions.NotAuthorizedException, match="session can only be used once"):
        pool.api.respond_to_auth_challenge(
            **answer, ChallengeResponses={"USERNAME": username, "NEW_PASSWORD": PASSWORD}
        )
    assert pool.tokens(username, NEW_PASSWORD)["TokenType"] == "Bearer"
    with pytest.raises(pool.api.exceptions.NotAuthorizedException):
        pool.sign_in(username, TEMPORARY)


def test_generated_temporary_password_works(pool):
    username = fresh_name("generated")
    pool.api.admin_create_user(
        UserPoolId=pool.id,
        Username=username,
        UserAttributes=[{"Name": "email", "Value": f"{username}@example.com"}],
        DesiredDeliveryMediums=["EMAIL"],
    )
    invitation = pool.controls.next_message(pool.id, username, "AdminCreateUser")
    assert invitation["code"] in invitation["body"]
    assert pool.sign_in(username, invitation["code"])["ChallengeName"] == "NEW_PASSWORD_REQUIRED"


def test_admin_sign_in(pool):
    username = admin_user(pool, {"email": "admin@example.com", "email_verified": "true"})
    request = {
        "UserPoolId": pool.id,
        "ClientId": pool.client_id,
        "AuthFlow": "ADMIN_USER_PASSWORD_AUTH",
    }
    tokens = pool.api.admin_initiate_auth(
        **request, AuthParameters={"USERNAME": username, "PASSWORD": PASSWORD}
    )["AuthenticationResult"]
    assert pool.api.get_user(AccessToken=tokens["AccessToken"])["Username"] == username
    with pytest.raises(pool.api.exceptions.NotAuthorizedException, match="Incorrect username or password."):
        pool.api.admin_initiate_auth(
            **request, AuthParameters={"USERNAME": username, "PASSWORD": NEW_PASSWORD}
        )


def test_admin_set_user_password(pool):
    username = admin_user(pool, {"email": "set@example.com", "email_verified": "true"})
    assert status(pool, username) == "CONFIRMED"
    assert pool.tokens(username, PASSWORD)["TokenType"] == "Bearer"
    pool.api.admin_set_user_password(UserPoolId=pool.id, Username=username, Password=TEMPORARY, Permanent=False)
    assert status(pool, username) == "FORCE_CHANGE_PASSWORD"
    assert pool.sign_in(username, TEMPORARY)["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    with pytest.raises(pool.api.exceptions.NotAuthorizedException):
        pool.sign_in(username, PASSWORD)
    with pytest.raises(pool.api.exceptions.InvalidPasswordException):
        pool.api.admin_set_user_password(UserPoolId=pool.id, Username=username, Password="short", Permanent=True)


def test_admin_reset_user_password(pool):
    username = pool.confirmed_user("reset")
    pool.api.admin_reset_user_password(UserPoolId=pool.id, Username=username)
    assert status(pool, username) == "RESET_REQUIRED"
    with pytest.raises(pool.api.exceptions.PasswordResetRequiredException):
        pool.sign_in(username, PASSWORD)
    code = pool.controls.next_code(pool.id, username)
    pool.reset(username, code)
    assert status(pool, username) == "CONFIRMED"
    assert pool.tokens(username, NEW_PASSWORD)["TokenType"] == "Bearer"
    with pytest.raises(pool.api.exceptions.NotAuthorizedException):
        pool.sign_in(username, PASSWORD)


def test_admin_confirm_sign_up_verifies_nothing(pool):
    username = fresh_name("byadmin")
    pool.sign_up(username)
    pool.api.admin_confirm_sign_up(UserPoolId=pool.id, Username=username)
    user = pool.api.admin_get_user(UserPoolId=pool.id, Username=username)
    assert user["UserStatus"] == "CONFIRMED"
    assert attributes(user["UserAttributes"])["email_verified"] == "false"
    with pytest.raises(pool.api.exceptions.NotAuthorizedException, match="Current status is CONFIRMED"):
        pool.api.admin_confirm_sign_up(UserPoolId=pool.id, Username=username)
    with pytest.raises(
        pool.api.exceptions.InvalidParameterException, match="there is no registered/verified email or phone_number"
    ):
        pool.api.forgot_password(ClientId=pool.client_id, Username=username)


def test_disabled_user(pool):
    username = pool.confirmed_user("disabled")
    token = pool.tokens(username, PASSWORD)["AccessToken"]
    pool.api.admin_disable_user(UserPoolId=pool.id, Username=username)
    with pytest.raises(pool.api.exceptions.NotAuthorizedException, match="User is disabled."):
        pool.sign_in(username, PASSWORD)
    with pytest.raises(pool.api.exceptions.NotAuthorizedException, match="User is disabled."):
        pool.api.forgot_password(ClientId=pool.client_id, Username=username)
    with pytest.raises(pool.api.exceptions.NotAuthorizedException):
        pool.api.get_user(AccessToken=token)
    pool.api.admin_enable_user(UserPoolId=pool.id, Username=username)
    assert pool.tokens(username, PASSWORD)["TokenType"] == "Bearer"
    with pytest.raises(pool.api.exceptions.NotAuthorizedException):
        pool.api.get_user(AccessToken=token)


@pytest.mark.parametrize("first", ["phone", "email"])
def test_recovery_order_decides_the_channel(make_pool, first):
    order = ["verified_phone_number", "verified_email"]
    if first == "email":
        order.reverse()
    pool = make_pool(
        SmsConfiguration=SMS_CONFIGURATION,
        AccountRecoverySetting={
            "RecoveryMechanisms": [{"Priority": n, "Name": name} for n, name in enumerate(order, start=1)]
        },
    )
    both = admin_user(
        pool,
        {
            "email": "both@example.com",
            "email_verified": "true",
            "phone_number": "+14325551212",
            "phone_number_verified": "true",
        },
    )
    details = pool.api.forgot_password(ClientId=pool.client_id, Username=both)["CodeDeliveryDetails"]
    message = pool.controls.next_message(pool.id, both, "ForgotPassword")
    if first == "phone":
        assert details == {
            "AttributeName": "phone_number",
            "DeliveryMedium": "SMS",
            "Destination": "+*******1212",
        }
        assert (message["medium"], message["destination"]) == ("SMS", "+14325551212")
    else:
        assert details == {"AttributeName": "email", "DeliveryMedium": "EMAIL", "Destination": "b***@e***"}
        assert (message["medium"], message["destination"]) == ("EMAIL", "both@example.com")
    pool.reset(both, message["code"])
    assert pool.tokens(both, NEW_PASSWORD)["TokenType"] == "Bearer"

    # An unverified first choice is passed over.
    attribute, medium = ("phone_number", "EMAIL") if first == "phone" else ("email", "SMS")
    other = admin_user(
        pool,
        {
            "email": "other@example.com",
            "email_verified": "true",
            "phone_number": "+14325551313",
            "phone_number_verified": "true",
            f"{attribute}_verified": "false",
        },
    )
    details = pool.api.forgot_password(ClientId=pool.client_id, Username=other)["CodeDeliveryDetails"]
    assert details["DeliveryMedium"] == medium


def test_list_users_page_by_page(make_pool):
    pool = make_pool()
    names = sorted(f"page-{number}" for number in range(7))
    for name in names:
        admin_create(pool, name, {"email": f"{name}@example.com"})
    pages = list(pool.api.get_paginator("list_users").paginate(UserPoolId=pool.id, PaginationConfig={"PageSize": 3}))
    assert all(len(page["Users"]) <= 3 for page in pages)
    assert len(pages) >= 3
    assert sorted(user["Username"] for page in pages for user in page["Users"]) == names
    assert "PaginationToken" not in pages[-1]

    with pytest.raises(pool.api.exceptions.InvalidParameterException) as refused:
        pool.api.list_users(UserPoolId=pool.id, Limit=61)
    assert refused.value.response["Error"]["Message"] == (
        "1 validation error detected: Value '61' at 'limit' failed to satisfy constraint: "
        "Member must have value less than or equal to 60"
    )
    with pytest.raises(pool.api.exceptions.InvalidParameterException):
        pool.api.list_users(UserPoolId=pool.id, PaginationToken="not-a-token")
    first = pool.api.list_users(UserPoolId=pool.id, Limit=3)
    with pytest.raises(pool.api.exceptions.InvalidParameterException):
        pool.api.list_users(UserPoolId=pool.id, PaginationToken=first["PaginationToken"], Filter='email ^= "page"')


def test_pool_and_client_are_described_and_deleted(make_pool):
    pool = make_pool(client={"GenerateSecret": True})
    described = pool.api.describe_user_pool(UserPoolId=pool.id)["UserPool"]
    assert described["Id"] == pool.id
    assert described["AutoVerifiedAttributes"] == ["email"]
    assert re.fullmatch(r"us-east-1_[0-9A-Za-z]{9}", pool.id)
    client = pool.api.describe_user_pool_client(UserPoolId=pool.id, ClientId=pool.client_id)["UserPoolClient"]
    assert client["ClientSecret"] == pool.secret
    listed = [
        item["Id"]
        for page in pool.api.get_paginator("list_user_pools").paginate(MaxResults=20)
        for item in page["UserPools"]
    ]
    assert listed.count(pool.id) == 1
    pool.api.delete_user_pool_client(UserPoolId=pool.id, ClientId=pool.client_id)
    with pytest.raises(pool.api.exceptions.ResourceNotFoundException):
        pool.sign_in("anyone", PASSWORD)
    pool.api.delete_user_pool(UserPoolId=pool.id)
    with pytest.raises(pool.api.exceptions.ResourceNotFoundException):
        pool.api.describe_user_pool(UserPoolId=pool.id)
