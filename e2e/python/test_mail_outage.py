"""The mail server fails in every way while nodes are killed: no acknowledged message is lost.

A mail may come twice only when it was handed over and nobody could know that: the mail server took it and did not say
so, or the node was killed before it could write down what it was told. Every other copy is a failure.

POOLKEEPER_OUTAGE_MINUTES lets it go on for longer than the usual twelve seconds, POOLKEEPER_OUTAGE_SEED repeats the
choices of the mail server, the clients and the kills; when they meet is up to the machine. POOLKEEPER_STORE names an
empty PostgreSQL database for three nodes; otherwise it is one node on an SQLite file.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import secrets
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

import pytest
from conftest import PASSWORD, api_client, create_access_key, create_pool, master_key
from support import Controls, Server, call, clean_environment
from unreliable_mail import FAULTS, FULL, GONE, UP, Copy, State, Trap, UnreliableMailServer

MINUTES = float(os.environ.get("POOLKEEPER_OUTAGE_MINUTES") or 0)
SEED = int(os.environ.get("POOLKEEPER_OUTAGE_SEED") or secrets.randbelow(1_000_000))
STORE = os.environ.get("POOLKEEPER_STORE", "")
IS_SHORT = MINUTES == 0
SECONDS = 12 if IS_SHORT else MINUTES * 60
NODES = 3 if STORE else 1
CLIENTS = 6
# Users with a confirmed address, who may ask for reset codes.
USERS = 24 if IS_SHORT else 24 + int(20 * MINUTES)
# The mail server goes wrong, and works in between, for so long, at random. A server gives up a try after 30 seconds.
WRONG_SECONDS = (0.2, 0.9) if IS_SHORT else (0.5, 40)
RIGHT_SECONDS = (0.2, 0.5) if IS_SHORT else (0.5, 5)
# A node lives so long.
LIFE_SECONDS = (1, 3) if IS_SHORT else (2, 40)
# How long a trap waits for a mail.
TRAP_SECONDS = 2
# From "taken" to the row that says so: a node that is killed later than that has no excuse for a second copy.
SETTLE_SECONDS = 0.5
# Until everything has left: in the long run leases and pauses between tries are waited for.
DRAIN_SECONDS = 40 if IS_SHORT else 1_200
# Mails are dated in seconds: a user's requests are further apart, so that the newest mail can be told.
APART_SECONDS = 1.1
# The service grants five in an hour.
MOST_REQUESTS = 4
# Codes that are tried in the end.
SAMPLE = 12 if IS_SHORT else 60
FIRST = [State("down"), *(state for state in FAULTS if state.action == "refuse" or state.phase == "answer")]
# Errors that ask for another try: nobody knows what became of the request.
TRY_AGAIN = {
    "InternalErrorException",
    "ServiceUnavailableException",
    "TooManyRequestsException",
    "ConcurrentModificationException",
}
CONFIGURATION = """
[server]
base_url = "http://outage.test"

[quotas]
start_from = "off"

[limits]
wrong_guesses_per_address_and_hour = 0

[email]
sender = "smtp"
from = "Shop <no-reply@example.com>"

