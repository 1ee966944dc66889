#!/usr/bin/env python3
"""Runs the end-to-end tests against a built binary.

    e2e/run.py --binary target/release/poolkeeper            every suite
    e2e/run.py --binary target/release/poolkeeper boto3 smtp these
    e2e/run.py --binary … --postgres postgres://… boto3      on PostgreSQL, each suite in a new database

Needs Python 3.11 and, for their suites, Node 20 with npm, and cargo. Installs the clients under test into
e2e/.venv, e2e/javascript/node_modules and e2e/rust/target, and Chromium from Debian's packages, and says so. Each suite
gets a server of its own on a free port with an empty data directory, or starts its own servers. The last line is
`N passed, N failed`; the exit code is 1 if any failed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import venv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = HERE / "python"
JAVASCRIPT = HERE / "javascript"
RUST = HERE / "rust"
HANDLERS = HERE / "functions/node"
VENV = HERE / ".venv"
sys.path.insert(0, str(PYTHON))
sys.dont_write_bytecode = True

from support import Server, ServerFailed, clean_environment  # noqa: E402 - the path is set just above

RESULT = re.compile(r"^(ok|not ok|skip) - (.+)$")


class CannotRun(Exception):
    """A suite cannot be run at all; the text says why."""


@dataclass
class Count:
    """What the suites said, line by line."""

    passed: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)

    def note(self, line: str) -> None:
        """Counts a result line; any other line is somebody's detail."""
        found = RESULT.match(line)
        if found is None:
            return
        if found[1] == "ok":
            self.passed += 1
        elif found[1] == "skip":
            self.skipped += 1
        else:
            self.failed.append(found[2])

    def fail(self, what: str) -> None:
        """A failure that no suite reported itself."""
        print(f"not ok - {what}", flush=True)
        self.failed.append(what.splitlines()[0])


