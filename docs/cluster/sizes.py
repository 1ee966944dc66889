#!/usr/bin/env python3
"""How many bytes of PostgreSQL's disk and log users and requests take.

    sizes.py ADDRESS:PORT POSTGRES_URL [USERS]

ADDRESS:PORT is a server that asks for no signatures and delivers mail to its inbox, on an empty database of which
POSTGRES_URL is the address for a superuser:

    poolkeeper dev --store POSTGRES_URL --listen ADDRESS:PORT

It signs USERS up (200,000 when nothing is said) in a pool with the address as a second name, confirms them, and has some
of them sign in and reset their password. Needs Python 3.9 and psql. A checkpoint in between makes the log much longer, so
have the server make none meanwhile (max_wal_size = 16GB, checkpoint_timeout = 1h).
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Callable

PASSWORD = "First-Passw0rd"
CONNECTIONS = 16
TABLES = """
    SELECT relname, pg_table_size(c.oid), pg_indexes_size(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind = 'r' AND nspname = 'public' AND pg_total_relation_size(c.oid) > 500000
    ORDER BY pg_total_relation_size(c.oid) DESC
"""


def main() -> None:
    address, database = sys.argv[1:3]
    users = int(sys.argv[3]) if len(sys.argv) > 3 else 200_000
    some = min(users, 5_000)

    def sql(text: str) -> list[list[str]]:
        command = ["psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", text]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return [line.split("|") for line in done.stdout.splitlines()]

    def call(connection: http.client.HTTPConnection, operation: str, request: dict) -> dict:
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"AWSCognitoIdentityProviderService.{operation}",
        }
        connection.request("POST", "/", json.dumps(request), headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{operation}: {answer.status} {body.decode()}")
        return json.loads(body) if body else {}

    def for_each(count: int, work: Callable[[http.client.HTTPConnection, int], object]) -> None:
        """Runs `work` with the numbers below `count`, over several connections."""
        numbers, lock, failures = iter(range(count)), threading.Lock(), []

        def go_on() -> None:
            connection = http.client.HTTPConnection(address, timeout=60)
            while not failures:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                try:
                    work(connection, number)
                except Exception as error:  # noqa: BLE001 - it is raised again below
                    failures.append(error)

        threads = [threading.Thread(target=go_on) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def log_of(what: str, count: int, work: Callable[[http.client.HTTPConnection, int], object]) -> None:
        [[before]] = sql("SELECT pg_current_wal_lsn()")
        for_each(count, work)
        [[grown]] = sql(f"SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '{before}')")
        print(f"{what}: {float(grown) / count:.0f} bytes of log each, of {count}", flush=True)

    def sizes(when: str) -> None:
        sql("ANALYZE")
        print(f"{when}, bytes per user (table + indexes):")
        for name, table, indexes in sql(TABLES):
            [[rows]] = sql(f"SELECT count(*) FROM {name}")
            print(f"  {name}: {int(table) / users:.0f} + {int(indexes) / users:.0f}, {rows} rows", flush=True)

    first = http.client.HTTPConnection(address, timeout=60)
    request = {"PoolName": "sizes", "AutoVerifiedAttributes": ["email"], "AliasAttributes": ["email"]}
    pool = call(first, "CreateUserPool", request)["UserPool"]["Id"]
    flows = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    request = {"UserPoolId": pool, "ClientName": "sizes", "ExplicitAuthFlows": flows}
    client = call(first, "CreateUserPoolClient", request)["UserPoolClient"]["ClientId"]

    def attributes(name: str, *more: dict) -> list[dict]:
        return [{"Name": "email", "Value": f"{name}@example.com"}, {"Name": "name", "Value": "Some Body"}, *more]

    def sign_up(connection: http.client.HTTPConnection, number: int) -> None:
        name = f"user-{number:08}"
        request = {"ClientId": client, "Username": name, "Password": PASSWORD, "UserAttributes": attributes(name)}
        call(connection, "SignUp", request)

    def confirm(connection: http.client.HTTPConnection, number: int) -> None:
        call(connection, "AdminConfirmSignUp", {"UserPoolId": pool, "Username": f"user-{number:08}"})

    def sign_in(connection: http.client.HTTPConnection, number: int) -> None:
        parameters = {"USERNAME": f"user-{number:08}", "PASSWORD": PASSWORD}
        request = {"ClientId": client, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": parameters}
        call(connection, "InitiateAuth", request)

    def create(connection: http.client.HTTPConnection, number: int) -> None:
        name = f"made-{number:08}"
        verified = attributes(name, {"Name": "email_verified", "Value": "true"})
        request = {"UserPoolId": pool, "Username": name, "UserAttributes": verified, "MessageAction": "SUPPRESS"}
        call(connection, "AdminCreateUser", request)
        request = {"UserPoolId": pool, "Username": name, "Password": PASSWORD, "Permanent": True}
        call(connection, "AdminSetUserPassword", request)

    def forget(connection: http.client.HTTPConnection, number: int) -> None:
        call(connection, "ForgotPassword", {"ClientId": client, "Username": f"made-{number:08}"})

    log_of("SignUp", users, sign_up)
    log_of("AdminConfirmSignUp", users, confirm)
    sizes("As it is")
    sql("VACUUM FULL")
    sizes("After VACUUM FULL")
    log_of("InitiateAuth (USER_PASSWORD_AUTH)", some, sign_in)
    for_each(some, create)
    log_of("ForgotPassword, the mail included", some, forget)


if __name__ == "__main__":
    main()
