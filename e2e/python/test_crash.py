"""kill -9 under load: what was acknowledged before the crash holds after it.

POOLKEEPER_CRASH_ROUNDS sets the number of rounds (5), POOLKEEPER_CRASH_SEED the seed, which stands in each test's
name. The seed decides the moment of the kill and what each thread does next; the threads themselves race.
"""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from conftest import Pool, api_client, create_pool
from support import Controls, Server

ROUNDS = int(os.environ.get("POOLKEEPER_CRASH_ROUNDS", "5"))
SEED = int(os.environ.get("POOLKEEPER_CRASH_SEED") or secrets.randbelow(1_000_000))
THREADS = 6
MESSAGE_SECONDS = 15
# Earlier rounds' users that each round looks at again: damage may show late.
LOOK_BACK = 15


class Cut(Exception):
    """The server went away in the middle of a step; the step's outcome is not known."""


@dataclass
class Account:
    """What is known about one user. `settled` steps were acknowledged; `open_step` was on its way at the crash."""

    name: str
    passwords: list[str]
    settled: list[str] = field(default_factory=list)
    open_step: str | None = None
    proposed: str | None = None
    spent_codes: list[str] = field(default_factory=list)
    messages: int = 0

    def step(self, name: str, action: Callable[[], object]) -> None:
        """Runs one request; remembers it as acknowledged, or as open when the connection broke."""
        self.open_step = name
        try:
            action()
        except BotoCoreError as broken:
            raise Cut(name) from broken
        self.open_step = None
        self.settled.append(name)


class Load:
    """Threads that sign users up and recover their passwords until the server dies."""

    def __init__(self, pool: Pool, seed: str, number: int) -> None:
        self.pool = pool
        self.accounts: list[Account] = []
        self.failures: list[str] = []
        self.lock = threading.Lock()
        self.threads = [
            threading.Thread(target=self._run, args=(random.Random(f"{seed}-{n}"), f"r{number}-t{n}"))
            for n in range(THREADS)
        ]

    def start(self) -> None:
        """Starts the threads."""
        for thread in self.threads:
            thread.start()

    def join(self) -> None:
        """Waits until every thread has noticed that the server is gone."""
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), "a client thread hangs after the kill"
        assert not self.failures, self.failures

    def _run(self, chance: random.Random, prefix: str) -> None:
        count = 0
        try:
            while True:
                count += 1
                account = Account(f"{prefix}-{count}", [f"First-{prefix}-{count}-A"])
                with self.lock:
                    self.accounts.append(account)
                self._live(account, chance)
        except Cut:
            return
        except (OSError, HTTPException):
            # The inbox is read with plain HTTP, which breaks in its own way.
            return
        except Exception as wrong:  # noqa: BLE001 - whatever it is must reach the test, not die with the thread
            with self.lock:
                self.failures.append(f"{prefix}-{count}: {wrong!r}")

    def _live(self, account: Account, chance: random.Random) -> None:
        pool = self.pool
        name = account.name
        account.step("sign-up", lambda: pool.sign_up(name, account.passwords[0]))
        account.messages += 1
        if chance.random() < 0.3:
            return
        code = self._code(account)
        account.step(
            "confirm",
            lambda: pool.api.confirm_sign_up(ClientId=pool.client_id, Username=name, ConfirmationCode=code),
        )
        for number in range(chance.randint(0, 2)):
            account.step("forgot", lambda: pool.api.forgot_password(ClientId=pool.client_id, Username=name))
            account.messages += 1
            code = self._code(account)
            account.proposed = f"Next-{name}-{number}-B"
            account.step("reset", lambda code=code: pool.reset(name, code, account.proposed))
            account.spent_codes.append(code)
            account.passwords.append(account.proposed)
            account.proposed = None

    def _code(self, account: Account) -> str:
        deadline = time.monotonic() + MESSAGE_SECONDS
        while True:
            sent = self.pool.controls.messages(self.pool.id, account.name)
            if len(sent) >= account.messages:
                return sent[0]["code"]
            assert time.monotonic() < deadline, f"message {account.messages} to {account.name} never came"
            time.sleep(0.01)


class World:
    """The data directory that survives all rounds, and every account ever made in it."""

    def __init__(self, binary: str, data_dir: Path) -> None:
        self.binary = binary
        self.data_dir = data_dir
        self.accounts: list[Account] = []
        self.pool_id = ""
        self.client_id = ""

    def start(self) -> tuple[Server, Pool]:
        """Starts a server on the directory; the pool is made the first time."""
        server = Server(self.binary, self.data_dir).start()
        api = api_client(server.endpoint, connect_timeout=10, read_timeout=20)
        controls = Controls(server.endpoint)
        if not self.pool_id:
            made = create_pool(api, controls)
            self.pool_id, self.client_id = made.id, made.client_id
        return server, Pool(api, controls, self.pool_id, self.client_id)


