"""boto3: passkeys, with a security key in software in place of a browser and what is plugged into it."""

from __future__ import annotations

import copy
import datetime
import json

import pytest
from challenges import USED_SESSION, begin, message, respond, signed_in, user_with
from conftest import FLOWS, PASSWORD, Pool
from security_key import ES256, RS256, USER_PRESENT, SecurityKey, encoded

RELYING_PARTY = "auth.example.com"
ORIGIN = f"https://{RELYING_PARTY}"
INCORRECT = "Incorrect username or password."


@pytest.fixture
def make_passkey_pool(make_pool):
    """Makes pools whose users sign in with passwords and passkeys."""

    def make(**configuration: str) -> Pool:
        pool = make_pool(
            Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "WEB_AUTHN"]}},
            client={"ExplicitAuthFlows": [*FLOWS, "ALLOW_USER_AUTH"]},
        )
        pool.api.set_user_pool_mfa_config(
            UserPoolId=pool.id, WebAuthnConfiguration={"RelyingPartyId": RELYING_PARTY, **configuration}
        )
        return pool

    return make


def user_of(pool: Pool) -> tuple[str, dict[str, str]]:
    """A user who is signed in, and the member that says so."""
    username = user_with(pool, "passkey", PASSWORD)
    return username, {"AccessToken": pool.tokens(username, PASSWORD)["AccessToken"]}


def start(pool: Pool, mine: dict[str, str]) -> dict:
    """What a new registration asks authenticators for."""
    return pool.api.start_web_authn_registration(**mine)["CredentialCreationOptions"]


def register(pool: Pool, mine: dict[str, str], key: SecurityKey) -> None:
    """Registers a key for a user."""
    pool.api.complete_web_authn_registration(**mine, Credential=key.create(start(pool, mine)))


def ask(pool: Pool, username: str) -> tuple[dict, dict]:
    """A sign-in that waits for a passkey, and what it asks authenticators for."""
    asked = begin(pool, "USER_AUTH", username, PREFERRED_CHALLENGE="WEB_AUTHN")
    assert asked["ChallengeName"] == "WEB_AUTHN"
    return asked, json.loads(asked["ChallengeParameters"]["CREDENTIAL_REQUEST_OPTIONS"])


def prove(pool: Pool, username: str, asked: dict, credential: dict) -> dict:
    """Answers with what the key has signed."""
    return respond(pool, username, asked, CREDENTIAL=json.dumps(credential))


@pytest.mark.parametrize("algorithm", [ES256, RS256], ids=["ES256", "RS256"])
def test_a_passkey_signs_in(make_passkey_pool, algorithm):
    pool = make_passkey_pool()
    username, mine = user_of(pool)
    key = SecurityKey(ORIGIN, algorithm)
    options = start(pool, mine)
    assert options["rp"] == {"id": RELYING_PARTY, "name": RELYING_PARTY}
    assert {"type": "public-key", "alg": algorithm} in options["pubKeyCredParams"]
    pool.api.complete_web_authn_registration(**mine, Credential=key.create(options))
    (listed,) = pool.api.list_web_authn_credentials(**mine)["Credentials"]
    created = listed.pop("CreatedAt")
    assert abs((datetime.datetime.now(datetime.UTC) - created).total_seconds()) < 60
    assert listed == {
        "CredentialId": encoded(key.id),
        "FriendlyCredentialName": "Roaming passkey",
        "RelyingPartyId": RELYING_PARTY,
        "AuthenticatorAttachment": "cross-platform",
        "AuthenticatorTransports": ["usb"],
    }
    assert start(pool, mine)["excludeCredentials"] == [{"id": encoded(key.id), "type": "public-key"}]
    factors = pool.api.get_user_auth_factors(**mine)["ConfiguredUserAuthFactors"]
    assert factors == ["PASSWORD", "WEB_AUTHN"]

    asked, request = ask(pool, username)
    proof = key.get(request)
    signed_in(pool, prove(pool, username, asked, proof))
    with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
        prove(pool, username, asked, proof)
    assert message(refused) == USED_SESSION
    choice = begin(pool, "USER_AUTH", username)
    assert choice["AvailableChallenges"] == ["PASSWORD_SRP", "PASSWORD", "WEB_AUTHN"]
    asked = respond(pool, username, choice, ANSWER="WEB_AUTHN")
    request = json.loads(asked["ChallengeParameters"]["CREDENTIAL_REQUEST_OPTIONS"])
    signed_in(pool, prove(pool, username, asked, key.get(request)))

    pool.api.delete_web_authn_credential(**mine, CredentialId=encoded(key.id))
    assert pool.api.list_web_authn_credentials(**mine)["Credentials"] == []
    assert begin(pool, "USER_AUTH", username)["AvailableChallenges"] == ["PASSWORD_SRP", "PASSWORD"]


