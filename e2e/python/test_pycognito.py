"""pycognito: what programs do that sign users in by SRP, with second factors and with devices that are remembered.

Its device operations know the address of the AWS service only, so `to_the_server` gives them another one; everything
else goes over the wire as pycognito has made it.
"""

from __future__ import annotations

import jwt
import pytest
import requests
from challenges import (
    EVERY_CHANNEL,
    PHONE,
    STEP_SECONDS,
    USED_TOKEN_CODE,
    WRONG_TOKEN_CODE,
    Authenticator,
    begin,
    message,
    respond,
    set_up_token,
    user_with,
    with_mfa,
)
from conftest import NEW_PASSWORD, PASSWORD, Pool, attributes, create_pool, fresh_name
from pycognito import Cognito, aws_srp
from pycognito.aws_srp import AWSSRP
from pycognito.exceptions import (
    ForceChangePasswordException,
    SMSMFAChallengeException,
    SoftwareTokenMFAChallengeException,
    TokenVerificationException,
)
from pycognito.utils import RequestsSrpAuth
from support import REGION

NO_DEVICE = "Device does not exist."
INCORRECT = "Incorrect username or password."
CHALLENGED = {"ChallengeRequiredOnNewDevice": True, "DeviceOnlyRememberedOnUserPrompt": False}
PROMPTED = {"ChallengeRequiredOnNewDevice": True, "DeviceOnlyRememberedOnUserPrompt": True}


