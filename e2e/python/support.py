"""Starts and stops the server under test, and speaks to its test controls.

Standard library only: run.py uses it too.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

REGION = "us-east-1"
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
START_SECONDS = 30
STOP_SECONDS = 15
MESSAGE_SECONDS = 15


# Every server this process started; those still running are killed when it ends.
STARTED: list[Server] = []


class ServerFailed(Exception):
    """The server did not start; the text holds its exit code and what it said."""


def clean_environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """The environment without anything that configures AWS clients or the server by accident."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "POOLKEEPER_"))}
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        kept.pop(name, None)
    kept.update(extra or {})
    return kept


class Server:
    """One server process. Its address is known once `start` has returned."""

    def __init__(
        self,
        binary: str,
        data_dir: Path,
        *,
        mode: str = "dev",
        config: Path | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.command = [binary, mode, "--listen", "127.0.0.1:0", "--data-dir", str(data_dir)]
        if config is not None:
            self.command += ["--config", str(config)]
        self.environment = environment or {}
        self.data_dir = data_dir
        self.log_path = Path(f"{data_dir}.log")
        self.process: subprocess.Popen[bytes] | None = None
        self.endpoint = ""

    def start(self) -> Server:
        """Starts the process and waits for the line that names its address."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=clean_environment(self.environment),
            )
        STARTED.append(self)
        process = self.process
        first: list[bytes] = []
        seen = threading.Event()

        def drain() -> None:
            # Reads to the end, so that a talkative server never blocks on a full pipe.
            assert process.stdout is not None
            with self.log_path.open("ab") as log:
                for line in process.stdout:
                    if not first:
                        first.append(line)
                        seen.set()
                    log.write(line)
            seen.set()

        threading.Thread(target=drain, daemon=True).start()
        seen.wait(START_SECONDS)
        line = first[0].decode(errors="replace") if first else ""
        found = ADDRESS.search(line)
        if found is None:
            self.kill()
            raise ServerFailed(f"no address on the first line {line!r} (exit code {process.returncode})\n{self.log()}")
        self.endpoint = found.group(0)
        return self

    def kill(self) -> None:
        """SIGKILL: what a crash looks like from inside."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Asks politely, returns the exit code; a server that does not stop in time is killed and -9 returned."""
        return self._end(signal.SIGTERM)

    def _end(self, with_signal: int) -> int:
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def log(self, characters: int = 4000) -> str:
        """The end of what the server printed."""
        return self.log_path.read_text(errors="replace")[-characters:] if self.log_path.exists() else ""

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def http(method: str, url: str, body: object = None, headers: dict[str, str] | None = None) -> tuple[int, dict, bytes]:
    """One plain HTTP request: status, headers in lower case, body. Error statuses are answers, not exceptions."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    if data is not None and not any(name.lower() == "content-type" for name in headers or {}):
        request.add_header("Content-Type", "application/json")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, {k.lower(): v for k, v in refused.headers.items()}, refused.read()


def call(endpoint: str, operation: str, body: object, headers: dict[str, str] | None = None) -> tuple[int, dict, dict]:
    """One unsigned API call, as a program without an SDK makes it: status, headers, decoded body."""
    status, answer_headers, answer = http(
        "POST",
        f"{endpoint}/",
        body,
        {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"AWSCognitoIdentityProviderService.{operation}",
            **(headers or {}),
        },
    )
    return status, answer_headers, json.loads(answer) if answer else {}


class Controls:
    """The test controls under /_poolkeeper."""

    def __init__(self, endpoint: str) -> None:
        self.base = f"{endpoint}/_poolkeeper"
        self.seen: set[str] = set()
        self.lock = threading.Lock()

    def messages(self, pool_id: str, username: str | None = None, limit: int = 100) -> list[dict]:
        """What was sent, newest first."""
        query = {"user_pool_id": pool_id, "limit": str(limit)}
        if username is not None:
            query["username"] = username
        status, _, body = http("GET", f"{self.base}/messages?{urllib.parse.urlencode(query)}")
        assert status == 200, (status, body)
        return json.loads(body)["messages"]

    def next_message(self, pool_id: str, username: str, purpose: str | None = None) -> dict:
        """Waits for a message to this user that no earlier call has returned; it must be the only new one."""
        deadline = time.monotonic() + MESSAGE_SECONDS
        while True:
            with self.lock:
                new = [m for m in self.messages(pool_id, username) if m["id"] not in self.seen]
                self.seen.update(m["id"] for m in new)
            if new:
                assert len(new) == 1, f"{len(new)} new messages to {username}: {new}"
                assert purpose is None or new[0]["purpose"] == purpose, new[0]
                return new[0]
            assert time.monotonic() < deadline, f"no new message to {username} in {MESSAGE_SECONDS} s"
            time.sleep(0.02)

    def next_code(self, pool_id: str, username: str, purpose: str | None = None) -> str:
        """The code in the next message; six digits for sign-up and reset."""
        code = self.next_message(pool_id, username, purpose)["code"]
        assert re.fullmatch(r"[0-9]{6}", code), code
        return code

    def clock(self, change: dict | None = None) -> dict:
        """Reads the clock, or moves it."""
        status, _, body = http("GET" if change is None else "POST", f"{self.base}/clock", change)
        assert status == 200, (status, body)
        return json.loads(body)


def _kill_all() -> None:
    for server in STARTED:
        server.kill()


atexit.register(_kill_all)