@pytest.fixture(scope="module")
def world(binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all rounds."""
    yield World(binary, tmp_path_factory.mktemp("crash") / "data")


def refused_as(action: Callable[[], object]) -> str:
    """The error code of a call, or an empty text when it succeeded."""
    try:
        action()
    except ClientError as refused:
        return refused.response["Error"]["Code"]
    return ""


def check(pool: Pool, account: Account) -> list[str]:
    """Everything about one account that does not hold; empty when all is well."""
    wrong: list[str] = []

    def expect(holds: bool, what: str) -> None:
        if not holds:
            wrong.append(f"{account.name}: {what} (settled {account.settled}, open {account.open_step})")

    try:
        status = pool.api.admin_get_user(UserPoolId=pool.id, Username=account.name)["UserStatus"]
    except pool.api.exceptions.UserNotFoundException:
        expect("sign-up" not in account.settled, "an acknowledged sign-up is lost")
        return wrong
    if "confirm" in account.settled:
        expect(status == "CONFIRMED", f"an acknowledged confirmation is lost: {status}")
    elif account.open_step != "confirm":
        expect(status == "UNCONFIRMED", f"confirmed by no one: {status}")

    deadline = time.monotonic() + MESSAGE_SECONDS
    while True:
        sent = len(pool.controls.messages(pool.id, account.name))
        if sent >= account.messages or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    expect(sent >= account.messages, f"{account.messages} messages acknowledged, {sent} in the inbox")
    most = account.messages + (account.open_step in ("sign-up", "forgot"))
    expect(sent <= most, f"{sent} messages in the inbox, {most} asked for")

    # A code whose use was not acknowledged may still be waiting; a spent one is then merely wrong.
    waiting = account.open_step in ("forgot", "reset") or account.settled.count("forgot") > len(account.spent_codes)
    if status == "CONFIRMED":
        current = refused_as(lambda: pool.sign_in(account.name, account.passwords[-1]))
        if account.open_step == "reset" and account.proposed:
            # Either it happened or it did not; never both, never neither.
            proposed = refused_as(lambda: pool.sign_in(account.name, account.proposed))
            expect(
                sorted([current, proposed]) == ["", "NotAuthorizedException"],
                f"after an unanswered reset: old password {current or 'works'}, new {proposed or 'works'}",
            )
            account.passwords = [account.proposed if proposed == "" else account.passwords[-1]]
            account.proposed = None
            account.open_step = None
        else:
            expect(current == "", f"the acknowledged password is refused: {current}")
            if len(account.passwords) > 1:
                old = refused_as(lambda: pool.sign_in(account.name, account.passwords[-2]))
                expect(old == "NotAuthorizedException", f"the replaced password: {old or 'works'}")
        if account.spent_codes and "checked" not in account.settled:
            again = refused_as(lambda: pool.reset(account.name, account.spent_codes[-1], "Stolen-pass-9"))
            allowed = ["ExpiredCodeException", "CodeMismatchException"] if waiting else ["ExpiredCodeException"]
            expect(again in allowed, f"a spent code: {again or 'works again'}")
    account.settled.append("checked")
    return wrong


@pytest.mark.parametrize("number", [pytest.param(n, id=f"seed {SEED} round {n}") for n in range(1, ROUNDS + 1)])
def test_nothing_acknowledged_is_lost(world: World, number: int):
    seed = f"{SEED}-{number}"
    chance = random.Random(seed)
    server, pool = world.start()
    try:
        load = Load(pool, seed, number)
        load.start()
        time.sleep(chance.uniform(0.3, 2.5))
    finally:
        server.kill()
    load.join()
    acknowledged = sum(len(account.settled) for account in load.accounts)
    assert acknowledged > 0, f"no request was acknowledged before the kill\n{server.log()}"

    server, pool = world.start()
    try:
        earlier = chance.sample(world.accounts, min(LOOK_BACK, len(world.accounts)))
        with ThreadPoolExecutor(THREADS) as workers:
            found = list(workers.map(lambda account: check(pool, account), [*load.accounts, *earlier]))
    finally:
        # The restarted server is killed as well, at rest: recovery itself must be durable.
        server.kill()
    world.accounts += load.accounts
    wrong = [line for lines in found for line in lines]
    assert not wrong, "\n".join([f"seed {seed}, {acknowledged} steps acknowledged", *wrong, server.log()])
