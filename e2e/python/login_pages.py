"""A browser for login pages, as scripts are one: it keeps cookies and sends forms."""

from __future__ import annotations

import html
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar

from conftest import Pool

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


def json_of(answer: tuple[int, dict, str]) -> dict:
    status, _, text = answer
    assert status == 200, text
    return json.loads(text)


def give_domain(pool: Pool) -> str:
    """Gives the pool a domain, and says where that is."""
    prefix = f"site-{pool.client_id}"
    pool.api.create_user_pool_domain(UserPoolId=pool.id, Domain=prefix)
    return f"{endpoint_of(pool)}/_domain/{prefix}"


def sign_in_at(browser: Browser, login: str, username: str, password: str) -> str:
    """Fills in the login page at this URL; where the browser is sent then."""
    status, _, page = browser.send(login)
    assert status == 200, page
    form = re.search(r'<form[^>]*name="cognitoSignInForm"[^>]*>', page)[0]
    action = html.unescape(re.search(r'action="([^"]*)"', form)[1])
    csrf = re.search(r'name="_csrf" value="([^"]*)"', page)[1]
    fields = {"_csrf": csrf, "username": username, "password": password, "signInSubmitButton": "Sign in"}
    status, headers, page = browser.send(urllib.parse.urljoin(login, action), fields)
    assert status == 302, page
    return headers["location"]


def sent_on(browser: Browser, url: str) -> str:
    """Where a page sends the browser."""
    status, headers, text = browser.send(url)
    assert status == 302, text
    return headers["location"]
