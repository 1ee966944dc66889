"""What the sign-in tests share: answers to challenges, pools that ask for second factors, an authenticator app."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac

import pytest
from botocore.exceptions import ClientError
from conftest import SMS_CONFIGURATION, Pool, fresh_name, secret_hash
from support import Controls

STEP_SECONDS = 30
PHONE = "+12065550100"
WRONG_CODE = "Invalid code or auth state for the user."
WRONG_TOKEN_CODE = "Invalid code received for user"
USED_TOKEN_CODE = "Your software token has already been used once."
USED_SESSION = "Invalid session for the user, session can only be used once."
# Mail as a second factor asks for a sender of the pool's own, and for another way to recover passwords.
EVERY_CHANNEL = {
    "SmsConfiguration": SMS_CONFIGURATION,
    "EmailConfiguration": {
        "EmailSendingAccount": "DEVELOPER",
        "SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/example.com",
    },
    "AccountRecoverySetting": {"RecoveryMechanisms": [{"Priority": 1, "Name": "admin_only"}]},
}


class Authenticator:
    """An authenticator app (RFC 6238: HMAC-SHA1, six digits, steps of 30 s), showing codes of the server's time."""

    def __init__(self, secret_code: str, controls: Controls) -> None:
        self.key = base64.b32decode(secret_code + "=" * (-len(secret_code) % 8))
        self.controls = controls

    def code(self) -> str:
        """The code that is shown now."""
        return self._at(self._step())

    def wrong_code(self) -> str:
        """Six digits that no step near the present one has."""
        step = self._step()
        near = {self._at(step + offset) for offset in range(-3, 4)}
        return next(code for code in (f"{number:06d}" for number in range(8)) if code not in near)

    def _step(self) -> int:
        now = datetime.datetime.fromisoformat(self.controls.clock()["now"])
        return int(now.timestamp()) // STEP_SECONDS

    def _at(self, step: int) -> str:
        mac = hmac.new(self.key, step.to_bytes(8, "big"), hashlib.sha1).digest()
        start = mac[-1] & 0xF
        return f"{(int.from_bytes(mac[start : start + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}"


def other(code: str) -> str:
    """Another code of the same length."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}d}"


def message(refused: pytest.ExceptionInfo[ClientError]) -> str:
    """The text of an error."""
    return refused.value.response["Error"]["Message"]


def with_mfa(pool: Pool, configuration: str, **factors: dict) -> Pool:
    """Has the pool ask for second factors; only software tokens unless others are named."""
    chosen = factors or {"SoftwareTokenMfaConfiguration": {"Enabled": True}}
    pool.api.set_user_pool_mfa_config(UserPoolId=pool.id, MfaConfiguration=configuration, **chosen)
    return pool


def user_with(pool: Pool, prefix: str, password: str, **attributes: str) -> str:
    """A user who was created by an administrator and has this password for good."""
    username = fresh_name(prefix)
    pool.api.admin_create_user(
        UserPoolId=pool.id,
        Username=username,
        MessageAction="SUPPRESS",
        UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()],
    )
    pool.api.admin_set_user_password(UserPoolId=pool.id, Username=username, Password=password, Permanent=True)
    return username


def respond(pool: Pool, username: str, challenge: dict, **responses: str) -> dict:
    """Answers a challenge."""
    return pool.api.respond_to_auth_challenge(
        ClientId=pool.client_id,
        ChallengeName=challenge["ChallengeName"],
        Session=challenge["Session"],
        ChallengeResponses={"USERNAME": username, **hash_of(pool, username), **responses},
    )


def begin(pool: Pool, flow: str, username: str, **parameters: str) -> dict:
    """InitiateAuth."""
    return pool.api.initiate_auth(
        ClientId=pool.client_id,
        AuthFlow=flow,
        AuthParameters={"USERNAME": username, **hash_of(pool, username), **parameters},
    )


def hash_of(pool: Pool, username: str) -> dict[str, str]:
    """SECRET_HASH, for clients that have a secret."""
    return {"SECRET_HASH": secret_hash(username, pool.client_id, pool.secret)} if pool.secret else {}


def signed_in(pool: Pool, answer: dict) -> dict:
    """The tokens of an answer that ends a sign-in; the access token must be good."""
    assert "ChallengeName" not in answer, answer
    assert answer["ChallengeParameters"] == {}
    tokens = answer["AuthenticationResult"]
    assert tokens["TokenType"] == "Bearer" and tokens["IdToken"] and tokens["RefreshToken"]
    assert pool.api.get_user(AccessToken=tokens["AccessToken"])["Username"]
    return tokens


def set_up_token(pool: Pool, access_token: str, name: str = "phone") -> Authenticator:
    """Gives a user who is signed in a software token; the code of the present step is used up by that."""
    handed_out = pool.api.associate_software_token(AccessToken=access_token)
    assert "Session" not in handed_out
    app = Authenticator(handed_out["SecretCode"], pool.controls)
    verified = pool.api.verify_software_token(AccessToken=access_token, UserCode=app.code(), FriendlyDeviceName=name)
    assert verified["Status"] == "SUCCESS"
    assert "Session" not in verified
    return app
