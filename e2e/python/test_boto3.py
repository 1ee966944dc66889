"""boto3: sign-up, recovery, sign-in, tokens, from a user's side."""

from __future__ import annotations

import json
import time

import jwt
import pytest
from conftest import NEW_PASSWORD, PASSWORD, api_client, attributes, fresh_name, secret_hash
from pycognito.aws_srp import AWSSRP
from support import REGION, call, http


def verify(pool, token: str, audience: str | None = None) -> tuple[dict, dict]:
    """Header and claims of a token, its signature checked against the published keys."""
    status, headers, body = http("GET", f"{pool.issuer()}/.well-known/jwks.json")
    assert status == 200, body
    assert headers["content-type"].startswith("application/json")
    header = jwt.get_unverified_header(token)
    assert header["alg"] == "RS256"
    keys = {key["kid"]: key for key in json.loads(body)["keys"]}
    assert all(key["kty"] == "RSA" and key["use"] == "sig" and key["alg"] == "RS256" for key in keys.values())
    claims = jwt.decode(
        token,
        jwt.PyJWK(keys[header["kid"]]).key,
        algorithms=["RS256"],
        issuer=pool.issuer(),
        audience=audience,
        options={"require": ["iss", "exp", "iat", "sub"], "verify_aud": audience is not None},
        leeway=5,
    )
    return header, claims


@pytest.mark.parametrize("with_secret", [False, True], ids=["public client", "client with secret"])
def test_whole_story(make_pool, with_secret):
    pool = make_pool(client={"GenerateSecret": with_secret})
    assert (pool.secret is not None) == with_secret
    username = fresh_name("story")

    signed_up = pool.sign_up(username, email="mary@example.com")
    assert signed_up["UserConfirmed"] is False
    assert signed_up["CodeDeliveryDetails"] == {
        "AttributeName": "email",
        "DeliveryMedium": "EMAIL",
        "Destination": "m***@e***",
    }
    with pytest.raises(pool.api.exceptions.UserNotConfirmedException, match="User is not confirmed."):
        pool.sign_in(username, PASSWORD)

    message = pool.controls.next_message(pool.id, username, "SignUp")
    assert (message["medium"], message["destination"]) == ("EMAIL", "mary@example.com")
    assert message["code"] in message["body"]
    pool.api.confirm_sign_up(
        ClientId=pool.client_id,
        Username=username,
        ConfirmationCode=message["code"],
        **pool.hashed(username),
    )

    forgot = pool.api.forgot_password(ClientId=pool.client_id, Username=username, **pool.hashed(username))
    assert forgot["CodeDeliveryDetails"] == {
        "AttributeName": "email",
        "DeliveryMedium": "EMAIL",
        "Destination": "m***@e***",
    }
    # Until the code is used nothing has changed.
    assert pool.tokens(username, PASSWORD)["TokenType"] == "Bearer"
    code = pool.controls.next_code(pool.id, username, "ForgotPassword")
    pool.reset(username, code)

    with pytest.raises(pool.api.exceptions.NotAuthorizedException, match="Incorrect username or password."):
        pool.sign_in(username, PASSWORD)
    answer = pool.sign_in(username, NEW_PASSWORD)
    assert answer["ChallengeParameters"] == {}
    tokens = answer["AuthenticationResult"]
    assert tokens["ExpiresIn"] == 3600
    assert len(tokens["RefreshToken"].split(".")) == 5

    user = pool.api.get_user(AccessToken=tokens["AccessToken"])
    assert user["Username"] == username
    assert attributes(user["UserAttributes"]) == {
        "sub": signed_up["UserSub"],
        "email": "mary@example.com",
        "email_verified": "true",
    }

    # A refresh hash is made over the stored username; nothing else in the request names the user.
    parameters = {"REFRESH_TOKEN": tokens["RefreshToken"]}
    if pool.secret:
        parameters["SECRET_HASH"] = secret_hash(username, pool.client_id, pool.secret)
    refreshed = pool.api.initiate_auth(
        ClientId=pool.client_id, AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters=parameters
    )["AuthenticationResult"]
    assert "RefreshToken" not in refreshed
    assert refreshed["AccessToken"] != tokens["AccessToken"]
    assert pool.api.get_user(AccessToken=refreshed["AccessToken"])["Username"] == username
    _, before = verify(pool, tokens["AccessToken"])
    _, after = verify(pool, refreshed["AccessToken"])
    assert after["origin_jti"] == before["origin_jti"]
    assert after["auth_time"] == before["auth_time"]
    assert after["jti"] != before["jti"]