[email.smtp]
host = "127.0.0.1"
port = {port}
encryption = "none"
"""


@dataclass
class Person:
    """A user, and what is known about messages to it."""

    name: str
    is_confirmed: bool
    acknowledged: int = 0
    # Requests without an answer: each may have written a message or not.
    unknown: int = 0
    requests: int = 0
    last_request: float = 0

    @property
    def email(self) -> str:
        """Where mails go."""
        return f"{self.name}@example.com"


@dataclass
class Life:
    """One process of a node. `killed` is when it got SIGKILL, if it did."""

    name: str
    server: Server
    killed: float | None = None
    is_over: threading.Event = field(default_factory=threading.Event)

    def kill(self) -> None:
        """SIGKILL, without waiting for the end."""
        assert self.server.process is not None
        self.server.process.send_signal(signal.SIGKILL)
        self.killed = time.monotonic()
        self.is_over.set()


class Cluster:
    """Nodes on one database, each of which has many lives."""

    def __init__(self, binary: str, directory: Path, mail: UnreliableMailServer) -> None:
        self.binary = binary
        self.directory = directory
        self.mail = mail
        self.database = STORE or f"sqlite:{directory / 'outage.db'}"
        self.environment = {"POOLKEEPER_MASTER_KEY": master_key(), "POOLKEEPER_STORE": self.database}
        self.key = create_access_key(binary, directory, self.environment)
        self.lives: list[Life] = []
        self.nodes: list[Life | None] = [None] * NODES
        self.counter = itertools.count(1)

    def start(self, node: int) -> Life:
        """A new life for a node."""
        name = f"node {node}, life {next(self.counter)}"
        directory = self.directory / f"node-{node}"
        directory.mkdir(exist_ok=True)
        config = directory / "poolkeeper.toml"
        config.write_text(CONFIGURATION.format(port=self.mail.listen(name)))
        server = Server(self.binary, directory / "data", mode="serve", config=config, environment=self.environment)
        life = Life(name, server.start())
        self.lives.append(life)
        self.nodes[node] = life
        return life

    def bury(self, life: Life) -> None:
        """Waits until a process that was killed is gone."""
        life.server.kill()
        self.mail.forget(life.name)

    def stop(self, node: int) -> None:
        """Asks a node to stop; one that takes too long is killed."""
        life = self.nodes[node]
        assert life is not None
        code = life.server.stop()
        if code == -signal.SIGKILL:
            life.killed = time.monotonic()
        else:
            assert code == 0, f"{life.name} ended with {code}\n{life.server.log()}"
        self.mail.forget(life.name)

    def endpoint(self, chance: random.Random) -> str:
        """The address of any node, dead ones included."""
        life = self.nodes[chance.randrange(NODES)]
        assert life is not None
        return life.server.endpoint

    def each(self, action: Callable[[int], object]) -> None:
        """Does something with all nodes at once."""
        with ThreadPoolExecutor(NODES) as workers:
            list(workers.map(action, range(NODES)))

    def messages(self, *arguments: str) -> list[dict]:
        """`poolkeeper messages list`."""
        lines = self.program("list", "--limit", "1000000", *arguments).splitlines()
        return [json.loads(line) for line in lines]

    def program(self, *arguments: str) -> str:
        """`poolkeeper messages …`: what it prints."""
        ran = subprocess.run(
            [self.binary, "messages", *arguments],
            env=clean_environment(self.environment),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, (arguments, ran.stdout, ran.stderr)
        return ran.stdout

    def let_time_pass(self) -> None:
        """While no node lives, leases and pauses between tries end: as if the machines had been off for an hour."""
        statement = "UPDATE messages SET due_at = 0 WHERE state = 0"
        if STORE:
            psql = ["psql", "-X", "-q", "-d", STORE, "-c", statement]
            ran = subprocess.run(psql, capture_output=True, text=True, timeout=30, check=False)
            assert ran.returncode == 0, ran.stderr
        else:
            with sqlite3.connect(self.database.removeprefix("sqlite:")) as connection:
                connection.execute(statement)

    def drain(self) -> None:
        """Waits until nothing is on its way any more."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while waiting := self.messages("--state", "pending"):
            assert time.monotonic() < deadline, f"seed {SEED}: {len(waiting)} messages still wait: {waiting[:5]}"
            time.sleep(0.3)


