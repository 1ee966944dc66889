"""boto3: refresh tokens that are rotated, and sign-ins that are kept track of."""

from __future__ import annotations

import re

import jwt
import pytest
from challenges import begin, message, signed_in, user_with
from conftest import PASSWORD, Pool

REVOKED = "Refresh Token has been revoked"
ACCESS_REVOKED = "Access Token has been revoked"
FLOWS = ["ALLOW_USER_PASSWORD_AUTH"]


def renew(pool: Pool, refresh_token: str) -> dict:
    """GetTokensFromRefreshToken."""
    secret = {"ClientSecret": pool.secret} if pool.secret else {}
    answer = pool.api.get_tokens_from_refresh_token(ClientId=pool.client_id, RefreshToken=refresh_token, **secret)
    assert "ChallengeParameters" not in answer
    return answer["AuthenticationResult"]


def claims(token: str) -> dict:
    """What a token says, unchecked."""
    return jwt.decode(token, options={"verify_signature": False})


def username_of(pool: Pool, access_token: str) -> str:
    """Whose token it is; the server takes it."""
    return pool.api.get_user(AccessToken=access_token)["Username"]


def refuses_access(pool: Pool, access_token: str) -> None:
    """The server takes the token no more."""
    with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
        pool.api.get_user(AccessToken=access_token)
    assert message(refused) == ACCESS_REVOKED


@pytest.mark.parametrize("with_secret", [False, True], ids=["public client", "client with secret"])
def test_without_rotation_the_refresh_token_stays(make_pool, with_secret):
    pool = make_pool(client={"GenerateSecret": with_secret})
    username = user_with(pool, "stays", PASSWORD)
    tokens = signed_in(pool, pool.sign_in(username, PASSWORD))
    for _ in range(2):
        renewed = renew(pool, tokens["RefreshToken"])
        assert "RefreshToken" not in renewed
        assert (renewed["TokenType"], renewed["ExpiresIn"]) == ("Bearer", 3600)
        before, after = claims(tokens["AccessToken"]), claims(renewed["AccessToken"])
        assert (after["origin_jti"], after["auth_time"]) == (before["origin_jti"], before["auth_time"])
        assert after["jti"] != before["jti"]
        assert username_of(pool, renewed["AccessToken"]) == username
        assert claims(renewed["IdToken"])["aud"] == pool.client_id
    if with_secret:
        with pytest.raises(pool.api.exceptions.NotAuthorizedException):
            pool.api.get_tokens_from_refresh_token(
                ClientId=pool.client_id, RefreshToken=tokens["RefreshToken"], ClientSecret="x" * 51
            )
        with pytest.raises(pool.api.exceptions.NotAuthorizedException):
            pool.api.get_tokens_from_refresh_token(ClientId=pool.client_id, RefreshToken=tokens["RefreshToken"])
    else:
        with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
            renew(pool, "a.b.c")
        assert message(refused) == "Invalid Refresh Token."


def test_rotation_replaces_the_refresh_token(make_pool):
    pool = make_pool(client={"ExplicitAuthFlows": FLOWS, "RefreshTokenRotation": {"Feature": "ENABLED"}})
    described = pool.api.describe_user_pool_client(UserPoolId=pool.id, ClientId=pool.client_id)["UserPoolClient"]
    assert described["RefreshTokenRotation"]["Feature"] == "ENABLED"
    username = user_with(pool, "rotates", PASSWORD)
    bystander = signed_in(pool, pool.sign_in(username, PASSWORD))
    issued = [signed_in(pool, pool.sign_in(username, PASSWORD))]
    for _ in range(3):
        issued.append(renew(pool, issued[-1]["RefreshToken"]))
    assert len({tokens["RefreshToken"] for tokens in issued}) == 4
    assert len({claims(tokens["AccessToken"])["origin_jti"] for tokens in issued}) == 1
    # The older flow cannot hand the new token over.
    with pytest.raises(pool.api.exceptions.InvalidParameterException):
        pool.api.initiate_auth(
            ClientId=pool.client_id,
            AuthFlow="REFRESH_TOKEN_AUTH",
            AuthParameters={"REFRESH_TOKEN": issued[-1]["RefreshToken"]},
        )
    assert username_of(pool, issued[-1]["AccessToken"]) == username

    # Somebody else has an old one: nobody can go on with this sign-in.
    with pytest.raises(pool.api.exceptions.RefreshTokenReuseException) as refused:
        renew(pool, issued[0]["RefreshToken"])
    assert message(refused)
    with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
        renew(pool, issued[-1]["RefreshToken"])
    assert message(refused) == REVOKED
    refuses_access(pool, issued[-1]["AccessToken"])
    assert renew(pool, bystander["RefreshToken"])["RefreshToken"] != bystander["RefreshToken"]


