"""serve: nothing starts without a master key, requests are signed, test controls do not exist."""

from __future__ import annotations

import datetime
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import botocore.auth
import pytest
from botocore.exceptions import ClientError
from conftest import api_client, create_access_key, create_pool, fresh_name, master_key
from support import Controls, Server, call, clean_environment, http


@dataclass
class Serving:
    """A running production server and a key that it knows."""

    server: Server
    access_key: str
    secret: str

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return self.server.endpoint

    def client(self, **changes: object):
        """A boto3 client with the right key, or with something else."""
        return api_client(self.endpoint, **{"access_key": self.access_key, "secret": self.secret, **changes})


@pytest.fixture(scope="module")
def serving(binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One server for the whole file."""
    directory = tmp_path_factory.mktemp("serve")
    config = directory / "poolkeeper.toml"
    config.write_text("")
    environment = {"POOLKEEPER_MASTER_KEY": master_key()}
    access_key, secret = create_access_key(binary, directory / "data", environment)
    server = Server(binary, directory / "data", mode="serve", config=config, environment=environment)
    with server:
        yield Serving(server, access_key, secret)


def refusal(client) -> tuple[int, str, str]:
    """Status, code and text of a refused ListUserPools."""
    with pytest.raises(ClientError) as refused:
        client.list_user_pools(MaxResults=1)
    answer = refused.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def test_refuses_to_start_without_a_master_key(binary, data_dir, tmp_path):
    config = tmp_path / "poolkeeper.toml"
    config.write_text("")
    ran = subprocess.run(
        [
            *(binary, "serve", "--listen", "127.0.0.1:0"),
            *("--config", str(config), "--data-dir", str(data_dir)),
        ],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode not in (0, -6, 101), "a refusal, not success and not a panic"
    assert "http://" not in ran.stdout
    assert "POOLKEEPER_MASTER_KEY" in ran.stderr
    assert re.search(r"openssl rand|poolkeeper keys", ran.stderr), f"says how to make a key: {ran.stderr}"


def test_refuses_another_master_key(binary, tmp_path):
    data = tmp_path / "data"
    right = {"POOLKEEPER_MASTER_KEY": master_key()}
    create_access_key(binary, data, right)
    server = Server(binary, data, mode="serve", environment=right)
    with server:
        assert http("GET", f"{server.endpoint}/_poolkeeper/health")[0] == 200
    ran = subprocess.run(
        [binary, "serve", "--listen", "127.0.0.1:0", "--data-dir", str(data)],
        env=clean_environment({"POOLKEEPER_MASTER_KEY": master_key()}),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode not in (0, -6, 101)
    assert "key" in ran.stderr.lower()


def test_refuses_unknown_options(binary, tmp_path):
    config = tmp_path / "poolkeeper.toml"
    config.write_text("no_such_option = true\n")
    ran = subprocess.run(
        [
            *(binary, "serve", "--listen", "127.0.0.1:0"),
            *("--config", str(config), "--data-dir", str(tmp_path / "data")),
        ],
        env=clean_environment({"POOLKEEPER_MASTER_KEY": master_key()}),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode not in (0, -6, 101)
    assert "no_such_option" in ran.stderr


def test_right_key_is_accepted(serving):
    api = serving.client()
    pool = create_pool(api, Controls(serving.endpoint))
    assert api.describe_user_pool(UserPoolId=pool.id)["UserPool"]["Id"] == pool.id
    # Non-ASCII bodies are hashed as bytes.
    name = fresh_name("jürgen-✓")
    created = api.admin_create_user(UserPoolId=pool.id, Username=name, MessageAction="SUPPRESS")
    assert created["User"]["Username"] == name


def test_wrong_secret(serving):
    status, code, text = refusal(serving.client(secret="x" * 40))
    assert (status, code) == (400, "InvalidSignatureException")
    assert text.startswith(
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method."
    )


def test_unknown_key(serving):
    status, code, text = refusal(serving.client(access_key="AKIAAAAAAAAAAAAAAAAA"))
    assert (status, code) == (400, "UnrecognizedClientException")
    assert text == "The security token included in the request is invalid."


def test_unsigned(serving):
    status, headers, body = call(serving.endpoint, "ListUserPools", {"MaxResults": 1})
    assert (status, body["__type"]) == (400, "MissingAuthenticationTokenException")
    assert headers["x-amzn-errortype"] == "MissingAuthenticationTokenException:"


def test_unparseable_authorization(serving):
    status, _, body = call(
        serving.endpoint, "ListUserPools", {"MaxResults": 1}, {"Authorization": "AWS4-HMAC-SHA256 nonsense"}
    )
    assert (status, body["__type"]) == (400, "IncompleteSignatureException")


def recorded_request(serving) -> dict:
    """A correctly signed request that the client made but that was read off the wire."""
    taken: dict = {}

    def keep(request, **_: object) -> None:
        taken.update(body=request.body, headers={k: _text(v) for k, v in request.headers.items()})

    client = serving.client()
    client.meta.events.register("before-send.cognito-idp.ListUserPools", keep)
    client.list_user_pools(MaxResults=1)
    return taken


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def test_signature_covers_the_body(serving):
    taken = recorded_request(serving)
    again, _, _ = http("POST", f"{serving.endpoint}/", taken["body"], taken["headers"])
    assert again == 200, "the recorded request is good as it is"
    changed = taken["body"].replace(b"1", b"2")
    assert changed != taken["body"]
    status, _, body = http("POST", f"{serving.endpoint}/", changed, taken["headers"])
    assert (status, json.loads(body)["__type"]) == (400, "InvalidSignatureException")


def test_signature_covers_the_operation(serving):
    taken = recorded_request(serving)
    target = "AWSCognitoIdentityProviderService.CreateUserPool"
    headers = {k: target if k.lower() == "x-amz-target" else v for k, v in taken["headers"].items()}
    status, _, body = http("POST", f"{serving.endpoint}/", taken["body"], headers)
    assert (status, json.loads(body)["__type"]) == (400, "InvalidSignatureException")


def test_old_signature(serving, monkeypatch):
    past = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) - datetime.timedelta(minutes=20)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: past)
    status, code, text = refusal(serving.client())
    assert (status, code) == (400, "InvalidSignatureException")
    assert "Signature expired" in text


def test_public_operations_ignore_signatures(serving):
    # The client is unknown, so the operation itself was reached.
    body = {"ClientId": "a" * 26, "Username": "someone"}
    status, _, answer = call(serving.endpoint, "ForgotPassword", body)
    assert (status, answer["__type"]) == (400, "ResourceNotFoundException")
    nonsense = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20200101/us-east-1/cognito-idp/aws4_request"}
    status, _, answer = call(serving.endpoint, "ForgotPassword", body, nonsense)
    assert (status, answer["__type"]) == (400, "ResourceNotFoundException")


def test_controls_do_not_exist(serving):
    for method, path in [
        ("GET", "messages"),
        ("DELETE", "messages"),
        ("GET", "clock"),
        ("POST", "clock"),
        ("POST", "reset"),
        ("GET", "inbox"),
    ]:
        body = {"advance_seconds": 10} if method == "POST" else None
        status, _, _ = http(method, f"{serving.endpoint}/_poolkeeper/{path}", body)
        assert status == 404, f"{method} {path}"
    status, _, body = http("GET", f"{serving.endpoint}/_poolkeeper/health")
    assert (status, json.loads(body)["status"]) == (200, "ok")


def test_secrets_are_not_readable_in_the_data_directory(serving):
    files = [path for path in serving.server.data_dir.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert serving.secret.encode() not in path.read_bytes(), f"{path.name} holds an access key secret in clear"


def test_stops_politely(binary, data_dir):
    environment = {"POOLKEEPER_MASTER_KEY": master_key()}
    server = Server(binary, data_dir, mode="serve", environment=environment).start()
    assert server.stop() == 0, server.log()
