"""Login pages and OAuth2 endpoints as scripts use them: classic forms, plain HTTP, tokens checked by PyJWT."""

from __future__ import annotations

import base64
import json
import urllib.parse

import jwt
import pytest
from challenges import user_with
from conftest import PASSWORD, Pool
from login_pages import CALLBACK, Browser, endpoint_of, give_domain, json_of, sent_on, sign_in_at


def site_of(make_pool, **client) -> tuple[Pool, str]:
    """A pool with a domain, and where that is."""
    settings = {
        "AllowedOAuthFlowsUserPoolClient": True,
        "AllowedOAuthFlows": ["code"],
        "AllowedOAuthScopes": ["openid", "email"],
        "CallbackURLs": [CALLBACK],
        "SupportedIdentityProviders": ["COGNITO"],
    }
    pool = make_pool(client={**settings, **client})
    return pool, give_domain(pool)


@pytest.mark.parametrize("with_secret", [False, True], ids=["public client", "client with secret"])
def test_a_scripted_login_gets_a_code_and_tokens(make_pool, with_secret):
    pool, site = site_of(make_pool, GenerateSecret=with_secret)
    username = user_with(pool, "scripted", PASSWORD)
    browser = Browser()
    asked = {"client_id": pool.client_id, "response_type": "code", "redirect_uri": CALLBACK, "state": "a b/ä"}
    login = sent_on(browser, f"{site}/oauth2/authorize?{urllib.parse.urlencode(asked)}")
    assert login.startswith(f"{site}/login?")
    location = sign_in_at(browser, login, username, PASSWORD)
    back = urllib.parse.urlsplit(location)
    said = urllib.parse.parse_qs(back.query)
    assert (f"{back.scheme}://{back.netloc}{back.path}", said["state"]) == (CALLBACK, ["a b/ä"])

    exchange = {"grant_type": "authorization_code", "code": said["code"][0], "redirect_uri": CALLBACK}
    if with_secret:
        basic = base64.b64encode(f"{pool.client_id}:{pool.secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}"}
    else:
        exchange["client_id"], headers = pool.client_id, {}
    tokens = json_of(browser.send(f"{site}/oauth2/token", exchange, headers))
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 3600)

    issuer = f"{endpoint_of(pool)}/{pool.id}"
    configuration = json_of(browser.send(f"{issuer}/.well-known/openid-configuration"))
    assert configuration["token_endpoint"] == f"{site}/oauth2/token"
    keys = jwt.PyJWKClient(configuration["jwks_uri"])
    key = keys.get_signing_key_from_jwt(tokens["id_token"]).key
    claims = jwt.decode(tokens["id_token"], key, algorithms=["RS256"], audience=pool.client_id, issuer=issuer)
    assert claims["cognito:username"] == username
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert json_of(browser.send(f"{site}/oauth2/userInfo", None, bearer))["sub"] == claims["sub"]

    status, _, text = browser.send(f"{site}/oauth2/token", exchange, headers)
    assert (status, json.loads(text)["error"]) == (400, "invalid_grant")


def test_a_client_gets_a_token_for_itself(make_pool):
    pool = make_pool()
    pool.api.create_resource_server(
        UserPoolId=pool.id, Identifier="shop", Name="shop", Scopes=[{"ScopeName": "read", "ScopeDescription": "reads"}]
    )
    site = give_domain(pool)
    made = pool.api.create_user_pool_client(
        UserPoolId=pool.id,
        ClientName="machine",
        GenerateSecret=True,
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthFlows=["client_credentials"],
        AllowedOAuthScopes=["shop/read"],
    )["UserPoolClient"]
    form = {
        "grant_type": "client_credentials",
        "client_id": made["ClientId"],
        "client_secret": made["ClientSecret"],
    }
    tokens = json_of(Browser().send(f"{site}/oauth2/token", form))
    assert set(tokens) == {"access_token", "expires_in", "token_type"}
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert (claims["sub"], claims["scope"], claims["token_use"]) == (made["ClientId"], "shop/read", "access")
    status, _, text = Browser().send(
        f"{site}/oauth2/token", {**form, "client_secret": "x" * 51}
    )
    assert (status, json.loads(text)["error"]) == (400, "invalid_client")