class Clients:
    """Threads that sign users up and ask for codes at all nodes, and remember what was acknowledged."""

    def __init__(self, cluster: Cluster, client_id: str, confirmed: list[Person]) -> None:
        self.cluster = cluster
        self.client_id = client_id
        self.people: list[Person] = list(confirmed)
        self.outcomes: Counter[str] = Counter()
        self.strange: list[str] = []
        self.slowest = 0.0
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.threads = [
            threading.Thread(target=self._run, args=(number, confirmed[number::CLIENTS]), daemon=True)
            for number in range(CLIENTS)
        ]

    def start(self) -> None:
        """Starts them."""
        for thread in self.threads:
            thread.start()

    def end(self) -> None:
        """Ends them, and waits until their last requests have ended."""
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _run(self, number: int, confirmed: list[Person]) -> None:
        chance = random.Random(f"{SEED}-client-{number}")
        mine = list(confirmed)
        names = itertools.count(1)
        while not self.stop.wait(chance.uniform(0.02, 0.2)):
            now = time.monotonic()
            able = [p for p in mine if p.requests < MOST_REQUESTS and now - p.last_request > APART_SECONDS]
            try:
                if able and chance.random() < 0.7:
                    person = chance.choice(able)
                    operation = "ForgotPassword" if person.is_confirmed else "ResendConfirmationCode"
                    self._ask(chance, person, operation, {})
                else:
                    prefix = chance.choice([GONE, FULL, *["new-"] * 8])
                    person = Person(f"{prefix}{number}-{next(names)}-{SEED}", is_confirmed=False)
                    attributes = [{"Name": "email", "Value": person.email}]
                    with self.lock:
                        self.people.append(person)
                    self._ask(chance, person, "SignUp", {"Password": PASSWORD, "UserAttributes": attributes})
                    if person.acknowledged:
                        mine.append(person)
            except Exception as wrong:  # noqa: BLE001 - whatever it is must reach the test, not die with the thread
                self._is_strange(f"client {number}: {wrong!r}")
                return

    def _ask(self, chance: random.Random, person: Person, operation: str, members: dict) -> None:
        body = {"ClientId": self.client_id, "Username": person.name, **members}
        began = time.monotonic()
        person.requests += 1
        try:
            status, _, answer = call(self.cluster.endpoint(chance), operation, body)
        except (OSError, HTTPException):
            person.unknown += 1
            outcome = "unknown"
        else:
            outcome = self._judge(person, operation, status, answer)
        person.last_request = time.monotonic()
        with self.lock:
            self.outcomes[outcome] += 1
            if outcome == "acknowledged":
                self.slowest = max(self.slowest, person.last_request - began)

    def _judge(self, person: Person, operation: str, status: int, answer: dict) -> str:
        if status == 200:
            if answer["CodeDeliveryDetails"]["DeliveryMedium"] != "EMAIL":
                self._is_strange(f"{operation} of {person.name}: {answer}")
            person.acknowledged += 1
            return "acknowledged"
        if answer.get("__type") in TRY_AGAIN:
            person.unknown += 1
            return "unknown"
        self._is_strange(f"{operation} of {person.name}: {status} {answer}")
        return "refused"

    def _is_strange(self, what: str) -> None:
        with self.lock:
            self.strange.append(what)