def run_install(command: list[str], directory: Path, environment: dict[str, str] | None = None) -> None:
    """One step of an installation; its output is shown only when it fails."""
    said = {**os.environ, **(environment or {})}
    done = subprocess.run(command, cwd=directory, env=said, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotRun(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")


def needed(tool: str) -> str:
    """The path of a tool that must be there."""
    found = shutil.which(tool)
    if found is None:
        raise CannotRun(f"{tool} is not installed")
    return found


def digest(*files: Path) -> str:
    """A fingerprint, so that an installation is repeated when what it was made from has changed."""
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def install_python() -> None:
    """Makes the virtual environment."""
    requirements = PYTHON / "requirements.txt"
    marker = VENV / "installed"
    if marker.exists() and marker.read_text() == digest(requirements):
        return
    names = [line for line in requirements.read_text().splitlines() if line and not line.startswith("#")]
    print(f"installing into {VENV.relative_to(HERE.parent)}: {', '.join(names)}", flush=True)
    venv.create(VENV, clear=True, with_pip=True)
    run_install([str(VENV / "bin/python"), "-m", "pip", "install", "--quiet", "-r", str(requirements)], PYTHON)
    marker.write_text(digest(requirements))


def install_javascript() -> None:
    """Installs what the lock file names."""
    lock = JAVASCRIPT / "package-lock.json"
    marker = JAVASCRIPT / "node_modules/.installed"
    if marker.exists() and marker.read_text() == digest(lock):
        return
    print("installing into e2e/javascript/node_modules: what package-lock.json names (npm ci)", flush=True)
    run_install([needed("npm"), "ci", "--no-audit", "--no-fund"], JAVASCRIPT)
    marker.write_text(digest(lock))


def install_both() -> None:
    """Python and JavaScript, for suites that need both."""
    install_python()
    install_javascript()


def install_browser() -> None:
    """Chromium, which is Debian's, and what drives it."""
    install_javascript()
    if shutil.which("chromium") is not None:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise CannotRun("chromium is not installed; install it: sudo apt-get install chromium")
    print("installing chromium from Debian's packages (apt-get)", flush=True)
    run_install(["apt-get", "update"], HERE)
    run_install(["apt-get", "install", "--yes", "--no-install-recommends", "chromium"], HERE)


def install_functions() -> None:
    """The runtime clients for Python, Node.js and Rust. The one for Node.js is compiled, by Debian's tools."""
    install_python()
    install_rust()
    lock = HANDLERS / "package-lock.json"
    marker = HANDLERS / "node_modules/.installed"
    if marker.exists() and marker.read_text() == digest(lock):
        return
    tools = {"cmake": "cmake", "autoconf": "autoconf", "aclocal": "automake", "libtoolize": "libtool", "g++": "g++"}
    missing = [package for tool, package in {**tools, "make": "make"}.items() if shutil.which(tool) is None]
    if missing:
        if shutil.which("apt-get") is None or os.geteuid() != 0:
            raise CannotRun(f"the runtime client for Node.js needs {', '.join(missing)}; install them with apt-get")
        print(f"installing {', '.join(missing)} from Debian's packages (apt-get)", flush=True)
        run_install(["apt-get", "update"], HERE)
        run_install(["apt-get", "install", "--yes", "--no-install-recommends", *missing], HERE)
    print(
        "installing into e2e/functions/node/node_modules: the runtime client, which is compiled; the SDK, TypeScript, "
        "esbuild and the public definitions of events (npm ci)",
        flush=True,
    )
    run_install([needed("npm"), "ci", "--no-audit", "--no-fund"], HANDLERS)
    marker.write_text(digest(lock))


def install_rust() -> None:
    """Builds the Rust clients; cargo itself knows whether there is anything to do."""
    print("building e2e/rust (its own target directory; minutes the first time)", flush=True)
    run_install([needed("cargo"), "build", "--locked", "--quiet"], RUST, {"CARGO_TARGET_DIR": str(RUST / "target")})


def pytest_command(*files: str) -> Callable[[], list[str]]:
    """pytest on these files, reporting through lines.py."""

    def command() -> list[str]:
        found = [str(path) for pattern in files for path in sorted(PYTHON.glob(pattern))]
        options = ["-p", "no:terminal", "-p", "no:cacheprovider", "-p", "lines", "--rootdir", str(PYTHON)]
        return [str(VENV / "bin/python"), "-B", "-m", "pytest", *options, *found]

    return command


def node_command(pattern: str) -> Callable[[], list[str]]:
    """Node's own test runner on these files, one after the other."""

    def command() -> list[str]:
        files = sorted(str(path) for path in JAVASCRIPT.glob(pattern))
        return [needed("node"), "--test", "--test-concurrency=1", "--test-reporter=./lines.mjs", *files]

    return command


class Overdue(threading.Timer):
    """Ends a suite that takes too long, and remembers that it did."""

    def __init__(self, seconds: int, group: int) -> None:
        super().__init__(seconds, self._end)
        self.daemon = True
        self.group = group
        self.fired = False

    def _end(self) -> None:
        self.fired = True
        kill_group(self.group)


@dataclass
class Suite:
    """A group of tests that shares an installation and a server."""

    name: str
    install: Callable[[], None]
    command: Callable[[], list[str]]
    directory: Path
    own_servers: bool = False
    seconds: int = 180
    # Starts its own servers on the database in POOLKEEPER_STORE, when there is one.
    own_database: bool = False


SUITES = [
    Suite("boto3", install_python, pytest_command("test_boto3*.py"), PYTHON),
    Suite("pycognito", install_python, pytest_command("test_pycognito.py"), PYTHON),
    Suite("aws-cli", install_python, pytest_command("test_aws_cli.py"), PYTHON),
    Suite("javascript", install_javascript, node_command("*.test.mjs"), JAVASCRIPT),
    Suite("browser", install_browser, node_command("browser/*.test.mjs"), JAVASCRIPT),
    Suite("rust", install_rust, lambda: [str(RUST / "target/debug/poolkeeper-e2e")], RUST),
    Suite("serve", install_python, pytest_command("test_serve.py"), PYTHON, own_servers=True),
    Suite("smtp", install_python, pytest_command("test_smtp.py"), PYTHON, own_servers=True, seconds=400),
    Suite("senders", install_both, pytest_command("test_custom_senders.py"), PYTHON, own_servers=True),
    Suite(
        "functions",
        install_functions,
        pytest_command("test_functions.py", "test_trigger*.py"),
        PYTHON,
        own_servers=True,
        seconds=300,
    ),
    Suite("crash", install_python, pytest_command("test_crash.py"), PYTHON, own_servers=True),
    Suite(
        "outage", install_python, pytest_command("test_mail_outage.py"), PYTHON, own_servers=True, own_database=True
    ),
]


def new_database(postgres: str, suite: Suite) -> str:
    """Makes an empty database on a server, and answers its URL."""
    name = f"e2e_{suite.name.replace('-', '_')}_{os.getpid()}"
    run_install([needed("psql"), "-X", "-q", "-d", postgres, "-c", f"CREATE DATABASE {name}"], HERE)
    return urllib.parse.urlsplit(postgres)._replace(path=f"/{name}").geturl()


def run_suite(suite: Suite, binary: str, count: Count, postgres: str | None) -> None:
    """Installs, starts a server if the suite wants one, runs the tests, stops everything."""
    suite.install()
    before = count.passed + count.skipped + len(count.failed)
    environment = {"POOLKEEPER_BINARY": binary, "POOLKEEPER_CHROMIUM": shutil.which("chromium") or ""}
    # The settings of the fault tests are the caller's to choose.
    chosen = ("POOLKEEPER_CRASH_", "POOLKEEPER_OUTAGE_")
    environment.update({name: value for name, value in os.environ.items() if name.startswith(chosen)})
    limit = suite.seconds + 30 * int(os.environ.get("POOLKEEPER_CRASH_ROUNDS", "0")) * (suite.name == "crash")
    minutes = float(os.environ.get("POOLKEEPER_OUTAGE_MINUTES") or 0) * (suite.name == "outage")
    # In a long run the last messages wait for their next try for up to ten minutes.
    limit += int(60 * minutes) + 1_500 * (minutes > 0)
    with tempfile.TemporaryDirectory(prefix="poolkeeper-e2e-") as scratch:
        server = None
        store = {}
        if postgres is not None and (suite.own_database or not suite.own_servers):
            store = {"POOLKEEPER_STORE": new_database(postgres, suite)}
        if not suite.own_servers:
            server = Server(binary, Path(scratch) / "data", environment=store).start()
            environment["POOLKEEPER_ENDPOINT"] = server.endpoint
        elif suite.own_database:
            environment.update(store)
        failed_before = len(count.failed)
        try:
            code = run_tests(suite, clean_environment({**environment, "TMPDIR": scratch}), limit, count)
        finally:
            ended = None if server is None or server.process is None else server.process.poll()
            stopped = 0 if server is None else server.stop()
        if ended is not None:
            count.fail(f"{suite.name}: the server ended by itself with {ended}")
        elif stopped != 0:
            count.fail(f"{suite.name}: the server did not stop cleanly ({stopped})")
        if code != 0 and len(count.failed) == failed_before:
            count.fail(f"{suite.name}: the suite ended with {code} without a failed test")
        if len(count.failed) > failed_before and server is not None:
            print(f"--- the end of the server's log\n{server.log()}", flush=True)
    if count.passed + count.skipped + len(count.failed) == before:
        count.fail(f"{suite.name}: no test ran")


def run_tests(suite: Suite, environment: dict[str, str], limit: int, count: Count) -> int:
    """Runs the suite's command, passing its lines on as they come. Past the limit its processes are killed."""
    process = subprocess.Popen(
        suite.command(),
        cwd=suite.directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # A process group of its own, so that the servers it started can be ended with it.
        start_new_session=True,
    )
    overdue = Overdue(limit, process.pid)
    overdue.start()
    assert process.stdout is not None
    try:
        for line in process.stdout:
            print(line, end="", flush=True)
            count.note(line.rstrip("\n"))
        code = process.wait()
    finally:
        overdue.cancel()
        if process.poll() is None:
            kill_group(process.pid)
            process.wait()
    if overdue.fired:
        count.fail(f"{suite.name}: not done after {limit} s")
    return code


def kill_group(group: int) -> None:
    """Ends a suite's processes, if they are still there."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def main() -> int:
    """Parses the command line, runs the suites, prints the sum."""
    parser = argparse.ArgumentParser(description="End-to-end tests of Poolkeeper with real clients.")
    parser.add_argument("--binary", required=True, help="the poolkeeper executable under test")
    parser.add_argument("--postgres", metavar="URL", help="keep the data of shared servers in new databases there")
    names = ", ".join(suite.name for suite in SUITES)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {names}; all if none is given")
    arguments = parser.parse_args()
    unknown = set(arguments.suites) - {suite.name for suite in SUITES}
    if unknown:
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    binary = Path(arguments.binary).resolve()
    if not os.access(binary, os.X_OK) or binary.is_dir():
        parser.error(f"{binary} is not an executable file")
    count = Count()
    for suite in SUITES:
        if arguments.suites and suite.name not in arguments.suites:
            continue
        print(f"== {suite.name}", flush=True)
        began = time.monotonic()
        try:
            run_suite(suite, str(binary), count, arguments.postgres)
        except (CannotRun, ServerFailed) as reason:
            count.fail(f"{suite.name}: {reason}")
        print(f"== {suite.name}: {time.monotonic() - began:.1f} s", flush=True)
    for failed in count.failed:
        print(f"failed: {failed}")
    skipped = f", {count.skipped} skipped" if count.skipped else ""
    print(f"{count.passed} passed, {len(count.failed)} failed{skipped}", flush=True)
    return 1 if count.failed else 0


if __name__ == "__main__":
    sys.exit(main())
