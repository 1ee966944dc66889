"""Events compared whole with functions/events/*.json: those of sources that crates/web's own tests do not show whole.

The function is an HTTP endpoint in this process that keeps its events and answers them as they are."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from challenges import STEP_SECONDS, with_mfa
from conftest import FLOWS, NEW_PASSWORD, PASSWORD, SMS_CONFIGURATION, Pool, api_client, create_pool
from handlers import ARN, HANDLERS, sign_up_by_javascript, wait_until
from pycognito import aws_srp
from pycognito.exceptions import SoftwareTokenMFAChallengeException
from support import Controls, Server
from test_pycognito import CHALLENGED, Device, srp, user_with_app, with_code

EVENTS = HANDLERS / "events"
FUNCTION = f"{ARN}records"
KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
PHONE = "+15555550100"
METADATA = {"from": "the client"}
FIRST_FACTORS = {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP", "SMS_OTP"]}}
SENDER = {"LambdaVersion": "V1_0", "LambdaArn": FUNCTION}


class Recorder(BaseHTTPRequestHandler):
    """Keeps events, and answers with them."""

    protocol_version = "HTTP/1.1"
    events: list[dict] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.events.append(json.loads(body))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the test says what went wrong."""


@pytest.fixture(scope="module")
def server(binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose functions are all the recorder."""
    recorder = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=recorder.serve_forever, daemon=True).start()
    folder: Path = tmp_path_factory.mktemp("events")
    config = folder / "poolkeeper.toml"
    url = f"http://127.0.0.1:{recorder.server_port}/2015-03-31/functions/function/invocations"
    config.write_text(f'[[functions]]\narn = "{FUNCTION}"\nurl = "{url}"\nkind = "emulator"\n')
    with Server(binary, folder / "data", config=config) as server:
        yield server
        assert server.stop() == 0
    recorder.shutdown()
    recorder.server_close()


@pytest.fixture
def make_pool(server: Server):
    """Makes pools with settings of the test's own; there are no events from before."""
    Recorder.events.clear()
    api, controls = api_client(server.endpoint), Controls(server.endpoint)
    return lambda **settings: create_pool(api, controls, SmsConfiguration=SMS_CONFIGURATION, **settings)


def assert_told(pool: Pool, source: str) -> None:
    """The only event of this source since the last time is the one in its file, where ids are names in brackets."""

    def told() -> list[dict]:
        return [event for event in Recorder.events if event["triggerSource"] == source]

    wait_until(f"an event of {source}", told)
    (event,) = told()
    Recorder.events.clear()
    names = {pool.id: "<pool>", pool.client_id: "<client>"}
    names[event["request"]["userAttributes"]["sub"]] = "<sub>"
    if event["request"].get("code"):
        assert event["request"]["code"].startswith("AYADe")
        names[event["request"]["code"]] = "<code>"
    text = json.dumps(event)
    for value, name in names.items():
        text = text.replace(f'"{value}"', f'"{name}"')
    assert json.loads(text) == json.loads((EVENTS / f"{source}.json").read_text())


def alice(pool: Pool, **given: str) -> None:
    """A confirmed user."""
    listed = {"email": "alice@example.com", "email_verified": "true", **given}
    pool.api.admin_create_user(
        UserPoolId=pool.id,
        Username="alice",
        MessageAction="SUPPRESS",
        UserAttributes=[{"Name": name, "Value": value} for name, value in listed.items()],
    )
    pool.api.admin_set_user_password(UserPoolId=pool.id, Username="alice", Password=PASSWORD, Permanent=True)


def choose(pool: Pool, choice: str) -> None:
    """Begins to sign in, and chooses a code."""
    begun = pool.api.initiate_auth(
        ClientId=pool.client_id,
        AuthFlow="USER_AUTH",
        AuthParameters={"USERNAME": "alice"},
        ClientMetadata={"not": "told"},
    )
    chosen = pool.api.respond_to_auth_challenge(
        ClientId=pool.client_id,
        ChallengeName="SELECT_CHALLENGE",
        Session=begun["Session"],
        ChallengeResponses={"USERNAME": "alice", "ANSWER": choice},
        ClientMetadata=METADATA,
    )
    assert chosen["ChallengeName"] == choice


def test_a_function_is_told_which_sdk_calls(make_pool):
    pool = make_pool(LambdaConfig={"PreSignUp": FUNCTION})
    assert sign_up_by_javascript(pool, "alice") == [{"confirmed": False}]
    (event,) = Recorder.events
    assert event["callerContext"]["clientId"] == pool.client_id
    assert re.fullmatch(r"aws-sdk-js-3\.[0-9]+\.[0-9]+", event["callerContext"]["awsSdkVersion"])


def test_words_for_codes_of_sign_ins(make_pool):
    client = {"ExplicitAuthFlows": ["ALLOW_USER_AUTH"]}
    pool = make_pool(LambdaConfig={"CustomMessage": FUNCTION}, Policies=FIRST_FACTORS, client=client)
    alice(pool)
    choose(pool, "EMAIL_OTP")
    assert_told(pool, "CustomMessage_Authentication")


def test_senders(make_pool):
    pool = make_pool(
        LambdaConfig={"CustomEmailSender": SENDER, "CustomSMSSender": SENDER, "KMSKeyID": KEY},
        Policies=FIRST_FACTORS,
        AutoVerifiedAttributes=["email", "phone_number"],
        client={"ExplicitAuthFlows": ["ALLOW_USER_AUTH", *FLOWS]},
    )
    alice(pool, phone_number=PHONE, phone_number_verified="true")
    choose(pool, "EMAIL_OTP")
    assert_told(pool, "CustomEmailSender_Authentication")
    choose(pool, "SMS_OTP")
    assert_told(pool, "CustomSMSSender_Authentication")

    pool.api.forgot_password(ClientId=pool.client_id, Username="alice", ClientMetadata=METADATA)
    assert_told(pool, "CustomSMSSender_ForgotPassword")

    access_token = pool.tokens("alice", PASSWORD)["AccessToken"]
    pool.api.get_user_attribute_verification_code(
        AccessToken=access_token, AttributeName="email", ClientMetadata=METADATA
    )
    assert_told(pool, "CustomEmailSender_VerifyUserAttribute")
    pool.api.update_user_attributes(
        AccessToken=access_token,
        UserAttributes=[{"Name": "email", "Value": "other@example.com"}],
        ClientMetadata=METADATA,
    )
    assert_told(pool, "CustomEmailSender_UpdateUserAttribute")

    pool.api.sign_up(
        ClientId=pool.client_id,
        Username="bob",
        Password=PASSWORD,
        UserAttributes=[{"Name": "phone_number", "Value": PHONE}],
    )
    wait_until("the code is sent", lambda: Recorder.events)
    Recorder.events.clear()
    pool.api.resend_confirmation_code(ClientId=pool.client_id, Username="bob", ClientMetadata=METADATA)
    assert_told(pool, "CustomSMSSender_ResendCode")


def test_tokens_after_a_refresh_and_after_a_new_password(make_pool):
    functions = {"PreTokenGenerationConfig": {"LambdaVersion": "V2_0", "LambdaArn": FUNCTION}}
    pool = make_pool(LambdaConfig=functions)
    alice(pool)
    refresh_token = pool.tokens("alice", PASSWORD)["RefreshToken"]
    Recorder.events.clear()
    pool.api.initiate_auth(
        ClientId=pool.client_id,
        AuthFlow="REFRESH_TOKEN_AUTH",
        AuthParameters={"REFRESH_TOKEN": refresh_token},
        ClientMetadata=METADATA,
    )
    assert_told(pool, "TokenGeneration_RefreshTokens")

    pool.api.admin_set_user_password(UserPoolId=pool.id, Username="alice", Password=PASSWORD, Permanent=False)
    asked = pool.sign_in("alice", PASSWORD)
    assert Recorder.events == [], "there are no tokens yet"
    pool.api.respond_to_auth_challenge(
        ClientId=pool.client_id,
        ChallengeName="NEW_PASSWORD_REQUIRED",
        Session=asked["Session"],
        ChallengeResponses={"USERNAME": "alice", "NEW_PASSWORD": NEW_PASSWORD},
        ClientMetadata=METADATA,
    )
    assert_told(pool, "TokenGeneration_NewPasswordChallenge")


def test_tokens_after_a_device_has_proved_itself(make_pool, server, monkeypatch):
    post = requests.post
    # pycognito's device operations know the address of the AWS service only.
    monkeypatch.setattr(aws_srp.requests, "post", lambda url, **rest: post(f"{server.endpoint}/", **rest))
    functions = {"PreTokenGeneration": FUNCTION}
    pool = with_mfa(make_pool(LambdaConfig=functions, DeviceConfiguration=CHALLENGED), "OPTIONAL")
    username, app = user_with_app(pool)
    with pytest.raises(SoftwareTokenMFAChallengeException) as asked:
        srp(pool, username).authenticate_user()
    pool.controls.clock({"advance_seconds": STEP_SECONDS})
    device = Device(pool, username, with_code(pool, username, app, asked))
    Recorder.events.clear()
    assert "AccessToken" in device.sign_in()["AuthenticationResult"]
    (event,) = Recorder.events
    event["userName"] = event["userName"].replace(username, "<user>")
    assert_told(pool, "TokenGeneration_AuthenticateDevice")