def test_tokens_verify_against_the_published_keys(pool):
    username = pool.confirmed_user()
    tokens = pool.tokens(username, PASSWORD)
    access_header, access = verify(pool, tokens["AccessToken"])
    id_header, identity = verify(pool, tokens["IdToken"], audience=pool.client_id)
    assert access_header["kid"] != id_header["kid"], "access and ID tokens are signed with different keys"
    assert access["token_use"] == "access"
    assert access["client_id"] == pool.client_id
    assert access["username"] == username
    assert access["scope"] == "aws.cognito.signin.user.admin"
    assert identity["token_use"] == "id"
    assert identity["cognito:username"] == username
    assert identity["email"] == f"{username}@example.com"
    assert identity["email_verified"] is True
    assert access["sub"] == identity["sub"]
    assert access["exp"] - access["iat"] == 3600
    assert abs(access["iat"] - time.time()) < 60

    head, body, signature = tokens["AccessToken"].split(".")
    broken = ".".join([head, body, ("A" if signature[0] != "A" else "B") + signature[1:]])
    with pytest.raises(jwt.InvalidSignatureError):
        verify(pool, broken)
    with pytest.raises(pool.api.exceptions.NotAuthorizedException):
        pool.api.get_user(AccessToken=broken)
    with pytest.raises(pool.api.exceptions.NotAuthorizedException):
        pool.api.get_user(AccessToken=tokens["IdToken"])


def test_discovery_document(pool):
    status, _, body = http("GET", f"{pool.issuer()}/.well-known/openid-configuration")
    assert status == 200
    document = json.loads(body)
    assert document["issuer"] == pool.issuer()
    assert document["jwks_uri"] == f"{pool.issuer()}/.well-known/jwks.json"


@pytest.mark.parametrize("with_secret", [False, True], ids=["public client", "client with secret"])
def test_srp_sign_in(make_pool, with_secret):
    pool = make_pool(client={"GenerateSecret": with_secret})
    username = pool.confirmed_user("srp")

    def srp(password: str) -> dict:
        return AWSSRP(
            username=username,
            password=password,
            pool_id=pool.id,
            client_id=pool.client_id,
            client_secret=pool.secret,
            client=pool.api,
        ).authenticate_user()

    tokens = srp(PASSWORD)["AuthenticationResult"]
    assert pool.api.get_user(AccessToken=tokens["AccessToken"])["Username"] == username
    with pytest.raises(pool.api.exceptions.NotAuthorizedException, match="Incorrect username or password."):
        srp("Wrong-password-9")
    pool.reset(username, pool.forgot(username))
    assert srp(NEW_PASSWORD)["AuthenticationResult"]["TokenType"] == "Bearer"
    with pytest.raises(pool.api.exceptions.NotAuthorizedException):
        srp(PASSWORD)


def test_srp_sign_in_by_email_alias(make_pool):
    pool = make_pool(UsernameAttributes=["email"])
    email = f"{fresh_name('ann')}@example.com"
    sub = pool.api.sign_up(ClientId=pool.client_id, Username=email, Password=PASSWORD)["UserSub"]
    code = pool.controls.next_code(pool.id, email, "SignUp")
    pool.api.confirm_sign_up(ClientId=pool.client_id, Username=email, ConfirmationCode=code)
    # The proof is made over the stored name, which is the sub; the client learns it from the challenge.
    answer = AWSSRP(
        username=email, password=PASSWORD, pool_id=pool.id, client_id=pool.client_id, client=pool.api
    ).authenticate_user()
    user = pool.api.get_user(AccessToken=answer["AuthenticationResult"]["AccessToken"])
    assert user["Username"] == sub
    assert attributes(user["UserAttributes"])["email"] == email
    pool.reset(email, pool.forgot(email))
    assert pool.tokens(email, NEW_PASSWORD)["TokenType"] == "Bearer"


def test_resend_makes_the_first_code_useless(pool):
    username = fresh_name("resend")
    pool.sign_up(username)
    first = pool.controls.next_code(pool.id, username, "SignUp")
    again = pool.api.resend_confirmation_code(ClientId=pool.client_id, Username=username)
    assert again["CodeDeliveryDetails"]["DeliveryMedium"] == "EMAIL"
    second = pool.controls.next_code(pool.id, username, "ResendCode")
    if first != second:
        with pytest.raises(pool.api.exceptions.CodeMismatchException):
            pool.api.confirm_sign_up(ClientId=pool.client_id, Username=username, ConfirmationCode=first)
    pool.api.confirm_sign_up(ClientId=pool.client_id, Username=username, ConfirmationCode=second)
    with pytest.raises(pool.api.exceptions.InvalidParameterException, match="User is already confirmed."):
        pool.api.resend_confirmation_code(ClientId=pool.client_id, Username=username)


