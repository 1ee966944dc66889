#!/usr/bin/env python3
"""Signs users up and in without a pause, until SIGTERM; then says how that went.

    load.py ADDRESS:PORT NAME AUTHORITY CLIENT_ID PREFIX ACKNOWLEDGED

goes to ADDRESS:PORT, where a certificate for NAME is expected, signed by the authority in a PEM file.
Four connections sign up PREFIX-…, two sign one of them in, each with one request at a time and without trying anything
twice. The names of all users whose sign-up was answered with success are written to the file ACKNOWLEDGED, one a line.
Needs Python 3.9 and nothing else.
"""

from __future__ import annotations

import http.client
import json
import signal
import socket
import ssl
import sys
import threading
import time
from collections import Counter

PASSWORD = "Load-Passw0rd"
# Seconds. Longer than the server takes at most.
PATIENCE = 40
# Seconds between two requests of a connection: this asks how requests fare, not how many there can be.
PAUSE = 0.02


class Caller:
    """One connection, made anew when it breaks."""

    def __init__(self, address: str, name: str, authority: str) -> None:
        self.host, port = address.rsplit(":", 1)
        self.port = int(port)
        self.name = name
        self.tls = ssl.create_default_context(cafile=authority)
        self.connection: http.client.HTTPConnection | None = None

    def connect(self) -> http.client.HTTPConnection:
        """A connection to the address, whatever the name resolves to."""
        stream = socket.create_connection((self.host, self.port), PATIENCE)
        connection = http.client.HTTPConnection(self.name, self.port)
        connection.sock = self.tls.wrap_socket(stream, server_hostname=self.name)
        return connection

    def call(self, operation: str, request: dict) -> str:
        """Sends one request and says what came of it: `ok`, a status with the error's name, or how the connection broke."""
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"AWSCognitoIdentityProviderService.{operation}",
        }
        try:
            # Without a socket, the other side said that it would close.
            if self.connection is None or self.connection.sock is None:
                self.connection = self.connect()
            self.connection.request("POST", "/", json.dumps(request), headers)
            answer = self.connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection = None
            return type(error).__name__
        if answer.status == 200:
            return "ok"
        try:
            name = json.loads(body).get("__type", "")
        except ValueError:
            name = "not from a node"
        return f"{answer.status} {name}"


class Log:
    """What came of the requests of one kind."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.lock = threading.Lock()
        self.began = time.monotonic()
        self.successes: list[float] = []
        self.seconds: list[float] = []
        self.failures: Counter[str] = Counter()

    def note(self, began: float, outcome: str) -> None:
        ended = time.monotonic()
        with self.lock:
            if outcome == "ok":
                self.successes.append(ended)
                self.seconds.append(ended - began)
            else:
                self.failures[outcome] += 1

    def summary(self) -> str:
        """Counts; the longest time without any success; durations of the successful requests."""
        moments = [self.began, *sorted(self.successes), time.monotonic()]
        gap = max(later - earlier for earlier, later in zip(moments, moments[1:]))
        ordered = sorted(self.seconds) or [0.0]
        median, slow = (ordered[int(len(ordered) * part)] for part in (0.5, 0.99))
        failed = ", ".join(f"{count} x {what}" for what, count in sorted(self.failures.items())) or "none"
        return (
            f"{self.kind}: {len(self.successes)} successes, failures: {failed}; longest without a success {gap:.1f} s; "
            f"p50 {median * 1000:.0f} ms, p99 {slow * 1000:.0f} ms, slowest {ordered[-1]:.1f} s"
        )


def main() -> None:
    address, name, authority, client, prefix, acknowledged_path = sys.argv[1:]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    up, into = Log("sign-ups"), Log("sign-ins")
    acknowledged: list[str] = []

    def sign_up(worker: int) -> None:
        caller, number = Caller(address, name, authority), 0
        while not stop.is_set():
            number += 1
            username = f"{prefix}-{worker}-{number}"
            began = time.monotonic()
            outcome = caller.call("SignUp", {"ClientId": client, "Username": username, "Password": PASSWORD})
            if outcome == "ok":
                acknowledged.append(username)
            up.note(began, outcome)
            time.sleep(PAUSE)

    def sign_in() -> None:
        caller = Caller(address, name, authority)
        parameters = {"USERNAME": "somebody", "PASSWORD": PASSWORD}
        request = {"ClientId": client, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": parameters}
        while not stop.is_set():
            began = time.monotonic()
            into.note(began, caller.call("InitiateAuth", request))
            time.sleep(PAUSE)

    threads = [threading.Thread(target=sign_up, args=(worker,)) for worker in range(4)]
    threads += [threading.Thread(target=sign_in) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open(acknowledged_path, "a", encoding="ascii") as file:
        file.writelines(f"{username}\n" for username in acknowledged)
    print(f"{prefix}\n  {up.summary()}\n  {into.summary()}", flush=True)


if __name__ == "__main__":
    main()
