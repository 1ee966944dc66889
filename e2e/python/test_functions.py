"""Triggers that run real handlers: under the official runtime clients, behind URLs, and with everything that can go
wrong with them."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from conftest import Pool, api_client, create_access_key, create_pool, fresh_name, master_key
from handlers import ARN, HANDLERS, environment, wait_until, without_ids
from support import Controls, Server

RUST = HANDLERS.parent / "rust/target/debug/challenges"
SECRET = "what the webhook and the server know"
ANSWER = "größer als 41"
TRIGGERS = ("DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse")
WAYS = ["python", "node", "node-http", "rust", "emulator", "webhook"]


class Urls(BaseHTTPRequestHandler):
    """A Runtime Interface Emulator's URL, and a webhook that lets in nobody else than the server."""

    protocol_version = "HTTP/1.1"
    seen: list[str] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_good = self.path == "/2015-03-31/functions/function/invocations" or self.signed(body)
        self.seen.append(self.path)
        answer = json.dumps(self.handled(json.loads(body)) if is_good else {"errorMessage": "Who are you?"})
        self.send_response(200 if is_good else 403)
        self.send_header("Content-Length", str(len(answer.encode())))
        self.end_headers()
        self.wfile.write(answer.encode())

    def signed(self, body: bytes) -> bool:
        """What docs/functions.md says about checking signatures."""
        timestamp = self.headers["X-Poolkeeper-Timestamp"]
        if abs(time.time() - int(timestamp)) > 300:
            return False
        mac = hmac.new(SECRET.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
        return hmac.compare_digest(self.headers["X-Poolkeeper-Signature"], f"v1={mac.hexdigest()}")

    def handled(self, event: dict) -> dict:
        if event["userName"].startswith("throw"):
            return {"errorMessage": "No, not you", "errorType": "ValueError"}
        session = event["request"].get("session", [])
        answered = bool(session) and session[-1]["challengeResult"]
        event["response"] = {
            "DefineAuthChallenge": {"challengeName": "CUSTOM_CHALLENGE", "issueTokens": answered}
            | {"failAuthentication": not answered and len(session) >= 2},
            "CreateAuthChallenge": {
                "publicChallengeParameters": {"question": "What is the answer?", "language": "url", "secrets": ""},
                "privateChallengeParameters": {"answer": ANSWER},
            },
            "VerifyAuthChallengeResponse": {"answerCorrect": event["request"].get("challengeAnswer") == ANSWER},
        }[event["triggerSource"].removesuffix("_Authentication")]
        return event

    def log_message(self, *_: object) -> None:
        """Nothing: the test says what went wrong."""


def configuration(urls: str, reloaded: Path) -> str:
    """How each function is run."""
    emulator = f"{urls}/2015-03-31/functions/function/invocations"
    return f"""
[[functions]]
arn = "arn:aws:lambda:*:*:function:python"
runtime = "python"
folder = "{HANDLERS}/python"
handler = "main.handler"

[[functions]]
arn = "arn:aws:lambda:*:*:function:faults"
runtime = "python"
folder = "{HANDLERS}/python"
handler = "faults.handler"
concurrency = 1

[[functions]]
arn = "arn:aws:lambda:*:*:function:missing"
runtime = "python"
folder = "{HANDLERS}/python"
handler = "no_such_module.handler"

[[functions]]
arn = "arn:aws:lambda:*:*:function:node"
runtime = "node"
folder = "{HANDLERS}/node"
handler = "index.handler"

[[functions]]
arn = "arn:aws:lambda:*:*:function:node-http"
runtime = "node"
folder = "{HANDLERS}/node"
handler = "index.handler"
environment = {{ AWS_LAMBDA_NODEJS_USE_ALTERNATIVE_CLIENT_1 = "true" }}

[[functions]]
arn = "arn:aws:lambda:*:*:function:rust"
runtime = "binary"
folder = "{RUST.parent}"
handler = "{RUST.name}"
reload = false

[[functions]]
arn = "arn:aws:lambda:*:*:function:reloaded"
command = ["{sys.executable}", "-m", "awslambdaric", "main.handler"]
folder = "{reloaded}"
reload = true

[[functions]]
arn = "arn:aws:lambda:*:*:function:emulator"
url = "{emulator}"
kind = "emulator"

[[functions]]
arn = "arn:aws:lambda:*:*:function:webhook"
url = "{urls}/hook"
kind = "webhook"
secret = "{SECRET}"

[[functions]]
arn = "arn:aws:lambda:*:*:function:impostor"
url = "{urls}/hook"
kind = "webhook"
secret = "what nobody else knows at all"
"""


@pytest.fixture(scope="module")
def urls() -> Iterator[str]:
    """The functions behind URLs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Urls)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def reloaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A function's folder that a test may change."""
    folder = tmp_path_factory.mktemp("reloaded") / "function"
    shutil.copytree(HANDLERS / "python", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def settings(urls: str, reloaded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration file."""
    path = tmp_path_factory.mktemp("functions") / "poolkeeper.toml"
    path.write_text(configuration(urls, reloaded))
    return path


@pytest.fixture(scope="module")
def server(binary: str, settings: Path) -> Iterator[Server]:
    """One server in dev for the whole file; it must stop cleanly, and no function must be left."""
    with Server(binary, settings.parent / "data", config=settings, environment=environment()) as server:
        yield server
        processes = children(server)
        assert processes, "functions are running"
        assert server.stop() == 0
        assert not [process for process in processes if is_running(process)]


@pytest.fixture(scope="module")
def api(server: Server):
    """A client of that server."""
    return api_client(server.endpoint)


@pytest.fixture(scope="module")
def controls(server: Server) -> Controls:
    """The test controls of that server."""
    return Controls(server.endpoint)


def custom_pool(api, controls, function: str) -> Pool:
    """A pool whose challenges come from this function."""
    return create_pool(
        api,
        controls,
        LambdaConfig={trigger: f"{ARN}{function}" for trigger in TRIGGERS},
        client={"ExplicitAuthFlows": ["ALLOW_CUSTOM_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]},
    )


def user_of(pool: Pool, prefix: str = "user") -> str:
    """A confirmed user."""
    username = fresh_name(prefix)
    pool.api.admin_create_user(UserPoolId=pool.id, Username=username, MessageAction="SUPPRESS")
    pool.api.admin_set_user_password(UserPoolId=pool.id, Username=username, Password="Correct-horse-1", Permanent=True)
    return username


def begin(pool: Pool, username: str) -> dict:
    """Asks for the first challenge."""
    return pool.api.initiate_auth(ClientId=pool.client_id, AuthFlow="CUSTOM_AUTH", AuthParameters={"USERNAME": username})


def answer(pool: Pool, username: str, challenge: dict, text: str) -> dict:
    """Answers a challenge."""
    return pool.api.respond_to_auth_challenge(
        ClientId=pool.client_id,
        ChallengeName="CUSTOM_CHALLENGE",
        Session=challenge["Session"],
        ChallengeResponses={"USERNAME": username, "ANSWER": text},
    )


def refused(pool: Pool, username: str) -> tuple[str, str]:
    """Name and text of the error that meets who begins to sign in."""
    with pytest.raises(ClientError) as error:
        begin(pool, username)
    said = error.value.response["Error"]
    return said["Code"], without_ids(said["Message"])


def children(server: Server) -> list[int]:
    """The processes right below the server."""
    assert server.process is not None
    return below(server.process.pid)


def below(process: int) -> list[int]:
    """The processes right below another."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def is_running(process: int) -> bool:
    """Whether it is there and has not ended."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


@pytest.mark.parametrize("way", WAYS)
def test_a_sign_in_by_custom_challenges(api, controls, way):
    pool = custom_pool(api, controls, way)
    username = user_of(pool)
    first = begin(pool, username)
    assert first["ChallengeName"] == "CUSTOM_CHALLENGE"
    language = {"emulator": "url", "webhook": "url", "node-http": "node"}.get(way, way)
    assert first["ChallengeParameters"] == {
        "USERNAME": username,
        "question": "What is the answer?",
        "language": language,
        "secrets": "",
    }
    second = answer(pool, username, first, "wrong")
    assert second["ChallengeName"] == "CUSTOM_CHALLENGE"
    tokens = answer(pool, username, second, ANSWER)["AuthenticationResult"]
    user = pool.api.get_user(AccessToken=tokens["AccessToken"])
    assert user["Username"] == username
    if way == "python":
        assert {"Name": "nickname", "Value": "answered"} in user["UserAttributes"], "the handler called its pool"
    challenge = begin(pool, username)
    for text in ("wrong", "wrong again"):
        if text == "wrong":
            challenge = answer(pool, username, challenge, text)
        else:
            with pytest.raises(pool.api.exceptions.NotAuthorizedException):
                answer(pool, username, challenge, text)


@pytest.mark.parametrize("way", WAYS[1:])
def test_what_a_handler_throws_is_said(api, controls, way):
    pool = custom_pool(api, controls, way)
    assert refused(pool, user_of(pool, "throw")) == (
        "UserLambdaValidationException",
        "DefineAuthChallenge failed with error No, not you.",
    )


def test_a_webhook_with_another_secret_lets_nobody_in(api, controls):
    pool = custom_pool(api, controls, "impostor")
    assert refused(pool, user_of(pool)) == (
        "UserLambdaValidationException",
        "DefineAuthChallenge failed with error Who are you?.",
    )


def test_functions_that_the_configuration_does_not_name_let_nobody_in(api, controls):
    pool = custom_pool(api, controls, "unknown")
    assert refused(pool, user_of(pool)) == (
        "UnexpectedLambdaException",
        "DefineAuthChallenge invocation failed due to error ResourceNotFoundException.",
    )


def test_a_handler_prints_into_the_log(api, controls, server):
    pool = custom_pool(api, controls, "python")
    begin(pool, user_of(pool))
    wait_until("the log has it", lambda: "remaining: True arn:aws:lambda:" in server.log(100_000))
    line = next(line for line in server.log(100_000).splitlines() if "remaining: True" in line)
    assert re.search(r'function="python" request_id="[0-9a-f-]{36}" invocation="[0-9a-f-]{36}"', line), line


@pytest.mark.parametrize(
    ("fault", "code", "text"),
    [
        ("throw", "UserLambdaValidationException", "DefineAuthChallenge failed with error No, not you."),
        ("long", "UserLambdaValidationException", f"DefineAuthChallenge failed with error {'x' * 100_000}."),
        (
            "crash",
            "UserLambdaValidationException",
            "DefineAuthChallenge failed with error RequestId: <id> Error: Runtime exited with error: exit status 129.",
        ),
        ("nothing", "InvalidLambdaResponseException", "Invalid lambda function output : Invalid JSON"),
        ("garbage", "InvalidLambdaResponseException", "Unrecognizable lambda output"),
        (
            "set",
            "UserLambdaValidationException",
            "DefineAuthChallenge failed with error Unable to marshal response: Object of type set is not JSON serializable.",
        ),
        (
            "hang",
            "UnexpectedLambdaException",
            "DefineAuthChallenge invocation failed due to error Socket timeout while invoking Lambda function.",
        ),
    ],
)
def test_whatever_goes_wrong_fails_the_sign_in_and_nothing_else(api, controls, fault, code, text):
    pool = custom_pool(api, controls, "faults")
    assert refused(pool, user_of(pool, fault)) == (code, text)
    # The one process of this function is there for the next one, or another in its place.
    assert begin(pool, user_of(pool))["ChallengeName"] == "CUSTOM_CHALLENGE"


def test_a_handler_that_cannot_be_loaded_says_so(api, controls):
    pool = custom_pool(api, controls, "missing")
    for _ in range(2):
        assert refused(pool, user_of(pool)) == (
            "UserLambdaValidationException",
            "DefineAuthChallenge failed with error Unable to import module 'no_such_module': "
            "No module named 'no_such_module'.",
        )


def test_a_handler_that_prints_without_end_fills_no_disk(api, controls, server):
    pool = custom_pool(api, controls, "faults")
    assert begin(pool, user_of(pool, "print"))["ChallengeName"] == "CUSTOM_CHALLENGE"
    wait_until("lines were left out", lambda: "lines were left out" in server.log(1_000_000))
    assert server.log_path.stat().st_size < 10_000_000


def test_many_sign_ins_at_the_same_time(api, controls):
    pool = custom_pool(api, controls, "python")
    usernames = [user_of(pool) for _ in range(24)]

    def sign_in(username: str) -> str:
        return answer(pool, username, begin(pool, username), ANSWER)["AuthenticationResult"]["TokenType"]

    with ThreadPoolExecutor(12) as threads:
        assert list(threads.map(sign_in, usernames)) == ["Bearer"] * len(usernames)


def test_a_changed_handler_counts_at_once(api, controls, reloaded):
    pool = custom_pool(api, controls, "reloaded")
    question = begin(pool, user_of(pool))["ChallengeParameters"]["question"]
    assert question == "What is the answer?"
    handler = reloaded / "main.py"
    handler.write_text(handler.read_text().replace(question, "And what was the question?"))
    assert begin(pool, user_of(pool))["ChallengeParameters"]["question"] == "And what was the question?"


def test_nothing_is_left_behind_by_a_server_that_is_killed(binary, settings, tmp_path):
    server = Server(binary, tmp_path / "data", config=settings, environment=environment()).start()
    api, controls = api_client(server.endpoint), Controls(server.endpoint)
    for function in ("python", "node", "rust"):
        pool = custom_pool(api, controls, function)
        assert begin(pool, user_of(pool))["ChallengeName"] == "CUSTOM_CHALLENGE"
    processes = children(server)
    assert len(processes) == 3
    server.kill()
    for process in processes:
        wait_until(f"process {process} has ended", lambda process=process: not is_running(process))


def test_children_of_a_handler_end_with_it(binary, settings, tmp_path):
    with Server(binary, tmp_path / "data", config=settings, environment=environment()) as server:
        pool = custom_pool(api_client(server.endpoint), Controls(server.endpoint), "faults")
        begin(pool, user_of(pool, "fork"))
        (function,) = children(server)
        (grandchild,) = below(function)
        assert server.stop() == 0
        assert not is_running(function)
        # It was killed with the other; its end may take a moment longer.
        wait_until("the grandchild has ended", lambda: not is_running(grandchild))


def test_serve_keeps_functions_ready_and_its_keys_to_itself(binary, settings, tmp_path):
    secrets = {"POOLKEEPER_MASTER_KEY": master_key()}
    access_key, secret = create_access_key(binary, tmp_path / "data", secrets)
    serving = {**environment(), **secrets}
    only = tmp_path / "poolkeeper.toml"
    entry = settings.read_text().partition("\n\n")[0]
    only.write_text(f"{entry}\nwarm = 2\n")
    with Server(binary, tmp_path / "data", mode="serve", config=only, environment=serving) as server:
        wait_until("two are ready", lambda: server.log(100_000).count("a process is ready") == 2)
        for process in children(server):
            variables = Path(f"/proc/{process}/environ").read_bytes()
            assert b"POOLKEEPER" not in variables
            assert secrets["POOLKEEPER_MASTER_KEY"].partition(":")[2].encode() not in variables
        api = api_client(server.endpoint, access_key=access_key, secret=secret)
        pool = custom_pool(api, None, "python")
        assert begin(pool, user_of(pool))["ChallengeParameters"]["secrets"] == ""
        assert server.stop() == 0


def test_a_configuration_that_cannot_work_is_refused(binary, tmp_path):
    config = tmp_path / "poolkeeper.toml"
    config.write_text('[[functions]]\narn = "*"\nruntime = "node"\nhandler = "index.handler"\n')
    ran = subprocess.run(
        [binary, "config", "check", "--config", str(config)], capture_output=True, text=True, timeout=30, check=False
    )
    assert ran.returncode != 0
    assert "npm install aws-lambda-ric" in ran.stderr, ran.stderr