@pytest.fixture
def to_the_server(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Sends pycognito's device operations to the server under test."""
    post = requests.post

    def send(url: str, **rest: object) -> requests.Response:
        assert url == f"https://cognito-idp.{REGION}.amazonaws.com/"
        return post(f"{endpoint}/", **rest)

    monkeypatch.setattr(aws_srp.requests, "post", send)


def cognito(pool: Pool, username: str | None = None, **tokens: str) -> Cognito:
    """pycognito's user of a pool; nothing but the endpoint is set."""
    return Cognito(
        pool.id,
        pool.client_id,
        username=username,
        client_secret=pool.secret,
        access_key="AKIDEXAMPLE",
        secret_key="secret",
        boto3_client_kwargs={"endpoint_url": pool.api.meta.endpoint_url},
        **tokens,
    )


def damaged(token: str) -> str:
    """The token with another signature."""
    head, body, signature = token.split(".")
    return ".".join([head, body, ("A" if signature[0] != "A" else "B") + signature[1:]])


@pytest.mark.parametrize("with_secret", [False, True], ids=["public client", "client with secret"])
def test_story_of_a_user(make_pool, with_secret):
    pool = make_pool(client={"GenerateSecret": with_secret})
    username = fresh_name("story")
    user = cognito(pool, username)
    user.set_base_attributes(email=f"{username}@example.com", name="Ann Story")
    assert user.register(username, PASSWORD)["UserConfirmed"] is False
    user.confirm_sign_up(pool.controls.next_code(pool.id, username, "SignUp"))
    user.authenticate(PASSWORD)
    assert user.token_type == "Bearer"
    assert user.access_claims["username"] == username
    assert user.id_claims["email"] == f"{username}@example.com"
    found = user.get_user()
    assert (found.name, found.email_verified) == ("Ann Story", True)
    assert found.sub == user.id_claims["sub"]

    before = user.access_token
    assert user.check_token() is False
    user.renew_access_token()
    assert user.access_token != before
    user.update_profile({"name": "Ann Other"})
    assert user.get_user().name == "Ann Other"
    user.change_password(PASSWORD, NEW_PASSWORD)
    with pytest.raises(user.client.exceptions.NotAuthorizedException) as refused:
        cognito(pool, username).authenticate(PASSWORD)
    assert message(refused) == INCORRECT
    user.initiate_forgot_password()
    user.confirm_forgot_password(pool.controls.next_code(pool.id, username, "ForgotPassword"), PASSWORD)
    user.authenticate(PASSWORD)
    token = user.access_token
    user.logout()
    with pytest.raises(user.client.exceptions.NotAuthorizedException) as refused:
        user.client.get_user(AccessToken=token)
    assert message(refused) == "Access Token has been revoked"
    user.admin_authenticate(PASSWORD)
    user.delete_user()
    with pytest.raises(user.client.exceptions.UserNotFoundException):
        cognito(pool, username).authenticate(PASSWORD)


def test_tokens_are_verified_against_the_published_keys(pool, api, controls):
    username = user_with(pool, "verify", PASSWORD)
    user = cognito(pool, username)
    user.authenticate(PASSWORD)
    cognito(pool, id_token=user.id_token, access_token=user.access_token).verify_tokens()
    published = {key["kid"] for key in user.get_keys()["keys"]}
    assert {jwt.get_unverified_header(token)["kid"] for token in (user.access_token, user.id_token)} <= published
    for id_token, access_token in [
        (damaged(user.id_token), user.access_token),
        (user.id_token, damaged(user.access_token)),
        # Each where the other belongs.
        (user.access_token, user.access_token),
        (user.id_token, user.id_token),
    ]:
        with pytest.raises(TokenVerificationException):
            cognito(pool, id_token=id_token, access_token=access_token).verify_tokens()
    # Keys of another pool are other keys.
    elsewhere = cognito(create_pool(api, controls))
    assert not published & {key["kid"] for key in elsewhere.get_keys()["keys"]}


def test_requests_plugin(pool):
    username = user_with(pool, "plugin", PASSWORD)
    user = cognito(pool, username)
    request = requests.Request("GET", "http://127.0.0.1:9/", auth=RequestsSrpAuth(cognito=user, password=PASSWORD))
    assert request.prepare().headers["Authorization"] == f"Bearer {user.access_token}"
    assert user.access_claims["username"] == username


@pytest.mark.parametrize("with_secret", [False, True], ids=["public client", "client with secret"])
def test_temporary_password(make_pool, with_secret):
    pool = make_pool(client={"GenerateSecret": with_secret})
    username = fresh_name("temporary")
    user = cognito(pool, username)
    user.admin_create_user(
        username, temporary_password=PASSWORD, additional_kwargs={"MessageAction": "SUPPRESS"}, name="Tim"
    )
    with pytest.raises(ForceChangePasswordException):
        user.authenticate(PASSWORD)
    # It answers with the leftovers of the SRP proof beside the new password.
    user.new_password_challenge(PASSWORD, NEW_PASSWORD)
    assert user.access_claims["username"] == username
    cognito(pool, username).authenticate(NEW_PASSWORD)


@pytest.mark.parametrize("with_secret", [False, True], ids=["public client", "client with secret"])
def test_software_token(make_pool, moved_clock, with_secret):
    pool = with_mfa(make_pool(client={"GenerateSecret": with_secret}), "OPTIONAL")
    username = user_with(pool, "totp", PASSWORD)
    user = cognito(pool, username)
    user.authenticate(PASSWORD)
    app = Authenticator(user.associate_software_token(), pool.controls)
    with pytest.raises(user.client.exceptions.EnableSoftwareTokenMFAException):
        user.verify_software_token(app.wrong_code())
    used = app.code()
    # Without a name of its own for the device pycognito sends an empty one.
    assert user.verify_software_token(used) is True
    user.set_user_mfa_preference(False, True, "SOFTWARE_TOKEN")
    with pytest.raises(SoftwareTokenMFAChallengeException) as asked:
        user.authenticate(PASSWORD)
    with pytest.raises(user.client.exceptions.ExpiredCodeException) as refused:
        user.respond_to_software_token_mfa_challenge(used)
    assert message(refused) == USED_TOKEN_CODE
    with pytest.raises(user.client.exceptions.CodeMismatchException) as refused:
        user.respond_to_software_token_mfa_challenge(app.wrong_code())
    assert message(refused) == WRONG_TOKEN_CODE
    moved_clock(STEP_SECONDS)
    # Somewhere else than where the password was given.
    second = cognito(pool, username)
    second.respond_to_software_token_mfa_challenge(app.code(), asked.value.get_tokens())
    assert second.access_claims["username"] == username
    user.set_user_mfa_preference(False, False)
    cognito(pool, username).authenticate(PASSWORD)


def test_text_message(make_pool):
    pool = with_mfa(
        make_pool(**EVERY_CHANNEL), "OPTIONAL", SmsMfaConfiguration={"SmsAuthenticationMessage": "{####}"}
    )
    username = user_with(pool, "sms", PASSWORD, phone_number=PHONE)
    user = cognito(pool, username)
    user.authenticate(PASSWORD)
    user.set_user_mfa_preference(True, False, "SMS")
    with pytest.raises(SMSMFAChallengeException):
        user.authenticate(PASSWORD)
    user.respond_to_sms_mfa_challenge(pool.controls.next_code(pool.id, username, "Authentication"))
    assert user.get_user().phone_number_verified is True


class Device:
    """A device that pycognito has confirmed while its user was signing in."""

    def __init__(self, pool: Pool, username: str, answer: dict, name: str = "Test device") -> None:
        self.pool = pool
        self.username = username
        self.answer = answer
        self.tokens = answer["AuthenticationResult"]
        self.key = self.tokens["NewDeviceMetadata"]["DeviceKey"]
        self.group_key = self.tokens["NewDeviceMetadata"]["DeviceGroupKey"]
        self.owner = srp(pool, username)
        confirmed, self.password = self.owner.confirm_device(answer, name)
        assert confirmed.status_code == 200, confirmed.text
        self.needs_confirmation = confirmed.json()["UserConfirmationNecessary"]

    def remember(self, remembered: bool = True) -> None:
        """UpdateDeviceStatus."""
        said = self.owner.update_device_status(remembered, self.tokens["AccessToken"], self.key)
        assert said.startswith("<Response [200]>"), said

    def forget(self) -> None:
        """ForgetDevice."""
        said = self.owner.forget_device(self.tokens["AccessToken"], self.key)
        assert said.startswith("<Response [200]>"), said

    def sign_in(self, password: str = PASSWORD, device_password: str | None = None) -> dict:
        """Signs in by SRP with this device, which proves itself by SRP where it is asked to."""
        return srp(
            self.pool,
            self.username,
            password,
            device_key=self.key,
            device_group_key=self.group_key,
            device_password=device_password or self.password,
        ).authenticate_user()

    def status(self) -> str:
        """Whether it is remembered, as an administrator sees it."""
        found = self.pool.api.admin_get_device(UserPoolId=self.pool.id, Username=self.username, DeviceKey=self.key)
        return attributes(found["Device"]["DeviceAttributes"])["dev:device_remembered_status"]


def srp(pool: Pool, username: str, password: str = PASSWORD, **device: str) -> AWSSRP:
    """A sign-in by SRP."""
    return AWSSRP(username, password, pool.id, pool.client_id, client=pool.api, client_secret=pool.secret, **device)


def user_with_app(pool: Pool) -> tuple[str, Authenticator]:
    """A user who has a software token and is asked for its codes."""
    username = user_with(pool, "device", PASSWORD)
    token = pool.tokens(username, PASSWORD)["AccessToken"]
    app = set_up_token(pool, token)
    cognito(pool, username, access_token=token).set_user_mfa_preference(False, True, "SOFTWARE_TOKEN")
    return username, app


def with_code(pool: Pool, username: str, app: Authenticator, asked: pytest.ExceptionInfo) -> dict:
    """The whole answer to a right code, in the sign-in that pycognito has stopped at."""
    return respond(pool, username, asked.value.get_tokens(), SOFTWARE_TOKEN_MFA_CODE=app.code())


def test_a_remembered_device_stands_for_the_second_factor(make_pool, moved_clock, to_the_server):
    pool = with_mfa(make_pool(DeviceConfiguration=CHALLENGED), "OPTIONAL")
    username, app = user_with_app(pool)
    with pytest.raises(SoftwareTokenMFAChallengeException) as asked:
        srp(pool, username).authenticate_user()
    moved_clock(STEP_SECONDS)
    device = Device(pool, username, with_code(pool, username, app, asked))
    assert device.needs_confirmation is False
    assert device.status() == "remembered"
    # No code this time, however often, and it is the same device.
    for _ in range(2):
        answer = device.sign_in()
        assert "NewDeviceMetadata" not in answer["AuthenticationResult"]
        user = cognito(pool, username)
        claims = user.verify_token(answer["AuthenticationResult"]["AccessToken"], "access_token", "access")
        assert claims["device_key"] == device.key
        assert user.get_user().sub == claims["sub"]
    # The device takes the place of the code, not of the password.
    with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
        device.sign_in(password="Wrong-password-9")
    assert message(refused) == INCORRECT
    with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
        device.sign_in(device_password="c29tZXRoaW5nIGVsc2U=")
    assert message(refused) == INCORRECT
    # Another user's device is none, and without one a code is asked for.
    other, _ = user_with_app(pool)
    with pytest.raises(pool.api.exceptions.ResourceNotFoundException) as refused:
        begin(pool, "USER_PASSWORD_AUTH", other, PASSWORD=PASSWORD, DEVICE_KEY=device.key)
    assert message(refused) == NO_DEVICE
    with pytest.raises(SoftwareTokenMFAChallengeException):
        srp(pool, username).authenticate_user()

    device.remember(False)
    assert device.status() == "not_remembered"
    with pytest.raises(SoftwareTokenMFAChallengeException):
        device.sign_in()
    device.remember()
    assert device.sign_in()["AuthenticationResult"]
    device.forget()
    with pytest.raises(pool.api.exceptions.ResourceNotFoundException) as refused:
        device.sign_in()
    assert message(refused) == NO_DEVICE


def test_a_device_is_remembered_when_its_user_says_so(make_pool, moved_clock, to_the_server):
    pool = with_mfa(make_pool(DeviceConfiguration=PROMPTED), "OPTIONAL")
    username, app = user_with_app(pool)
    with pytest.raises(SoftwareTokenMFAChallengeException) as asked:
        srp(pool, username).authenticate_user()
    moved_clock(STEP_SECONDS)
    device = Device(pool, username, with_code(pool, username, app, asked))
    assert device.needs_confirmation is True
    assert device.status() == "not_remembered"
    with pytest.raises(SoftwareTokenMFAChallengeException):
        device.sign_in()
    device.remember()
    assert device.sign_in()["AuthenticationResult"]


def test_device_proofs_of_any_shape(make_pool, to_the_server):
    """Salts, verifiers and public values begin with zeros or high bits by chance: each device has others."""
    pool = make_pool(DeviceConfiguration=CHALLENGED)
    username = user_with(pool, "shapes", PASSWORD)
    devices = [Device(pool, username, srp(pool, username).authenticate_user()) for _ in range(8)]
    assert len({device.key for device in devices}) == 8
    for device in devices:
        assert device.sign_in()["AuthenticationResult"]["TokenType"] == "Bearer"
    # Not by another one's secret.
    with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
        devices[0].sign_in(device_password=devices[1].password)
    assert message(refused) == INCORRECT


def test_required_second_factor_is_set_up_and_then_left_to_the_device(make_pool, to_the_server):
    pool = with_mfa(make_pool(DeviceConfiguration=CHALLENGED), "ON")
    username = user_with(pool, "required", PASSWORD)
    # pycognito has no answer to MFA_SETUP and hands the challenge on.
    setup = srp(pool, username).authenticate_user()
    assert setup["ChallengeName"] == "MFA_SETUP"
    handed_out = pool.api.associate_software_token(Session=setup["Session"])
    app = Authenticator(handed_out["SecretCode"], pool.controls)
    verified = pool.api.verify_software_token(Session=handed_out["Session"], UserCode=app.code())
    device = Device(pool, username, respond(pool, username, {**setup, "Session": verified["Session"]}))
    assert device.sign_in()["AuthenticationResult"]


def test_refresh_tokens_belong_to_the_device(make_pool, to_the_server):
    pool = make_pool(DeviceConfiguration=CHALLENGED)
    username = user_with(pool, "refresh", PASSWORD)
    device, other = (Device(pool, username, srp(pool, username).authenticate_user()) for _ in range(2))
    mine = {"REFRESH_TOKEN": device.tokens["RefreshToken"]}

    def refresh(**parameters: str) -> dict:
        return pool.api.initiate_auth(
            ClientId=pool.client_id, AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters={**mine, **parameters}
        )["AuthenticationResult"]

    for parameters in ({}, {"DEVICE_KEY": other.key}):
        with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
            refresh(**parameters)
        assert message(refused) == "Invalid Refresh Token."
    renewed = [
        refresh(DEVICE_KEY=device.key),
        pool.api.get_tokens_from_refresh_token(
            ClientId=pool.client_id, RefreshToken=mine["REFRESH_TOKEN"], DeviceKey=device.key
        )["AuthenticationResult"],
    ]
    for tokens in renewed:
        claims = cognito(pool, username).verify_token(tokens["AccessToken"], "access_token", "access")
        assert claims["device_key"] == device.key


def test_device_operations(make_pool, to_the_server):
    pool = make_pool(DeviceConfiguration=CHALLENGED)
    username = user_with(pool, "listed", PASSWORD)
    phone, laptop = (
        Device(pool, username, srp(pool, username).authenticate_user(), name) for name in ("Phone", "Laptop")
    )
    token = phone.tokens["AccessToken"]
    listed = pool.api.list_devices(AccessToken=token)["Devices"]
    names = {found["DeviceKey"]: attributes(found["DeviceAttributes"])["device_name"] for found in listed}
    assert names == {phone.key: "Phone", laptop.key: "Laptop"}
    first = pool.api.list_devices(AccessToken=token, Limit=1)
    rest = pool.api.list_devices(AccessToken=token, Limit=2, PaginationToken=first["PaginationToken"])
    assert len(first["Devices"]) == len(rest["Devices"]) == 1
    assert {found["DeviceKey"] for found in first["Devices"] + rest["Devices"]} == set(names)
    assert "PaginationToken" not in rest
    assert pool.api.get_device(AccessToken=token, DeviceKey=laptop.key)["Device"]["DeviceKey"] == laptop.key
    by_administrator = pool.api.admin_list_devices(UserPoolId=pool.id, Username=username)["Devices"]
    assert {found["DeviceKey"] for found in by_administrator} == {phone.key, laptop.key}
    known = {"UserPoolId": pool.id, "Username": username, "DeviceKey": laptop.key}
    pool.api.admin_update_device_status(**known, DeviceRememberedStatus="not_remembered")
    assert (laptop.status(), phone.status()) == ("not_remembered", "remembered")

    # A device is confirmed once, by the tokens that it was announced with.
    again, _ = srp(pool, username).confirm_device(phone.answer, "Phone")
    assert (again.status_code, again.headers["x-amzn-errortype"]) == (400, "DeviceKeyExistsException:")
    foreign = {"AuthenticationResult": {**laptop.tokens, "AccessToken": token}}
    refused, _ = srp(pool, username).confirm_device(foreign, "Laptop")
    assert (refused.status_code, refused.json()) == (
        400,
        {"__type": "InvalidParameterException", "message": "Invalid device key given."},
    )

    pool.api.admin_forget_device(**known)
    for forgotten in (
        lambda: pool.api.get_device(AccessToken=token, DeviceKey=laptop.key),
        lambda: pool.api.admin_get_device(**known),
        lambda: pool.api.forget_device(AccessToken=token, DeviceKey=laptop.key),
        laptop.sign_in,
    ):
        with pytest.raises(pool.api.exceptions.ResourceNotFoundException) as refused:
            forgotten()
        assert message(refused) == NO_DEVICE
    assert [found["DeviceKey"] for found in pool.api.list_devices(AccessToken=token)["Devices"]] == [phone.key]
    assert phone.sign_in()["AuthenticationResult"]


def test_a_pool_that_tracks_no_devices_announces_none(pool):
    username = user_with(pool, "untracked", PASSWORD)
    tokens = srp(pool, username).authenticate_user()["AuthenticationResult"]
    assert "NewDeviceMetadata" not in tokens
    claims = cognito(pool, username).verify_token(tokens["AccessToken"], "access_token", "access")
    assert "device_key" not in claims
