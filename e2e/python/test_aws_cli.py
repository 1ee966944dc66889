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


BACK_OFFICE = r"""
set -euo pipefail
cognito() { aws --endpoint-url "$ENDPOINT" --output text cognito-idp "$@"; }

# A pool from a JSON skeleton, as the CLI writes it.
aws --endpoint-url "$ENDPOINT" cognito-idp create-user-pool --generate-cli-skeleton > skeleton.json
python3 - <<'PYTHON'
import json
skeleton = json.load(open("skeleton.json"))
assert {"PoolName", "Schema", "Policies", "AutoVerifiedAttributes"} <= set(skeleton)
pool = {
    "PoolName": "back office",
    "AutoVerifiedAttributes": ["email"],
    "Policies": {"PasswordPolicy": {"MinimumLength": 10, "RequireNumbers": True}},
    "Schema": [{"Name": "department", "AttributeDataType": "String", "Mutable": True}],
    "UserPoolTags": {"team": "office"},
}
json.dump(pool, open("pool.json", "w"))
PYTHON
POOL=$(cognito create-user-pool --cli-input-json file://pool.json --query UserPool.Id)
ARN=$(cognito describe-user-pool --user-pool-id "$POOL" --query UserPool.Arn)

# People from a file.
JOB=$(cognito create-user-import-job --user-pool-id "$POOL" --job-name people \
  --cloud-watch-logs-role-arn arn:aws:iam::123456789012:role/import --query UserImportJob.JobId)
URL=$(cognito describe-user-import-job --user-pool-id "$POOL" --job-id "$JOB" --query UserImportJob.PreSignedUrl)
cognito get-csv-header --user-pool-id "$POOL" --query CSVHeader --output json > header.json
python3 - <<'PYTHON'
import json
header = json.load(open("header.json"))
with open("people.csv", "w") as file:
    print(",".join(header), file=file)
    for number in range(25):
        values = {
            "cognito:username": f"worker{number:02}",
            "name": f"Worker {number:02}",
            "email": f"worker{number:02}@example.com",
            "email_verified": "true",
            "phone_number_verified": "false",
            "cognito:mfa_enabled": "false",
            "custom:department": "sales" if number % 2 else "support",
        }
        print(",".join(values.get(column, "") for column in header), file=file)
PYTHON
curl --silent --show-error --fail --noproxy '*' -T people.csv -H 'x-amz-server-side-encryption: aws:kms' "$URL"
cognito start-user-import-job --user-pool-id "$POOL" --job-id "$JOB" > /dev/null
for _ in $(seq 100); do
  STATUS=$(cognito describe-user-import-job --user-pool-id "$POOL" --job-id "$JOB" --query UserImportJob.Status)
  [ "$STATUS" = Succeeded ] && break
done
echo "import: $STATUS"

# Lists with filters, groups, tags.
echo "prefix: $(cognito list-users --user-pool-id "$POOL" --filter 'username ^= "worker1"' --query 'length(Users)')"
echo "exact: $(cognito list-users --user-pool-id "$POOL" --filter 'email = "worker07@example.com"' \
  --query 'Users[0].Username')"
cognito create-group --user-pool-id "$POOL" --group-name leads --precedence 1 > /dev/null
for NUMBER in 01 02 03; do
  cognito admin-add-user-to-group --user-pool-id "$POOL" --group-name leads --username "worker$NUMBER"
done
echo "leads: $(cognito list-users-in-group --user-pool-id "$POOL" --group-name leads --query 'length(Users)')"
cognito tag-resource --resource-arn "$ARN" --tags stage=test
echo "tags: $(cognito list-tags-for-resource --resource-arn "$ARN" --query 'Tags.[team,stage]')"
cognito admin-update-user-attributes --user-pool-id "$POOL" --username worker01 \
  --user-attributes Name=custom:department,Value=management

# Cleaning up.
cognito delete-group --user-pool-id "$POOL" --group-name leads
cognito delete-user-pool --user-pool-id "$POOL"
cognito describe-user-pool --user-pool-id "$POOL" 2> gone.txt && exit 1
grep -q ResourceNotFoundException gone.txt && echo "pool: gone"
"""


def test_back_office_script(endpoint, tmp_path):
    environment = clean_environment(
        {
            "HOME": str(tmp_path),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "ENDPOINT": endpoint,
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
        }
    )
    ran = subprocess.run(
        ["bash"],
        input=BACK_OFFICE,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    said = f"exit code {ran.returncode}\n--- stdout\n{ran.stdout}\n--- stderr\n{ran.stderr}"
    assert ran.returncode == 0, said
    assert ran.stdout.splitlines() == [
        "import: Succeeded",
        "prefix: 10",
        "exact: worker07",
        "leads: 3",
        "tags: office\ttest",
        "pool: gone",
    ], said
