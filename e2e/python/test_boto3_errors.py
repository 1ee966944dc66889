"""boto3: errors arrive as the modelled exception classes, with the service's texts."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from conftest import NEW_PASSWORD, PASSWORD, api_client, fresh_name
from support import call

ATTEMPTS = "Attempt limit exceeded, please try after some time."
MISMATCH = "Invalid verification code provided, please try again."
EXPIRED = "Invalid code provided, please request a code again."


def wrong(code: str) -> str:
    """Another code of the same form."""
    return f"{(int(code) + 1) % 1_000_000:06d}"


def message(refused: pytest.ExceptionInfo[ClientError]) -> str:
    """The text of an error."""
    return refused.value.response["Error"]["Message"]


def test_wrong_code_then_right_code_then_the_same_again(pool):
    username = pool.confirmed_user("code")
    code = pool.forgot(username)
    with pytest.raises(pool.api.exceptions.CodeMismatchException) as refused:
        pool.reset(username, wrong(code))
    assert message(refused) == MISMATCH
    metadata = refused.value.response["ResponseMetadata"]
    assert metadata["HTTPStatusCode"] == 400
    assert metadata["HTTPHeaders"]["x-amzn-errortype"] == "CodeMismatchException:"
    assert metadata["HTTPHeaders"]["x-amzn-errormessage"] == MISMATCH
    assert metadata["RequestId"]
    pool.reset(username, code)
    with pytest.raises(pool.api.exceptions.ExpiredCodeException) as refused:
        pool.reset(username, code)
    assert message(refused) == EXPIRED


def test_reset_without_a_requested_code(pool):
    username = pool.confirmed_user("never")
    with pytest.raises(pool.api.exceptions.ExpiredCodeException) as refused:
        pool.reset(username, "123456")
    assert message(refused) == EXPIRED


def test_codes_do_not_cross_purposes(pool):
    username = fresh_name("cross")
    pool.sign_up(username)
    code = pool.controls.next_code(pool.id, username, "SignUp")
    with pytest.raises(pool.api.exceptions.ExpiredCodeException):
        pool.reset(username, code)
    pool.api.confirm_sign_up(ClientId=pool.client_id, Username=username, ConfirmationCode=code)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("Sh0rt-a", "Password not long enough"),
        ("lower-case-1", "Password must have uppercase characters"),
        ("UPPER-CASE-1", "Password must have lowercase characters"),
        ("No-numbers-at-all", "Password must have numeric characters"),
        ("NoSymbols123", "Password must have symbol characters"),
    ],
)
def test_password_policy(pool, password, reason):
    username = fresh_name("policy")
    with pytest.raises(pool.api.exceptions.InvalidPasswordException) as refused:
        pool.sign_up(username, password)
    assert message(refused) == f"Password did not conform with policy: {reason}"
    with pytest.raises(pool.api.exceptions.UserNotFoundException):
        pool.api.admin_get_user(UserPoolId=pool.id, Username=username)


def test_policy_miss_at_reset_keeps_the_code(pool):
    username = pool.confirmed_user("weak")
    code = pool.forgot(username)
    with pytest.raises(pool.api.exceptions.InvalidPasswordException) as refused:
        pool.reset(username, code, "short")
    assert message(refused) == "Password does not conform to policy: Password not long enough"
    pool.reset(username, code)
    assert pool.tokens(username, NEW_PASSWORD)["TokenType"] == "Bearer"


def test_unknown_user_is_told_by_a_legacy_client(pool):
    nobody = fresh_name("nobody")
    with pytest.raises(pool.api.exceptions.UserNotFoundException) as refused:
        pool.api.forgot_password(ClientId=pool.client_id, Username=nobody)
    assert message(refused) == "Username/client id combination not found."
    with pytest.raises(pool.api.exceptions.UserNotFoundException):
        pool.reset(nobody, "123456")
    with pytest.raises(pool.api.exceptions.UserNotFoundException) as refused:
        pool.sign_in(nobody, PASSWORD)
    assert message(refused) == "User does not exist."
    with pytest.raises(pool.api.exceptions.UserNotFoundException) as refused:
        pool.api.admin_get_user(UserPoolId=pool.id, Username=nobody)
    assert message(refused) == "User does not exist."


def test_unknown_user_is_hidden_by_a_careful_client(make_pool):
    pool = make_pool(client={"PreventUserExistenceErrors": "ENABLED"})
    nobody = f"{fresh_name('nobody')}@example.com"
    details = pool.api.forgot_password(ClientId=pool.client_id, Username=nobody)["CodeDeliveryDetails"]
    assert (details["AttributeName"], details["DeliveryMedium"]) == ("email", "EMAIL")
    assert "***@" in details["Destination"]
    assert pool.controls.messages(pool.id) == []
    with pytest.raises(pool.api.exceptions.CodeMismatchException) as refused:
        pool.reset(nobody, "123456")
    assert message(refused) == MISMATCH
    with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
        pool.sign_in(nobody, PASSWORD)
    assert message(refused) == "Incorrect username or password."


def test_wrong_codes_run_into_the_limit(make_pool, moved_clock):
    pool = make_pool()
    username = pool.confirmed_user("guess")
    code = pool.forgot(username)
    guesses = 0
    for guesses in range(1, 22):
        with pytest.raises(
            (pool.api.exceptions.CodeMismatchException, pool.api.exceptions.LimitExceededException)
        ) as refused:
            pool.reset(username, wrong(code))
        if refused.value.response["Error"]["Code"] == "LimitExceededException":
            break
    assert 5 <= guesses <= 21, f"limit reached at guess {guesses}"
    assert message(refused) == ATTEMPTS
    with pytest.raises(pool.api.exceptions.LimitExceededException):
        pool.reset(username, code)
    assert pool.tokens(username, PASSWORD)["TokenType"] == "Bearer"
    moved_clock(3700)
    pool.reset(username, pool.forgot(username))
    assert pool.tokens(username, NEW_PASSWORD)["TokenType"] == "Bearer"


def test_requests_for_codes_run_into_the_limit(make_pool):
    pool = make_pool()
    username = pool.confirmed_user("many")
    with pytest.raises(pool.api.exceptions.LimitExceededException) as refused:
        for _ in range(21):
            pool.api.forgot_password(ClientId=pool.client_id, Username=username)
    assert message(refused) == ATTEMPTS
    assert pool.controls.messages(pool.id, username), "the requests before the limit were answered with codes"


def test_taken_user_name(pool):
    username = fresh_name("taken")
    pool.sign_up(username)
    with pytest.raises(pool.api.exceptions.UsernameExistsException) as refused:
        pool.sign_up(username)
    assert message(refused) == "User already exists"
    with pytest.raises(pool.api.exceptions.UsernameExistsException) as refused:
        pool.api.admin_create_user(UserPoolId=pool.id, Username=username)
    assert message(refused) == "User account already exists"


def test_constraint_texts(pool):
    with pytest.raises(pool.api.exceptions.InvalidParameterException) as refused:
        pool.api.admin_get_user(UserPoolId="bad", Username="x")
    assert message(refused) == (
        "1 validation error detected: Value 'bad' at 'userPoolId' failed to satisfy constraint: "
        r"Member must satisfy regular expression pattern: [\w-]+_[0-9a-zA-Z]+"
    )
    with pytest.raises(pool.api.exceptions.InvalidParameterException) as refused:
        pool.reset("someone", "12 34")
    assert message(refused) == (
        "1 validation error detected: Value '12 34' at 'confirmationCode' failed to satisfy constraint: "
        r"Member must satisfy regular expression pattern: [\S]+"
    )
    with pytest.raises(pool.api.exceptions.InvalidParameterException) as refused:
        pool.reset("someone", "123456", "with space 1A-")
    assert message(refused) == (
        "1 validation error detected: Value at 'password' failed to satisfy constraint: "
        r"Member must satisfy regular expression pattern: [\S]+"
    )


def test_missing_members(pool):
    unchecked = api_client(pool.api.meta.endpoint_url, parameter_validation=False)
    with pytest.raises(unchecked.exceptions.InvalidParameterException) as refused:
        unchecked.confirm_forgot_password(ClientId=pool.client_id, Username="someone", Password=PASSWORD)
    assert message(refused) == (
        "1 validation error detected: Value null at 'confirmationCode' failed to satisfy constraint: "
        "Member must not be null"
    )
    with pytest.raises(pool.api.exceptions.InvalidParameterException) as refused:
        pool.api.initiate_auth(
            ClientId=pool.client_id, AuthFlow="USER_PASSWORD_AUTH", AuthParameters={"USERNAME": "someone"}
        )
    assert message(refused) == "Missing required parameter PASSWORD"


def test_unknown_pool_and_client(pool):
    with pytest.raises(pool.api.exceptions.ResourceNotFoundException) as refused:
        pool.api.describe_user_pool(UserPoolId="us-east-1_AbCdEfGh1")
    assert message(refused) == "User pool us-east-1_AbCdEfGh1 does not exist."
    unknown = "a" * 26
    with pytest.raises(pool.api.exceptions.ResourceNotFoundException) as refused:
        pool.api.forgot_password(ClientId=unknown, Username="someone")
    assert message(refused) == f"User pool client {unknown} does not exist."


def test_secret_hash(make_pool):
    pool = make_pool(client={"GenerateSecret": True})
    username = pool.confirmed_user("hash")
    for operation, members in [
        (pool.api.forgot_password, {}),
        (pool.api.confirm_forgot_password, {"ConfirmationCode": "123456", "Password": NEW_PASSWORD}),
        (pool.api.sign_up, {"Password": PASSWORD}),
        (pool.api.confirm_sign_up, {"ConfirmationCode": "123456"}),
        (pool.api.resend_confirmation_code, {}),
    ]:
        request = {"ClientId": pool.client_id, "Username": username, **members}
        with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
            operation(**request)
        assert message(refused) == (
            f"Client {pool.client_id} is configured with secret but SECRET_HASH was not received"
        )
        with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
            operation(**request, **{"SecretHash": pool.hashed(f"{username}x")["SecretHash"]})
        assert message(refused) == f"Unable to verify secret hash for client {pool.client_id}"
    with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
        pool.api.initiate_auth(
            ClientId=pool.client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": username, "PASSWORD": PASSWORD},
        )
    assert message(refused) == f"Client {pool.client_id} is configured with secret but SECRET_HASH was not received"
    assert pool.tokens(username, PASSWORD)["TokenType"] == "Bearer"


def test_flow_that_is_switched_off(make_pool):
    pool = make_pool(client={"ExplicitAuthFlows": ["ALLOW_REFRESH_TOKEN_AUTH"]})
    username = pool.confirmed_user("off")
    with pytest.raises(pool.api.exceptions.InvalidParameterException) as refused:
        pool.sign_in(username, PASSWORD)
    assert message(refused) == "USER_PASSWORD_AUTH flow not enabled for this client"


def test_garbage_tokens(pool):
    with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
        pool.api.get_user(AccessToken="garbage")
    assert message(refused) == "Invalid Access Token"
    with pytest.raises(pool.api.exceptions.NotAuthorizedException, match="Invalid Refresh Token"):
        pool.api.initiate_auth(
            ClientId=pool.client_id,
            AuthFlow="REFRESH_TOKEN_AUTH",
            AuthParameters={"REFRESH_TOKEN": "garbage"},
        )


def test_requests_that_are_no_requests(endpoint):
    status, _, body = call(endpoint, "NoSuchOperation", {})
    assert (status // 100, body["__type"]) == (4, "UnknownOperationException")
    status, headers, body = call(endpoint, "ForgotPassword", b"{not json")
    assert (status, body["__type"]) == (400, "SerializationException")
    assert headers["x-amzn-errortype"] == "SerializationException:"
    status, _, body = call(endpoint, "ForgotPassword", {"ClientId": 1, "Username": True})
    assert (status, body["__type"]) == (400, "SerializationException")
