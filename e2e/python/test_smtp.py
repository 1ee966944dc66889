"""Mail leaves through a real SMTP server, also when that server or Poolkeeper itself dies in between."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import NEW_PASSWORD, PASSWORD, Pool, api_client, create_access_key, create_pool, fresh_name, master_key
from mail import PASSWORD as MAIL_PASSWORD
from mail import USER, Certificates, MailServer, code_in
from support import Controls, Server

SENDER = "no-reply@example.com"
SOON = 15
# A message that failed once waits before it is tried again.
RETRY = 90
# How long a message that must not come is waited for.
SILENCE = 4
# A request must not wait for a mail server.
ANSWER = 5


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """One authority for the file."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


class House:
    """A Poolkeeper that sends through the given mail server, and can be started again on its data."""

    def __init__(self, binary: str, directory: Path, mail: MailServer, mode: str, settings: dict[str, str]) -> None:
        self.data_dir = directory / "data"
        self.mode = mode
        self.config = directory / "poolkeeper.toml"
        self.binary = binary
        values = {
            "host": "127.0.0.1",
            "port": mail.port,
            "encryption": mail.encryption,
            "username": USER,
            "password": MAIL_PASSWORD,
            "ca_file": str(mail.certificates.ca_file),
            **settings,
        }
        # JSON strings and integers are TOML as well.
        smtp = "\n".join(f"{name} = {json.dumps(value)}" for name, value in values.items() if value is not None)
        self.config.write_text(f'[email]\nsender = "smtp"\nfrom = "{SENDER}"\n\n[email.smtp]\n{smtp}\n')
        self.environment = {"POOLKEEPER_MASTER_KEY": master_key()} if mode == "serve" else {}
        self.key = ("AKIDEXAMPLE", "secret")
        if mode == "serve":
            self.key = create_access_key(binary, self.data_dir, self.environment)
        self.server = self._new()
        self.pool: Pool | None = None

    def _new(self) -> Server:
        return Server(self.binary, self.data_dir, mode=self.mode, config=self.config, environment=self.environment)

    def start(self) -> Pool:
        """Starts the server, again if need be; the pool is made the first time."""
        self.server = self._new().start()
        api = api_client(self.server.endpoint, *self.key)
        if self.pool is None:
            self.pool = create_pool(api, Controls(self.server.endpoint))
        else:
            self.pool.api = api
        return self.pool

    def user(self) -> tuple[str, str]:
        """A user who can recover a password by mail, and the address; nothing is sent."""
        assert self.pool is not None
        username = fresh_name("mail")
        email = f"{username}@example.com"
        self.pool.api.admin_create_user(
            UserPoolId=self.pool.id,
            Username=username,
            MessageAction="SUPPRESS",
            UserAttributes=[{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}],
        )
        self.pool.api.admin_set_user_password(
            UserPoolId=self.pool.id, Username=username, Password=PASSWORD, Permanent=True
        )
        return username, email

    def forgot(self, username: str) -> None:
        """ForgotPassword, which must answer at once whatever the mail server does."""
        assert self.pool is not None
        began = time.monotonic()
        answer = self.pool.api.forgot_password(ClientId=self.pool.client_id, Username=username)
        assert time.monotonic() - began < ANSWER
        assert answer["CodeDeliveryDetails"]["DeliveryMedium"] == "EMAIL"


@pytest.fixture
def make_house(binary: str, tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Makes houses, and stops their servers."""
    made: list[House] = []

    def make(mail: MailServer, mode: str = "serve", **settings: str) -> House:
        made.append(House(binary, tmp_path, mail, mode, settings))
        return made[-1]

    yield make
    for house in made:
        house.server.stop()


@pytest.mark.parametrize(("mode", "encryption"), [("serve", "starttls"), ("serve", "tls"), ("dev", "starttls")])
def test_reset_code_arrives_by_mail(make_house, certificates, mode, encryption):
    with MailServer(certificates, encryption) as mail:
        house = make_house(mail, mode)
        pool = house.start()
        username, email = house.user()
        house.forgot(username)
        envelope_sender, message = mail.wait_for(email, SOON)
        assert envelope_sender == SENDER
        assert SENDER in message["From"]
        assert email in message["To"]
        assert message["Subject"] and message["Date"] and message["Message-ID"]
        assert mail.log_ins == [True]
        pool.reset(username, code_in(message))
        assert pool.tokens(username, NEW_PASSWORD)["TokenType"] == "Bearer"
        assert mail.count(email) == 1


def test_password_from_a_file(make_house, certificates, tmp_path):
    secret = tmp_path / "smtp-password"
    secret.write_text(f"{MAIL_PASSWORD}\n")
    with MailServer(certificates) as mail:
        house = make_house(mail, password=None, password_file=str(secret))
        house.start()
        username, email = house.user()
        house.forgot(username)
        mail.wait_for(email, SOON)


def test_message_waits_for_the_mail_server(make_house, certificates):
    mail = MailServer(certificates)
    house = make_house(mail)
    pool = house.start()
    username, email = house.user()
    house.forgot(username)
    time.sleep(1)
    with mail:
        _, message = mail.wait_for(email, RETRY)
        pool.reset(username, code_in(message))
        time.sleep(SILENCE)
        assert mail.count(email) == 1


def test_message_survives_a_crash_and_arrives_once(make_house, certificates):
    mail = MailServer(certificates)
    house = make_house(mail)
    house.start()
    username, email = house.user()
    house.forgot(username)
    house.server.kill()
    with mail:
        pool = house.start()
        _, message = mail.wait_for(email, RETRY)
        time.sleep(SILENCE)
        assert mail.count(email) == 1
        pool.reset(username, code_in(message))
        assert pool.tokens(username, NEW_PASSWORD)["TokenType"] == "Bearer"
        # One more start: what was delivered is not delivered again.
        house.server.stop()
        house.start()
        time.sleep(SILENCE)
        assert mail.count(email) == 1


def test_unknown_authority_is_not_trusted(make_house, certificates):
    with MailServer(certificates) as mail:
        house = make_house(mail, ca_file=None)
        house.start()
        username, email = house.user()
        house.forgot(username)
        time.sleep(SILENCE)
        assert mail.log_ins == [], "the password went to a server that nobody vouches for"
        assert mail.count(email) == 0


def test_refused_log_in_delivers_nothing(make_house, certificates):
    with MailServer(certificates, password="another") as mail:
        house = make_house(mail)
        house.start()
        username, email = house.user()
        house.forgot(username)
        deadline = time.monotonic() + SOON
        while not mail.log_ins and time.monotonic() < deadline:
            time.sleep(0.1)
        assert mail.log_ins, "nobody tried to log in"
        assert not any(mail.log_ins)
        assert mail.count(email) == 0
        assert MAIL_PASSWORD not in house.server.log(100_000), "the mail password stands in the log"
