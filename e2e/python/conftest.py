"""What the Python suites share: clients, pools, users."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from support import REGION, Controls, clean_environment

PASSWORD = "Correct-horse-1"
NEW_PASSWORD = "Battery-staple-2"
FLOWS = [
    "ALLOW_USER_PASSWORD_AUTH",
    "ALLOW_USER_SRP_AUTH",
    "ALLOW_ADMIN_USER_PASSWORD_AUTH",
    "ALLOW_REFRESH_TOKEN_AUTH",
]
SMS_CONFIGURATION = {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms", "ExternalId": "poolkeeper"}
_names = itertools.count(1)


def api_client(
    endpoint: str,
    access_key: str = "AKIDEXAMPLE",
    secret: str = "secret",
    region: str = REGION,
    **config: object,
):
    """A boto3 client; failures are not retried, so that a test sees the first answer."""
    settings = {"retries": {"total_max_attempts": 1}, "max_pool_connections": 32, "read_timeout": 30, "proxies": {}}
    return boto3.client(
        "cognito-idp",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        config=Config(**{**settings, **config}),
    )


def fresh_name(prefix: str = "user") -> str:
    """A user name no other test uses."""
    return f"{prefix}-{next(_names)}-{secrets.token_hex(3)}"


def secret_hash(username: str, client_id: str, secret: str) -> str:
    """The SecretHash of an app client that has a secret."""
    mac = hmac.new(secret.encode(), (username + client_id).encode(), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


def attributes(listed: list[dict]) -> dict[str, str]:
    """`[{Name, Value}]` as a dictionary."""
    return {item["Name"]: item["Value"] for item in listed}


@dataclass
class Pool:
    """A pool with an app client, and the steps that most tests begin with."""

    api: object
    controls: Controls
    id: str
    client_id: str
    secret: str | None = None

    def hashed(self, username: str) -> dict[str, str]:
        """The SecretHash member, for clients that have a secret."""
        return {"SecretHash": secret_hash(username, self.client_id, self.secret)} if self.secret else {}

    def sign_up(self, username: str, password: str = PASSWORD, email: str | None = None) -> dict:
        """SignUp with an email address."""
        return self.api.sign_up(
            ClientId=self.client_id,
            Username=username,
            Password=password,
            UserAttributes=[{"Name": "email", "Value": email or f"{username}@example.com"}],
            **self.hashed(username),
        )

    def confirmed_user(self, prefix: str = "user", password: str = PASSWORD) -> str:
        """Signs a user up and confirms it with the code from the inbox."""
        username = fresh_name(prefix)
        self.sign_up(username, password)
        code = self.controls.next_code(self.id, username, "SignUp")
        self.api.confirm_sign_up(
            ClientId=self.client_id, Username=username, ConfirmationCode=code, **self.hashed(username)
        )
        return username

    def forgot(self, username: str) -> str:
        """ForgotPassword; returns the code that was sent."""
        self.api.forgot_password(ClientId=self.client_id, Username=username, **self.hashed(username))
        return self.controls.next_code(self.id, username, "ForgotPassword")

    def reset(self, username: str, code: str, password: str = NEW_PASSWORD) -> dict:
        """ConfirmForgotPassword."""
        return self.api.confirm_forgot_password(
            ClientId=self.client_id,
            Username=username,
            ConfirmationCode=code,
            Password=password,
            **self.hashed(username),
        )

    def sign_in(self, username: str, password: str) -> dict:
        """USER_PASSWORD_AUTH; the whole answer."""
        parameters = {"USERNAME": username, "PASSWORD": password}
        if self.secret:
            parameters["SECRET_HASH"] = secret_hash(username, self.client_id, self.secret)
        return self.api.initiate_auth(
            ClientId=self.client_id, AuthFlow="USER_PASSWORD_AUTH", AuthParameters=parameters
        )

    def tokens(self, username: str, password: str) -> dict:
        """Tokens of a sign-in that needs no further challenge."""
        return self.sign_in(username, password)["AuthenticationResult"]

    def issuer(self) -> str:
        """The issuer that tokens of this pool name."""
        return f"{self.api.meta.endpoint_url}/{self.id}"


def create_pool(api, controls: Controls, *, client: dict | None = None, **settings: object) -> Pool:
    """A pool that verifies email addresses, with one app client."""
    pool_id = api.create_user_pool(
        **{"PoolName": fresh_name("pool"), "AutoVerifiedAttributes": ["email"], **settings}
    )["UserPool"]["Id"]
    made = api.create_user_pool_client(
        **{"UserPoolId": pool_id, "ClientName": "app", "ExplicitAuthFlows": FLOWS, **(client or {})}
    )["UserPoolClient"]
    return Pool(api, controls, pool_id, made["ClientId"], made.get("ClientSecret"))


@pytest.fixture(scope="session")
def endpoint() -> str:
    """The running server that run.py started for this suite."""
    return os.environ["POOLKEEPER_ENDPOINT"]


@pytest.fixture(scope="session")
def binary() -> str:
    """The binary under test, for suites that start their own servers."""
    return os.environ["POOLKEEPER_BINARY"]


@pytest.fixture(scope="session")
def api(endpoint: str):
    """A client with credentials that no one checks in dev."""
    return api_client(endpoint)


@pytest.fixture(scope="session")
def controls(endpoint: str) -> Controls:
    """The test controls of the running server."""
    return Controls(endpoint)


@pytest.fixture
def make_pool(api, controls: Controls) -> Callable[..., Pool]:
    """Makes pools with settings of the test's own."""
    return lambda **settings: create_pool(api, controls, **settings)


@pytest.fixture(scope="module")
def pool(api, controls: Controls) -> Pool:
    """One pool for the tests of a file; they use users of their own."""
    return create_pool(api, controls)


@pytest.fixture
def moved_clock(controls: Controls) -> Iterator[Callable[[int], dict]]:
    """Moves the server's clock forward by seconds; it is put back afterwards."""
    yield lambda seconds: controls.clock({"advance_seconds": seconds})
    controls.clock({"reset": True})


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory that does not exist yet."""
    return tmp_path / "data"


def master_key() -> str:
    """A fresh master key in the form that serve reads: an id, a colon, 32 random bytes in base64."""
    return f"main:{base64.b64encode(secrets.token_bytes(32)).decode()}"


def create_access_key(binary: str, directory: Path, environment: dict[str, str], *options: str) -> tuple[str, str]:
    """Makes an access key for signed requests; returns its id and its secret."""
    ran = subprocess.run(
        [binary, "keys", "create", "--data-dir", str(directory), *options],
        env=clean_environment(environment),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 0, (ran.stdout, ran.stderr)
    made = json.loads(ran.stdout)
    return made["AccessKeyId"], made["SecretAccessKey"]