def test_a_replaced_token_counts_for_the_grace_period(make_pool, moved_clock):
    rotation = {"Feature": "ENABLED", "RetryGracePeriodSeconds": 30}
    pool = make_pool(client={"ExplicitAuthFlows": FLOWS, "RefreshTokenRotation": rotation})
    username = user_with(pool, "grace", PASSWORD)
    first = signed_in(pool, pool.sign_in(username, PASSWORD))
    second = renew(pool, first["RefreshToken"])
    moved_clock(10)
    retried = renew(pool, first["RefreshToken"])
    for tokens in (second, retried):
        assert username_of(pool, tokens["AccessToken"]) == username
    moved_clock(30)
    with pytest.raises(pool.api.exceptions.RefreshTokenReuseException):
        renew(pool, first["RefreshToken"])


def test_rotated_tokens_expire_with_the_first(make_pool, moved_clock):
    pool = make_pool(
        client={
            "ExplicitAuthFlows": FLOWS,
            "RefreshTokenRotation": {"Feature": "ENABLED"},
            "RefreshTokenValidity": 60,
            "TokenValidityUnits": {"RefreshToken": "minutes"},
        }
    )
    username = user_with(pool, "ages", PASSWORD)
    first = signed_in(pool, pool.sign_in(username, PASSWORD))
    moved_clock(3500)
    second = renew(pool, first["RefreshToken"])
    moved_clock(101)
    with pytest.raises(pool.api.exceptions.NotAuthorizedException):
        renew(pool, second["RefreshToken"])


def track(pool: Pool, tracking: str = "ENABLED", most: int = 20) -> dict:
    """SetUserPoolSessionConfiguration."""
    answer = pool.api.set_user_pool_session_configuration(
        UserPoolId=pool.id, UserSessionTracking=tracking, TokenSession={"MaxPerUser": most}
    )
    answer.pop("ResponseMetadata")
    return answer


def sessions(pool: Pool, access_token: str) -> dict[str, dict]:
    """ListUserSessions, by session id."""
    return {found["SessionId"]: found for found in pool.api.list_user_sessions(AccessToken=access_token)["Sessions"]}


def current(pool: Pool, access_token: str) -> str:
    """The id of the token's own session."""
    own = [name for name, found in sessions(pool, access_token).items() if found["IsCurrentSession"]]
    assert len(own) == 1
    return own[0]


def test_configuration_of_tracking(make_pool):
    pool = make_pool()

    def configuration() -> tuple[str, int]:
        found = pool.api.get_user_pool_session_configuration(UserPoolId=pool.id)
        return found["UserSessionTracking"], found["TokenSession"]["MaxPerUser"]

    assert configuration() == ("DISABLED", 20)
    username = user_with(pool, "untracked", PASSWORD)
    token = pool.tokens(username, PASSWORD)["AccessToken"]
    with pytest.raises(pool.api.exceptions.OperationNotEnabledException):
        pool.api.list_user_sessions(AccessToken=token)
    track(pool, most=7)
    assert configuration() == ("ENABLED", 7)
    assert sessions(pool, token) == {}, "what happened before tracking was on is not known"
    client = {"UserPoolId": pool.id, "ClientId": pool.client_id}
    found = pool.api.get_user_pool_client_session_configuration(**client)
    assert found["SSOSession"] == {"MaxValidityMinutes": 60}
    pool.api.set_user_pool_client_session_configuration(**client, SSOSession={"MaxValidityMinutes": 0})
    found = pool.api.get_user_pool_client_session_configuration(**client)
    assert found["SSOSession"] == {"MaxValidityMinutes": 0}
    with pytest.raises(pool.api.exceptions.InvalidParameterException):
        track(pool, most=101)


