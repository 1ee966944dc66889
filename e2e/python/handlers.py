"""What the tests of functions share: where handlers are, how functions are named, waiting."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from conftest import Pool
from support import clean_environment

HANDLERS = Path(__file__).resolve().parent.parent / "functions"
NODE = HANDLERS / "node"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:"
WAIT_SECONDS = 20


def environment() -> dict[str, str]:
    """The environment of a server that finds the installed runtime clients first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def without_ids(text: str) -> str:
    """A text with `<id>` in the place of request ids."""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<id>", text)


def wait_until(what: str, is_so: Callable[[], object]) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"not so after {WAIT_SECONDS} s: {what}"
        time.sleep(0.02)


def sign_up_by_javascript(pool: Pool, *usernames: str) -> list[dict]:
    """What the SDK for JavaScript says when these users sign up."""
    command = ["node", str(NODE / "sign-up.mjs"), pool.api.meta.endpoint_url, pool.client_id, *usernames]
    ran = subprocess.run(
        command, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]
