"""Login pages and OAuth2 endpoints as scripts use them: classic forms, plain HTTP, tokens checked by PyJWT."""

from __future__ import annotations

import base64
import html
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar

import jwt
import pytest
from challenges import user_with
from conftest import PASSWORD, Pool

CALLBACK = "https://app.example/callback"


class Stay(urllib.request.HTTPRedirectHandler):
    """Leaves redirects to the test."""

    def redirect_request(self, *_arguments: object) -> None:
        return None


class Browser:
    """Keeps cookies, and follows nothing."""

    def __init__(self) -> None:
        # Names of this machine have no dots, which cookies of theirs are refused for otherwise.
        self.opener = urllib.request.build_opener(Stay, urllib.request.HTTPCookieProcessor(CookieJar()))

    def send(self, url: str, form: dict | None = None, headers: dict | None = None) -> tuple[int, dict, str]:
        """Status, headers and text."""
        data = None if form is None else urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(url, data=data, headers=headers or {})
        try:
            answer = self.opener.open(request)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return answer.status, answer.headers, answer.read().decode()


def endpoint_of(pool: Pool) -> str:
    """The server."""
    return pool.controls.base.removesuffix("/_poolkeeper")


def site_of(make_pool, **client) -> tuple[Pool, str]:
    """A pool with a domain, and where that is."""
    scopes = {"AllowedOAuthScopes": ["openid", "email"]} if "AllowedOAuthScopes" not in client else {}
    pool = make_pool(
        client={
            "AllowedOAuthFlowsUserPoolClient": True,
            "AllowedOAuthFlows": ["code"],
            "CallbackURLs": [CALLBACK],
            "SupportedIdentityProviders": ["COGNITO"],
            **scopes,
            **client,
        }
    )
    prefix = f"site-{pool.client_id}"
    pool.api.create_user_pool_domain(UserPoolId=pool.id, Domain=prefix)
    return pool, f"{endpoint_of(pool)}/_domain/{prefix}"


def json_of(answer: tuple[int, dict, str]) -> dict:
    status, _, text = answer
    assert status == 200, text
    return json.loads(text)


@pytest.mark.parametrize("with_secret", [False, True], ids=["public client", "client with secret"])
def test_a_scripted_login_gets_a_code_and_tokens(make_pool, with_secret):
    pool, site = site_of(make_pool, GenerateSecret=with_secret)
    username = user_with(pool, "scripted", PASSWORD)
    browser = Browser()
    asked = {"client_id": pool.client_id, "response_type": "code", "redirect_uri": CALLBACK, "state": "a b/ä"}
    status, headers, _ = browser.send(f"{site}/oauth2/authorize?{urllib.parse.urlencode(asked)}")
    assert (status, headers["location"].startswith(f"{site}/login?")) == (302, True)

    status, _, page = browser.send(headers["location"])
    assert status == 200
    form = re.search(r'<form[^>]*name="cognitoSignInForm"[^>]*>', page)[0]
    action = html.unescape(re.search(r'action="([^"]*)"', form)[1])
    csrf = re.search(r'name="_csrf" value="([^"]*)"', page)[1]
    fields = {"_csrf": csrf, "username": username, "password": PASSWORD, "signInSubmitButton": "Sign in"}
    status, headers, page = browser.send(urllib.parse.urljoin(site, action), fields)
    assert status == 302, page
    back = urllib.parse.urlsplit(headers["location"])
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
    prefix = f"machine-{pool.client_id}"
    pool.api.create_user_pool_domain(UserPoolId=pool.id, Domain=prefix)
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
    tokens = json_of(Browser().send(f"{endpoint_of(pool)}/_domain/{prefix}/oauth2/token", form))
    assert set(tokens) == {"access_token", "expires_in", "token_type"}
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert (claims["sub"], claims["scope"], claims["token_use"]) == (made["ClientId"], "shop/read", "access")
    status, _, text = Browser().send(
        f"{endpoint_of(pool)}/_domain/{prefix}/oauth2/token", {**form, "client_secret": "x" * 51}
    )
    assert (status, json.loads(text)["error"]) == (400, "invalid_client")
