"""The AWS CLI, with the very lines that the README tells people to run."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from support import clean_environment

REPOSITORY = Path(__file__).resolve().parents[2]
HEADING = "## Recover a password with the AWS CLI"
ADDRESSES = ("http://127.0.0.1:9229", "http://localhost:9229")
MARK = "---- last line ----"


def readme_block() -> str:
    """The first ```sh block under the heading, before the next heading of the same level."""
    readme = (REPOSITORY / "README.md").read_text()
    _, found, rest = readme.partition(f"{HEADING}\n")
    assert found, f"README.md has no heading {HEADING!r}"
    section = re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    block = re.search(r"^```sh\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
    assert block, f"no ```sh block under {HEADING!r}"
    return block.group(1)


def commands(block: str) -> list[str]:
    """The block's commands: lines, joined where a line ends in a backslash or leaves a quote open."""
    found: list[str] = []
    pending = ""
    for line in block.splitlines():
        pending += line
        if pending.strip() and not pending.lstrip().startswith("#"):
            if pending.endswith("\\") or open_quote(pending):
                pending += "\n"
                continue
            found.append(pending)
        pending = ""
    assert not pending, f"unfinished command: {pending}"
    return found


def open_quote(text: str) -> bool:
    """Whether a shell would go on reading because of a quote."""
    quote = ""
    escaped = False
    for character in text:
        if escaped:
            escaped = False
        elif character == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
    return bool(quote)


def access_tokens(text: str) -> list[dict]:
    """Claims of the access tokens in a text."""
    found = []
    for body in re.findall(r"eyJ[\w-]+\.(eyJ[\w-]+)\.[\w-]+", text):
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        if claims.get("token_use") == "access":
            found.append(claims)
    return found


def test_readme_recovers_a_password(endpoint, binary, tmp_path):
    block = readme_block()
    assert any(address in block for address in ADDRESSES), f"the README's lines name none of {ADDRESSES}"
    for address in ADDRESSES:
        block = block.replace(address, endpoint)
    lines = commands(block)
    script = "\n".join([*lines[:-1], f"echo '{MARK}'", lines[-1], ""])
    # Only what the README itself sets up: no credentials, no region, no configuration of whoever runs this.
    tools = [str(Path(sys.executable).parent), str(Path(binary).resolve().parent)]
    environment = clean_environment(
        {
            "HOME": str(tmp_path),
            "PATH": os.pathsep.join([*tools, os.environ["PATH"]]),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
        }
    )
    ran = subprocess.run(
        ["bash", "-e"],
        input=script,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = f"exit code {ran.returncode}\n{script}\n--- stdout\n{ran.stdout}\n--- stderr\n{ran.stderr}"
    assert ran.returncode == 0, said
    last = ran.stdout.rpartition(MARK)[2]
    claims = access_tokens(last)
    assert claims, f"the last line printed no access token\n{said}"
    assert claims[0]["iss"].startswith(f"{endpoint}/"), claims


def test_cli_parses_errors(endpoint, tmp_path):
    ran = subprocess.run(
        [
            str(Path(sys.executable).parent / "aws"),
            *("--endpoint-url", endpoint, "--region", "us-east-1", "--no-sign-request"),
            *("cognito-idp", "forgot-password", "--client-id", "a" * 26, "--username", "someone"),
        ],
        env=clean_environment({"HOME": str(tmp_path), "AWS_PAGER": ""}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # Version 1 of the CLI ends with 255, version 2 with 254.
    assert ran.returncode in (254, 255), (ran.returncode, ran.stderr)
    assert "(ResourceNotFoundException)" in ran.stderr
    assert f"User pool client {'a' * 26} does not exist." in ran.stderr