def test_what_a_registration_refuses(make_passkey_pool):
    pool = make_passkey_pool(UserVerification="required")
    _, mine = user_of(pool)
    exceptions = pool.api.exceptions

    def refused(exception: type[Exception], key: SecurityKey, **changes: object) -> None:
        with pytest.raises(exception):
            pool.api.complete_web_authn_registration(**mine, Credential=key.create({**start(pool, mine), **changes}))

    elsewhere = SecurityKey("https://auth.example.com.evil.example")
    refused(exceptions.WebAuthnOriginNotAllowedException, elsewhere)
    refused(exceptions.WebAuthnRelyingPartyMismatchException, SecurityKey(ORIGIN), rp={"id": "example.com"})
    refused(exceptions.WebAuthnCredentialNotSupportedException, SecurityKey(ORIGIN, flags=USER_PRESENT))
    refused(exceptions.WebAuthnChallengeNotFoundException, SecurityKey(ORIGIN), challenge=encoded(bytes(32)))
    key = SecurityKey(ORIGIN)
    made = key.create(start(pool, mine))
    pool.api.complete_web_authn_registration(**mine, Credential=made)
    with pytest.raises(exceptions.WebAuthnChallengeNotFoundException):
        pool.api.complete_web_authn_registration(**mine, Credential=made)
    with pytest.raises(exceptions.ResourceNotFoundException):
        pool.api.delete_web_authn_credential(**mine, CredentialId=encoded(elsewhere.id))
    assert len(pool.api.list_web_authn_credentials(**mine)["Credentials"]) == 1


def test_a_registration_ends_with_the_client_that_began_it(make_passkey_pool):
    pool = make_passkey_pool()
    username, mine = user_of(pool)
    other = pool.api.create_user_pool_client(UserPoolId=pool.id, ClientName="other", ExplicitAuthFlows=FLOWS)
    other_client = Pool(pool.api, pool.controls, pool.id, other["UserPoolClient"]["ClientId"])
    token = other_client.tokens(username, PASSWORD)["AccessToken"]
    made = SecurityKey(ORIGIN).create(start(pool, mine))
    with pytest.raises(pool.api.exceptions.WebAuthnClientMismatchException):
        pool.api.complete_web_authn_registration(AccessToken=token, Credential=made)


def changed(key: SecurityKey, **members: object) -> SecurityKey:
    """A key like this one but for some members."""
    twin = copy.copy(key)
    for name, value in members.items():
        setattr(twin, name, value)
    return twin


@pytest.mark.parametrize(
    ("wrong", "members"),
    [
        pytest.param(lambda key: SecurityKey(ORIGIN, id=key.id, count=key.count), {}, id="another key by that id"),
        pytest.param(lambda key: SecurityKey(ORIGIN), {}, id="a key that nobody registered"),
        pytest.param(lambda key: changed(key, origin="https://example.com"), {}, id="another page"),
        pytest.param(changed, {"rpId": "example.com"}, id="another relying party"),
        pytest.param(changed, {"challenge": encoded(bytes(32))}, id="another challenge"),
        pytest.param(lambda key: changed(key, flags=USER_PRESENT), {}, id="nobody verified"),
        pytest.param(lambda key: changed(key, flags=0), {}, id="nobody there"),
        pytest.param(lambda key: changed(key, count=0), {}, id="a copy of an earlier state"),
    ],
)
def test_what_a_sign_in_refuses(make_passkey_pool, wrong, members):
    pool = make_passkey_pool(UserVerification="required")
    username, mine = user_of(pool)
    key = SecurityKey(ORIGIN)
    register(pool, mine, key)
    asked, request = ask(pool, username)
    signed_in(pool, prove(pool, username, asked, key.get(request)))
    asked, request = ask(pool, username)
    with pytest.raises(pool.api.exceptions.NotAuthorizedException) as refused:
        prove(pool, username, asked, wrong(key).get({**request, **members}))
    assert message(refused) == INCORRECT
    signed_in(pool, prove(pool, username, asked, key.get(request)))