class Kills:
    """A thread for each node that ends it again and again and starts it anew."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.ends: Counter[str] = Counter()
        self.failures: list[str] = []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(node,), daemon=True) for node in range(NODES)]
        # The mail server has one trap.
        self.trap = threading.Lock()

    def start(self) -> None:
        """Starts them."""
        for thread in self.threads:
            thread.start()

    def end(self) -> None:
        """Ends them; then all nodes live."""
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _run(self, node: int) -> None:
        chance = random.Random(f"{SEED}-node-{node}")
        try:
            while not self.stop.wait(chance.uniform(*LIFE_SECONDS)):
                self._end(node, chance)
                self.cluster.start(node)
        except Exception as wrong:  # noqa: BLE001 - as above
            self.failures.append(f"node {node}: {wrong!r}")

    def _end(self, node: int, chance: random.Random) -> None:
        life = self.cluster.nodes[node]
        assert life is not None
        how = chance.choice(["killed", "killed before the answer", "killed after the answer", "asked to stop"])
        if how == "asked to stop":
            self.cluster.stop(node)
        elif how == "killed":
            life.kill()
        else:
            with self.trap:
                self.cluster.mail.arm(Trap(life.name, how == "killed before the answer", life.kill))
                life.is_over.wait(TRAP_SECONDS)
                self.cluster.mail.arm(None)
                # A trap that is just being sprung kills as well.
                if not life.is_over.is_set():
                    how = "killed"
                    life.kill()
        if how != "asked to stop":
            self.cluster.bury(life)
        self.ends[how] += 1


def excuse(copy: Copy, killed: float | None) -> str:
    """Why whoever handed this copy over could not know that it was taken; empty when it must have known."""
    if copy.answered is None:
        return "never answered"
    if killed is not None and killed - copy.answered <= SETTLE_SECONDS:
        return "killed before it was written down"
    return ""


def duplicates(copies: list[Copy], killed: dict[str, float | None]) -> tuple[Counter[str], list[str]]:
    """Copies behind the first by the excuse of the one before; and those without."""
    counted: Counter[str] = Counter()
    wrong = []
    by_message: defaultdict[str, list[Copy]] = defaultdict(list)
    for copy in copies:
        by_message[copy.message].append(copy)
    for several in by_message.values():
        several.sort(key=lambda copy: copy.taken)
        for before, after in itertools.pairwise(several):
            reason = excuse(before, killed[before.process])
            counted[reason or "no excuse"] += 1
            if not reason:
                wrong.append(f"came again without need: {before}, killed {killed[before.process]}; {after}")
            if (before.recipient, before.code) != (after.recipient, after.code):
                wrong.append(f"came again as another one: {before}; {after}")
    return counted, wrong


def losses(people: list[Person], copies: list[Copy], dead: list[dict]) -> list[str]:
    """People who got fewer messages than were acknowledged, or more than were asked for; given-up ones count."""
    ids: defaultdict[str, set[str]] = defaultdict(set)
    for copy in copies:
        ids[copy.recipient].add(copy.message)
    for message in dead:
        ids[f"{message['Username']}@example.com"].add(message["Id"])
    wrong = []
    for person in people:
        there = len(ids.pop(person.email, ()))
        if not person.acknowledged <= there <= person.acknowledged + person.unknown:
            wrong.append(f"{there} messages: {person}")
    return wrong + [f"messages to nobody who asked: {email}" for email in ids]


def go_through_states(mail: UnreliableMailServer) -> Counter[str]:
    """The mail server goes from wrong to right and wrong again until the time is over, and then works."""
    chance = random.Random(f"{SEED}-mail")
    seen: Counter[str] = Counter()
    # All of them before any comes again; first those that every run must have seen.
    others = [state for state in FAULTS if state not in FIRST]
    left = chance.sample(others, len(others)) + chance.sample(FIRST, len(FIRST))
    least, most = WRONG_SECONDS
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        left = left or chance.sample(FAULTS, len(FAULTS))
        state = left.pop()
        mail.become(state)
        seen[str(state)] += 1
        # Rather short than long.
        time.sleep(least + (most - least) * chance.random() ** 2)
        mail.become(UP)
        time.sleep(chance.uniform(*RIGHT_SECONDS))
    return seen


def make_users(cluster: Cluster) -> tuple[str, list[Person]]:
    """A pool's app client, and users with confirmed addresses, to whom nothing was sent."""
    life = cluster.nodes[0]
    assert life is not None
    api = api_client(life.server.endpoint, *cluster.key)
    pool = create_pool(api, Controls(life.server.endpoint))

    def make(number: int) -> Person:
        person = Person(f"{[GONE, FULL, *['user-'] * 6][number % 8]}{number}", is_confirmed=True)
        attributes = [{"Name": "email", "Value": person.email}, {"Name": "email_verified", "Value": "true"}]
        user = {"UserPoolId": pool.id, "Username": person.name}
        api.admin_create_user(**user, MessageAction="SUPPRESS", UserAttributes=attributes)
        api.admin_set_user_password(**user, Password=PASSWORD, Permanent=True)
        return person

    with ThreadPoolExecutor(4) as workers:
        return pool.client_id, list(workers.map(make, range(USERS)))


def newest_codes_work(
    cluster: Cluster, client_id: str, people: list[Person], copies: list[Copy]
) -> tuple[int, list[str]]:
    """The codes in the newest mails of some people, of whom all requests were answered, are spent."""
    chance = random.Random(f"{SEED}-codes")
    sure = [person for person in people if person.acknowledged and not person.unknown]
    tried = chance.sample(sure, min(SAMPLE, len(sure)))
    wrong = []
    for person in tried:
        newest = max((copy for copy in copies if copy.recipient == person.email), key=lambda copy: copy.written)
        body = {"ClientId": client_id, "Username": person.name, "ConfirmationCode": newest.code}
        if person.is_confirmed:
            operation, body = "ConfirmForgotPassword", {**body, "Password": "Another-horse-2"}
        else:
            operation = "ConfirmSignUp"
        status, _, answer = call(cluster.endpoint(chance), operation, body)
        if status != 200:
            wrong.append(f"{operation} with the newest code of {person}: {status} {answer}")
    return len(tried), wrong


def shown(counted: Counter[str]) -> str:
    """`3: 2 this, 1 that`."""
    parts = ", ".join(f"{times} {what}" for what, times in counted.most_common())
    return f"{counted.total()}: {parts}" if parts else "0"


@pytest.fixture
def mail() -> Iterator[UnreliableMailServer]:
    """The mail server."""
    server = UnreliableMailServer()
    yield server
    server.close()


def copy_of(message: str, process: str, taken: float, answered: float | None) -> Copy:
    """A mail to ann."""
    return Copy(message, "ann@example.com", "123456", 0, process, taken, answered)


