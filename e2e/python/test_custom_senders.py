"""Functions that send messages decrypt their codes with the official AWS Encryption SDKs, for Python and JavaScript.

The function is an HTTP endpoint in this process, so that its events can be looked at here; what is under test is what
they hold, and the server in the place of KMS.
"""

from __future__ import annotations

import base64
import html
import json
import os
import queue
import secrets
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import aws_encryption_sdk
import botocore.session
import pytest
from aws_encryption_sdk import CommitmentPolicy
from aws_encryption_sdk.identifiers import EncryptionKeyType, WrappingAlgorithm
from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
from aws_encryption_sdk.key_providers.base import MasterKeyProviderConfig
from aws_encryption_sdk.key_providers.raw import RawMasterKeyProvider
from botocore.exceptions import ClientError

from conftest import (
    PASSWORD,
    SMS_CONFIGURATION,
    Pool,
    api_client,
    create_access_key,
    create_pool,
    fresh_name,
    master_key,
)
from support import REGION, Controls, Server, clean_environment

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:sender"
KEY_ID = "11111111-2222-3333-4444-555555555555"
KEY_ARN = f"arn:aws:kms:us-east-1:000000000000:key/{KEY_ID}"
SECONDS = 20
DECRYPT = Path(__file__).resolve().parent.parent / "javascript/decrypt.mjs"

Decrypt = Callable[[str], tuple[str, dict[str, str]]]


class Function:
    """A function behind HTTP, as a Runtime Interface Emulator offers it; keeps its events."""

    def __init__(self) -> None:
        self.events: queue.Queue[dict] = queue.Queue()
        events = self.events

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                events.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", "4")
                self.end_headers()
                self.wfile.write(b"null")

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/2015-03-31/functions/function/invocations"

    def next(self, source: str) -> dict:
        """The next event, which must have this source."""
        event = self.events.get(timeout=SECONDS)
        assert event["triggerSource"] == source, event
        return event

    def stop(self) -> None:
        """Closes the port."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def function() -> Iterator[Function]:
    """The function that sends messages."""
    running = Function()
    yield running
    running.stop()


def configuration(directory: Path, function: Function, keys: str = "") -> Path:
    """A configuration file with the function and these keys."""
    path = directory / "poolkeeper.toml"
    path.write_text(f'[[functions]]\narn = "{FUNCTION}"\nurl = "{function.url}"\nkind = "emulator"\n{keys}')
    return path


@pytest.fixture
def start(binary: str, tmp_path: Path, function: Function) -> Iterator[Callable[..., Server]]:
    """Starts servers with the function in their configuration."""
    started = []

    def starting(keys: str = "", **options: object) -> Server:
        server = Server(binary, tmp_path / "data", config=configuration(tmp_path, function, keys), **options).start()
        started.append(server)
        return server

    yield starting
    for server in started:
        assert server.stop() == 0, server.log()


def sender_pool(api, controls: Controls) -> Pool:
    """A pool whose mails and text messages are the function's."""
    sender = {"LambdaVersion": "V1_0", "LambdaArn": FUNCTION}
    functions = {"CustomEmailSender": sender, "CustomSMSSender": sender, "KMSKeyID": KEY_ARN}
    return create_pool(api, controls, LambdaConfig=functions, SmsConfiguration=SMS_CONFIGURATION)


def python_sdk(provider: object) -> Decrypt:
    """The SDK for Python with this key."""
    client = aws_encryption_sdk.EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_ALLOW_DECRYPT)

    def decrypt(code: str) -> tuple[str, dict[str, str]]:
        plaintext, header = client.decrypt(source=base64.b64decode(code, validate=True), key_provider=provider)
        return plaintext.decode(), header.encryption_context

    return decrypt