def test_change_password(pool):
    username = pool.confirmed_user("change")
    token = pool.tokens(username, PASSWORD)["AccessToken"]
    with pytest.raises(pool.api.exceptions.NotAuthorizedException, match="Incorrect username or password."):
        pool.api.change_password(AccessToken=token, PreviousPassword="Wrong-1-wrong", ProposedPassword=NEW_PASSWORD)
    with pytest.raises(pool.api.exceptions.InvalidPasswordException):
        pool.api.change_password(AccessToken=token, PreviousPassword=PASSWORD, ProposedPassword="short")
    pool.api.change_password(AccessToken=token, PreviousPassword=PASSWORD, ProposedPassword=NEW_PASSWORD)
    assert pool.tokens(username, NEW_PASSWORD)["TokenType"] == "Bearer"
    with pytest.raises(pool.api.exceptions.NotAuthorizedException):
        pool.sign_in(username, PASSWORD)


def test_global_sign_out_revokes_tokens(pool):
    username = pool.confirmed_user("out")
    tokens = pool.tokens(username, PASSWORD)
    pool.api.global_sign_out(AccessToken=tokens["AccessToken"])
    with pytest.raises(pool.api.exceptions.NotAuthorizedException, match="Access Token has been revoked"):
        pool.api.get_user(AccessToken=tokens["AccessToken"])
    with pytest.raises(pool.api.exceptions.NotAuthorizedException, match="Refresh Token has been revoked"):
        pool.api.initiate_auth(
            ClientId=pool.client_id,
            AuthFlow="REFRESH_TOKEN_AUTH",
            AuthParameters={"REFRESH_TOKEN": tokens["RefreshToken"]},
        )
    assert pool.tokens(username, PASSWORD)["TokenType"] == "Bearer"


def test_deleted_user_is_gone(pool):
    username = pool.confirmed_user("gone")
    token = pool.tokens(username, PASSWORD)["AccessToken"]
    pool.api.delete_user(AccessToken=token)
    with pytest.raises(pool.api.exceptions.UserNotFoundException, match="User does not exist."):
        pool.api.admin_get_user(UserPoolId=pool.id, Username=username)
    with pytest.raises((pool.api.exceptions.UserNotFoundException, pool.api.exceptions.NotAuthorizedException)):
        pool.api.get_user(AccessToken=token)


def test_reset_code_expires_after_an_hour(make_pool, moved_clock):
    pool = make_pool()
    username = pool.confirmed_user("late")
    code = pool.forgot(username)
    moved_clock(3601)
    with pytest.raises(
        pool.api.exceptions.ExpiredCodeException, match="Invalid code provided, please request a code again."
    ):
        pool.reset(username, code)
    fresh = pool.forgot(username)
    moved_clock(3540)
    pool.reset(username, fresh)
    assert pool.tokens(username, NEW_PASSWORD)["TokenType"] == "Bearer"


def test_access_token_expires(make_pool, moved_clock):
    pool = make_pool()
    username = pool.confirmed_user("expiry")
    tokens = pool.tokens(username, PASSWORD)
    moved_clock(3700)
    with pytest.raises(pool.api.exceptions.NotAuthorizedException, match="Access Token has expired"):
        pool.api.get_user(AccessToken=tokens["AccessToken"])
    renewed = pool.api.initiate_auth(
        ClientId=pool.client_id,
        AuthFlow="REFRESH_TOKEN_AUTH",
        AuthParameters={"REFRESH_TOKEN": tokens["RefreshToken"]},
    )["AuthenticationResult"]
    assert pool.api.get_user(AccessToken=renewed["AccessToken"])["Username"] == username


def test_public_operations_need_no_signature(pool):
    username = pool.confirmed_user("plain")
    status, headers, body = call(
        pool.api.meta.endpoint_url,
        "InitiateAuth",
        {
            "ClientId": pool.client_id,
            "AuthFlow": "USER_PASSWORD_AUTH",
            "AuthParameters": {"USERNAME": username, "PASSWORD": PASSWORD},
        },
    )
    assert status == 200, body
    assert headers["content-type"] == "application/x-amz-json-1.1"
    assert headers["x-amzn-requestid"]
    status, _, body = call(
        pool.api.meta.endpoint_url, "GetUser", {"AccessToken": body["AuthenticationResult"]["AccessToken"]}
    )
    assert (status, body["Username"]) == (200, username)


def test_pool_takes_the_region_of_the_caller(endpoint, pool):
    assert pool.id.startswith(f"{REGION}_")
    elsewhere = api_client(endpoint, region="eu-west-1")
    made = elsewhere.create_user_pool(PoolName="elsewhere")["UserPool"]
    assert made["Id"].startswith("eu-west-1_")
    assert ":eu-west-1:" in made["Arn"]