def test_the_audit_knows_which_copies_have_an_excuse() -> None:
    killed = {"a": 10.0, "b": None}
    copies = [
        copy_of("never answered", "b", 1, None),
        copy_of("never answered", "b", 5, 5),
        copy_of("cut off", "a", 9.8, 9.8),
        copy_of("cut off", "b", 70, None),
        copy_of("cut off", "b", 80, 80),
        copy_of("once", "a", 10, 10),
    ]
    counted, wrong = duplicates(copies, killed)
    assert counted == {"never answered": 2, "killed before it was written down": 1} and not wrong
    for before in (copy_of("late", "a", 1, 9), copy_of("late", "b", 1, 1)):
        counted, wrong = duplicates([copy_of("late", "b", 70, 70), before], killed)
        assert counted == {"no excuse": 1} and len(wrong) == 1


def test_the_audit_knows_what_is_lost() -> None:
    copies = [copy_of("1", "a", 1, 1), copy_of("1", "a", 2, 2), copy_of("2", "a", 3, 3)]
    for acknowledged, unknown, is_well in [(2, 0, True), (1, 1, True), (3, 0, False), (1, 0, False), (3, 5, False)]:
        ann = Person("ann", is_confirmed=True, acknowledged=acknowledged, unknown=unknown)
        assert (losses([ann], copies, []) == []) == is_well
    assert losses([Person("ann", is_confirmed=True, acknowledged=3)], copies, [{"Username": "ann", "Id": "3"}]) == []
    assert losses([], copies, []) == ["messages to nobody who asked: ann@example.com"]


def requeue_the_dead(cluster: Cluster) -> None:
    """All that was given up is tried again. With SQLite the server has to be stopped for that."""
    if STORE:
        cluster.program("requeue")
    else:
        cluster.stop(0)
        cluster.program("requeue")
        cluster.start(0)


def test_nothing_acknowledged_is_lost(binary: str, tmp_path: Path, mail: UnreliableMailServer, capfd) -> None:
    cluster = Cluster(binary, tmp_path, mail)
    cluster.start(0)
    client_id, confirmed = make_users(cluster)
    cluster.each(lambda node: cluster.nodes[node] or cluster.start(node))
    clients, kills = Clients(cluster, client_id, confirmed), Kills(cluster)
    clients.start()
    kills.start()
    outages = go_through_states(mail)
    kills.end()
    clients.end()
    wrong = clients.strange + kills.failures

    if IS_SHORT and not wrong:
        for life in cluster.nodes:
            life.kill()
            cluster.bury(life)
        kills.ends["killed"] += NODES
        cluster.let_time_pass()
        cluster.each(cluster.start)
    cluster.drain()
    dead = cluster.messages("--state", "dead")
    wrong += losses(clients.people, mail.taken(), dead)
    refused = {f"{message['Username']}@example.com" for message in dead}
    wrong += [f"given up, though never refused for good: {email}" for email in refused - mail.refused]
    always = {p.email for p in clients.people if p.name.startswith((GONE, FULL)) and p.acknowledged}
    wrong += [f"refused for good, and not given up: {email}" for email in always - refused]

    mail.forgive()
    requeue_the_dead(cluster)
    cluster.drain()
    wrong += [f"given up again: {message}" for message in cluster.messages("--state", "dead")]
    copies = mail.taken()
    counted, without_excuse = duplicates(copies, {life.name: life.killed for life in cluster.lives})
    wrong += losses(clients.people, copies, []) + without_excuse
    codes, unusable = newest_codes_work(cluster, client_id, clients.people, copies)
    wrong += unusable
    cluster.each(cluster.stop)

    report = [
        f"seed {SEED}, {NODES} nodes on {'PostgreSQL' if STORE else 'SQLite'}, {SECONDS:.0f} s:",
        f"  requests: {shown(clients.outcomes)}; the slowest acknowledged one took {clients.slowest:.1f} s",
        f"  delivered: {len({copy.message for copy in copies})} messages in {len(copies)} copies",
        f"  duplicates: {shown(counted)}",
        f"  given up, put back and delivered: {len(dead)}",
        f"  ends of nodes: {shown(kills.ends)}",
        f"  outages of the mail server: {shown(outages)}",
        f"  newest codes that work: {codes - len(unusable)} of {codes}",
    ]
    with capfd.disabled():
        print(*report, sep="\n", flush=True)
    assert clients.outcomes["acknowledged"] > 50 and kills.ends.total() > 2 and codes > 0 and dead
    assert not wrong, "\n".join([*report, f"{len(wrong)} findings:", *wrong[:50]])