def javascript_sdk(*arguments: str, environment: dict[str, str] | None = None) -> Decrypt:
    """The SDK for JavaScript with this key."""

    def decrypt(code: str) -> tuple[str, dict[str, str]]:
        node = shutil.which("node")
        assert node is not None
        command = [node, str(DECRYPT), *arguments]
        done = subprocess.run(
            command,
            input=code,
            env=clean_environment(environment),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        return said["plaintext"], said["context"]

    return decrypt


def aws_environment(endpoint: str, access_key: str = "AKIDEXAMPLE", secret: str = "secret") -> dict[str, str]:
    """What a function's environment says of KMS: nothing but this is different from AWS."""
    return {
        "AWS_ENDPOINT_URL_KMS": endpoint,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
    }


def kms_keyrings(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> dict[str, Decrypt]:
    """Both SDKs with their KMS keyrings."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    provider = aws_encryption_sdk.StrictAwsKmsMasterKeyProvider(
        key_ids=[KEY_ARN], botocore_session=botocore.session.Session()
    )
    return {"Python": python_sdk(provider), "JavaScript": javascript_sdk("kms", KEY_ARN, environment=environment)}


class RawKey(RawMasterKeyProvider):
    """A raw AES key."""

    provider_id = "shop"

    def __new__(cls, **_: object) -> RawKey:
        return super().__new__(cls, config=MasterKeyProviderConfig())

    def __init__(self, key: bytes) -> None:
        super().__init__()
        self.key = key

    def _get_raw_key(self, _key_id: bytes) -> WrappingKey:
        return WrappingKey(
            wrapping_algorithm=WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING,
            wrapping_key=self.key,
            wrapping_key_type=EncryptionKeyType.SYMMETRIC,
        )


def decrypted(event: dict, pool: Pool, decrypt: Decrypt) -> str:
    """The code of an event; looks at everything around it."""
    code = event["request"]["code"]
    assert code.startswith("AYADe"), "algorithm 0378"
    plaintext, context = decrypt(code)
    assert set(context) == {"userpool-id", "aws-crypto-public-key"}
    assert context["userpool-id"] == pool.id
    return plaintext


def test_codes_are_decrypted_with_the_kms_keyring(
    start: Callable[..., Server], function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a word in the configuration, dev stands in for KMS."""
    server = start()
    api = api_client(server.endpoint)
    pool = sender_pool(api, Controls(server.endpoint))
    for name, decrypt in kms_keyrings(monkeypatch, aws_environment(server.endpoint)).items():
        username = fresh_name()
        pool.sign_up(username)
        event = function.next("CustomEmailSender_SignUp")
        assert event["request"]["type"] == "customEmailSenderRequestV1"
        assert event["userName"] == username
        assert event["userPoolId"] == pool.id
        assert "response" not in event
        code = decrypted(event, pool, decrypt)
        assert len(code) == 6 and code.isdigit(), name
        api.confirm_sign_up(ClientId=pool.client_id, Username=username, ConfirmationCode=code)
        assert "AccessToken" in pool.tokens(username, PASSWORD)


def test_temporary_passwords_are_escaped(
    start: Callable[..., Server], function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands for itself in HTML is all that a function gets; it unescapes what it has decrypted."""
    server = start()
    api = api_client(server.endpoint)
    pool = sender_pool(api, Controls(server.endpoint))
    password = "A<b>&\"'1-ÄÖ"
    for decrypt in kms_keyrings(monkeypatch, aws_environment(server.endpoint)).values():
        username = fresh_name()
        api.admin_create_user(
            UserPoolId=pool.id,
            Username=username,
            TemporaryPassword=password,
            UserAttributes=[{"Name": "phone_number", "Value": "+15555550100"}],
            DesiredDeliveryMediums=["SMS"],
        )
        event = function.next("CustomSMSSender_AdminCreateUser")
        assert event["request"]["type"] == "customSMSSenderRequestV1"
        text = decrypted(event, pool, decrypt)
        assert "<" not in text and ">" not in text
        assert html.unescape(text) == password
        assert pool.sign_in(username, html.unescape(text))["ChallengeName"] == "NEW_PASSWORD_REQUIRED"


def test_codes_are_decrypted_with_the_raw_key(
    start: Callable[..., Server], function: Function, tmp_path: Path
) -> None:
    """The function has the key, and asks nobody."""
    key = secrets.token_bytes(32)
    (tmp_path / "codes.key").write_text(f"{base64.b64encode(key).decode()}\n")
    raw = 'kind = "raw"\nkey_file = "codes.key"\nnamespace = "shop"\nname = "codes"\n'
    server = start(f'[[kms_keys]]\narn = "arn:aws:kms:*"\n{raw}')
    api = api_client(server.endpoint)
    pool = sender_pool(api, Controls(server.endpoint))
    provider = RawKey(key=key)
    provider.add_master_key(b"codes")
    sdks = [python_sdk(provider), javascript_sdk("raw", "shop", "codes", base64.b64encode(key).decode())]
    for decrypt in sdks:
        username = fresh_name()
        pool.sign_up(username)
        code = decrypted(function.next("CustomEmailSender_SignUp"), pool, decrypt)
        api.confirm_sign_up(ClientId=pool.client_id, Username=username, ConfirmationCode=code)


def test_production_decrypts_for_its_access_keys(
    start: Callable[..., Server], binary: str, function: Function, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Functions sign with an access key of the server that is good for nothing else."""
    environment = {"POOLKEEPER_MASTER_KEY": master_key()}
    data = tmp_path / "data"
    administrator = create_access_key(binary, data, environment)
    access_key, secret = create_access_key(binary, data, environment, "--only", "kms:Decrypt")
    keys = f'[[kms_keys]]\narn = "{KEY_ARN}"\nkind = "local"\n'
    server = start(keys, mode="serve", environment=environment)
    api = api_client(server.endpoint, *administrator)
    pool = sender_pool(api, Controls(server.endpoint))
    pool.sign_up(fresh_name())
    event = function.next("CustomEmailSender_SignUp")
    for decrypt in kms_keyrings(monkeypatch, aws_environment(server.endpoint, access_key, secret)).values():
        assert decrypted(event, pool, decrypt).isdigit()

    def ask(secret: str, context: dict[str, str]) -> str:
        session = botocore.session.Session()
        kms = session.create_client("kms", aws_access_key_id=access_key, aws_secret_access_key=secret)
        with pytest.raises(ClientError) as refused:
            kms.decrypt(CiphertextBlob=b"whatever", EncryptionContext=context)
        return refused.value.response["Error"]["Code"]

    assert ask("wrong", {}) == "InvalidSignatureException"
    assert ask(secret, {"userpool-id": pool.id}) == "InvalidCiphertextException"
    with pytest.raises(ClientError) as refused:
        api_client(server.endpoint, access_key, secret).describe_user_pool(UserPoolId=pool.id)
    error = refused.value.response["Error"]
    assert error["Code"] == "AccessDeniedException"
    action = "is not authorized to perform: cognito-idp:DescribeUserPool on resource: arn:aws:cognito-idp:"
    assert action in error["Message"]
