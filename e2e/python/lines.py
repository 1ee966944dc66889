"""pytest plugin: one line a test, in the form that run.py counts (`ok - suite: name`). Loaded by run.py only."""

from __future__ import annotations

import sys

import pytest
from support import STARTED


def _say(text: str) -> None:
    print(text, file=sys.__stdout__, flush=True)


def _name(nodeid: str) -> str:
    return nodeid.replace(".py::", ": ")


class Lines:
    """Stands in for the terminal reporter."""

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be imported is a failure, not silence."""
        if report.failed:
            _say(f"not ok - {_name(report.nodeid)} (could not be collected)")
            _say(report.longreprtext)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Says how a test went: its call, or the set-up or tear-down that failed around it."""
        if report.failed:
            phase = "" if report.when == "call" else f" [{report.when}]"
            _say(f"not ok - {_name(report.nodeid)}{phase} ({report.duration * 1000:.0f} ms)")
            _say(report.longreprtext)
            for title, content in report.sections:
                _say(f"--- {title}\n{content}")
            # Suites that start servers of their own: the last two, since a restart is often what is being tested.
            for server in STARTED[-2:]:
                _say(f"--- the end of the log of {' '.join(server.command)}\n{server.log()}")
        elif report.skipped:
            _say(f"skip - {_name(report.nodeid)}")
        elif report.when == "call":
            _say(f"ok - {_name(report.nodeid)} ({report.duration * 1000:.0f} ms)")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the reporter."""
    config.pluginmanager.register(Lines(), "poolkeeper-lines")