def test_sessions_are_listed_and_revoked(make_pool):
    pool = make_pool()
    track(pool)
    username = user_with(pool, "tracked", PASSWORD)
    phone, laptop = pool.tokens(username, PASSWORD), pool.tokens(username, PASSWORD)
    listed = sessions(pool, phone["AccessToken"])
    assert len(listed) == 2
    for name, found in listed.items():
        assert re.fullmatch(r"tkn[a-z0-9]{25}", name)
        assert (found["SessionType"], found["ClientId"]) == ("TOKEN", pool.client_id)
        assert found["CreateDate"] <= found["LastActiveDate"]
        assert found["DeviceType"]
        assert found["LastIPAddress"] == "127.0.0.1"
    own, others = current(pool, phone["AccessToken"]), current(pool, laptop["AccessToken"])
    assert {own, others} == set(listed)
    by_administrator = pool.api.admin_list_user_sessions(UserPoolId=pool.id, Username=username)["Sessions"]
    assert {found["SessionId"]: found["IsCurrentSession"] for found in by_administrator} == {own: False, others: False}

    # A refresh is no new session.
    refreshed = renew(pool, phone["RefreshToken"])
    assert current(pool, refreshed["AccessToken"]) == own
    assert len(sessions(pool, refreshed["AccessToken"])) == 2

    with pytest.raises(pool.api.exceptions.InvalidParameterException):
        pool.api.revoke_user_session(AccessToken=phone["AccessToken"], SessionId=own)
    pool.api.revoke_user_session(AccessToken=phone["AccessToken"], SessionId=others)
    refuses_access(pool, laptop["AccessToken"])
    with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
        renew(pool, laptop["RefreshToken"])
    assert message(refused) == REVOKED
    assert set(sessions(pool, phone["AccessToken"])) == {own}
    with pytest.raises(pool.api.exceptions.ResourceNotFoundException):
        pool.api.revoke_user_session(AccessToken=phone["AccessToken"], SessionId=others)

    somebody = user_with(pool, "somebody", PASSWORD)
    with pytest.raises(pool.api.exceptions.ResourceNotFoundException):
        pool.api.admin_revoke_user_session(UserPoolId=pool.id, Username=somebody, SessionId=own)
    assert username_of(pool, phone["AccessToken"]) == username
    pool.api.admin_revoke_user_session(UserPoolId=pool.id, Username=username, SessionId=own)
    for token in (phone["AccessToken"], refreshed["AccessToken"]):
        refuses_access(pool, token)
    assert pool.api.admin_list_user_sessions(UserPoolId=pool.id, Username=username)["Sessions"] == []


def test_the_least_recently_used_session_makes_room(make_pool, moved_clock):
    pool = make_pool()
    track(pool, most=2)
    username = user_with(pool, "many", PASSWORD)
    first = pool.tokens(username, PASSWORD)
    moved_clock(10)
    second = pool.tokens(username, PASSWORD)
    moved_clock(10)
    renew(pool, first["RefreshToken"])
    moved_clock(10)
    third = pool.tokens(username, PASSWORD)
    refuses_access(pool, second["AccessToken"])
    with pytest.raises(pool.api.exceptions.NotAuthorizedException):
        renew(pool, second["RefreshToken"])
    for tokens in (first, third):
        assert username_of(pool, tokens["AccessToken"]) == username
    assert len(sessions(pool, third["AccessToken"])) == 2


def test_signing_out_ends_sessions(make_pool):
    pool = make_pool()
    track(pool)
    username = user_with(pool, "leaves", PASSWORD)
    tokens, rest = pool.tokens(username, PASSWORD), pool.tokens(username, PASSWORD)
    pool.api.revoke_token(ClientId=pool.client_id, Token=tokens["RefreshToken"])
    refuses_access(pool, tokens["AccessToken"])
    assert set(sessions(pool, rest["AccessToken"])) == {current(pool, rest["AccessToken"])}
    pool.api.global_sign_out(AccessToken=rest["AccessToken"])
    assert pool.api.admin_list_user_sessions(UserPoolId=pool.id, Username=username)["Sessions"] == []
    assert begin(pool, "USER_PASSWORD_AUTH", username, PASSWORD=PASSWORD)["AuthenticationResult"]
