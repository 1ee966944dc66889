"""A mail server that fails in every way a client can notice, and remembers what it took and what it said to that.

Every process under test is given a port of its own, so that it is known who handed over what. Without encryption and
without log-in: `mail.py` has those.
"""

from __future__ import annotations

import itertools
import socket
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.utils import parsedate_to_datetime

from mail import code_in, free_port

# Where a conversation can break off. At "dot" the mail has come and is not taken yet; at "answer" it is taken.
PHASES = ("banner", "ehlo", "mail", "rcpt", "data", "dot", "answer")
# Addresses that are refused for good until the server is told to forgive, at "rcpt" and at "dot".
GONE = "gone-"
FULL = "full-"
# How long an answer takes while the server is slow.
SLOW_SECONDS = 0.1
BACKLOG = 128


@dataclass(frozen=True)
class State:
    """What is wrong with the server.

    "up": nothing. "down": connections are refused, and those that stand are ended. "slow": every answer takes a while.
    "hang", "cut": it falls silent in this phase until the state ends, or ends the connection. "busy": it answers that
    phase with 4xx. "refuse": 554 to everyone as its banner; in other phases 5xx to every other receiver.
    """

    action: str
    phase: str = ""

    def __str__(self) -> str:
        return f"{self.action} at {self.phase}" if self.phase else self.action


UP = State("up")
FAULTS = [
    State("down"),
    State("slow"),
    *(State(action, phase) for action in ("hang", "cut") for phase in PHASES),
    *(State("busy", phase) for phase in PHASES if phase != "answer"),
    *(State("refuse", phase) for phase in ("banner", "rcpt", "dot")),
]


@dataclass
class Copy:
    """A mail that was taken. `answered` is when the 250 was sent, if it was."""

    message: str
    recipient: str
    code: str
    written: float
    process: str
    taken: float
    answered: float | None = None


@dataclass
class Trap:
    """What happens when a process hands over its next mail: before the answer, or right after it."""

    process: str
    is_before: bool
    spring: Callable[[], None]


class Gone(Exception):
    """The connection is over."""


class UnreliableMailServer:
    """Listens on any number of ports. All of it is in one state at a time."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.state = UP
        self.is_forgiving = False
        self.copies: list[Copy] = []
        # Receivers that were refused for good at least once.
        self.refused: set[str] = set()
        self.listeners: dict[str, socket.socket] = {}
        self.connections: set[socket.socket] = set()
        self.trap: Trap | None = None
        self.numbers = itertools.count()

    def listen(self, process: str) -> int:
        """A port for this process."""
        listener = bound()
        with self.changed:
            self.listeners[process] = listener
            if self.state.action != "down":
                listener.listen(BACKLOG)
        threading.Thread(target=self._accept, args=(process, listener), daemon=True).start()
        return listener.getsockname()[1]

    def forget(self, process: str) -> None:
        """The process is dead; its port is given back."""
        with self.changed:
            close_listener(self.listeners.pop(process))
            self.changed.notify_all()

    def become(self, state: State) -> None:
        """Ends what the state before has kept waiting, without an answer."""
        with self.changed:
            was_down, self.state = self.state.action == "down", state
            if state.action == "down":
                # On Linux this ends the listening and keeps the port.
                for listener in [] if was_down else self.listeners.values():
                    listener.shutdown(socket.SHUT_RDWR)
                for connection in self.connections:
                    end(connection)
            elif was_down:
                for listener in self.listeners.values():
                    listener.listen(BACKLOG)
            self.changed.notify_all()

    def forgive(self) -> None:
        """From now on nobody is refused for good."""
        with self.changed:
            self.is_forgiving = True

    def arm(self, trap: Trap | None) -> None:
        """Sets the trap; only one at a time."""
        with self.changed:
            self.trap = trap

    def taken(self) -> list[Copy]:
        """All copies so far."""
        with self.changed:
            return list(self.copies)

    def close(self) -> None:
        """Ends everything."""
        self.become(UP)
        with self.changed:
            for connection in self.connections:
                end(connection)
            for listener in self.listeners.values():
                close_listener(listener)
            self.listeners.clear()
            self.changed.notify_all()

    def _accept(self, process: str, listener: socket.socket) -> None:
        def is_open() -> bool:
            return self.listeners.get(process) is listener

        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                with self.changed:
                    self.changed.wait_for(lambda: self.state.action != "down" or not is_open())
                    if not is_open():
                        return
                continue
            threading.Thread(target=self._serve, args=(process, connection), daemon=True).start()

    def _serve(self, process: str, connection: socket.socket) -> None:
        with self.changed:
            self.connections.add(connection)
            if self.state.action == "down":
                end(connection)
        try:
            Conversation(self, process, connection).run()
        except (Gone, OSError):
            # Ended by one of the two sides, which is what this server is for.
            pass
        finally:
            with self.changed:
                self.connections.discard(connection)
            connection.close()

    def wait_while(self, state: State) -> None:
        """Waits for the next state."""
        with self.changed:
            self.changed.wait_for(lambda: self.state is not state)

    def take(self, copy: Copy) -> None:
        """Keeps a mail."""
        with self.changed:
            self.copies.append(copy)

    def refuse(self, recipient: str, phase: str, prefix: str) -> bool:
        """Whether this receiver is refused for good now; remembers it."""
        with self.changed:
            by_state = self.state == State("refuse", phase) and zlib.crc32(recipient.encode()) % 2 == 0
            is_refused = not self.is_forgiving and (by_state or recipient.startswith(prefix))
            if is_refused:
                self.refused.add(recipient)
            return is_refused

    def sprung(self, process: str, is_before: bool) -> bool:
        """Springs the trap if it is for this process and moment."""
        with self.changed:
            trap = self.trap
            if trap is None or (trap.process, trap.is_before) != (process, is_before):
                return False
            self.trap = None
        trap.spring()
        return True


class Conversation:
    """One connection (RFC 5321). Every other one offers to take several commands at once (RFC 2920)."""

    def __init__(self, server: UnreliableMailServer, process: str, connection: socket.socket) -> None:
        self.server = server
        self.process = process
        self.connection = connection
        self.reader = connection.makefile("rb")
        self.pipelines = next(server.numbers) % 2 == 0
        self.has_sender = False
        self.recipient = ""

    def run(self) -> None:
        """Until one of the two has enough."""
        if self._is_refused_by_state("banner", b"421 come again later"):
            return
        if self.server.state == State("refuse", "banner"):
            self._say(b"554 no mail is taken here")
            return
        self._say(b"220 double ESMTP")
        while line := self.reader.readline():
            verb = line[:4].upper()
            if verb == b"QUIT":
                self._say(b"221 bye")
                return
            self._command(verb, line)

    def _command(self, verb: bytes, line: bytes) -> None:
        if verb in (b"EHLO", b"HELO"):
            if not self._is_refused_by_state("ehlo"):
                self._say(b"250-double\r\n" + b"250-PIPELINING\r\n" * self.pipelines + b"250 8BITMIME")
        elif verb == b"MAIL":
            self.recipient = ""
            self.has_sender = not self._is_refused_by_state("mail")
            if self.has_sender:
                self._say(b"250 sender ok")
        elif verb == b"RCPT":
            self._receiver(line.split(b"<", 1)[1].split(b">", 1)[0].decode())
        elif verb == b"DATA":
            if not self.recipient:
                self._say(b"503 there is nobody to have it")
            elif not self._is_refused_by_state("data"):
                self._data()
        else:
            # RSET and NOOP.
            self._say(b"250 ok")

    def _receiver(self, recipient: str) -> None:
        if not self.has_sender:
            self._say(b"503 MAIL comes first")
        elif self._is_refused_by_state("rcpt"):
            return
        elif self.server.refuse(recipient, "rcpt", GONE):
            self._say(b"550 no such user")
        else:
            self.recipient = recipient
            self._say(b"250 receiver ok")

    def _data(self) -> None:
        self._say(b"354 go on")
        lines = []
        while (line := self.reader.readline()) != b".\r\n":
            if not line.endswith(b"\n"):
                raise Gone
            lines.append(line.removeprefix(b"."))
        if self._is_refused_by_state("dot"):
            return
        if self.server.refuse(self.recipient, "dot", FULL):
            self._say(b"552 the mailbox is full")
            return
        self._take(b"".join(lines))

    def _take(self, text: bytes) -> None:
        mail = message_from_bytes(text, policy=policy.default)
        copy = Copy(
            message=mail["Message-ID"].strip("<>").split("@")[0],
            recipient=self.recipient,
            code=code_in(mail),
            written=parsedate_to_datetime(mail["Date"]).timestamp(),
            process=self.process,
            taken=time.monotonic(),
        )
        self.server.take(copy)
        if self.server.sprung(self.process, is_before=True):
            raise Gone
        self._is_refused_by_state("answer")
        # Before it is sent: whoever has read it can have been killed at once.
        copy.answered = time.monotonic()
        try:
            self._say(b"250 taken")
        except OSError:
            copy.answered = None
            raise
        self.server.sprung(self.process, is_before=False)

    def _is_refused_by_state(self, phase: str, words: bytes = b"451 try again later") -> bool:
        """Lets the state have its way in this phase; true when it has said no."""
        state = self.server.state
        if state.phase != phase or state.action == "refuse":
            return False
        if state.action == "busy":
            self._say(words)
            return True
        if state.action == "hang":
            self.server.wait_while(state)
        raise Gone

    def _say(self, answer: bytes) -> None:
        if self.server.state.action == "slow":
            time.sleep(SLOW_SECONDS)
        self.connection.sendall(answer + b"\r\n")


def bound() -> socket.socket:
    """A socket on a free port, which nobody listens on yet."""
    for _ in range(100):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # A port that is bound by number stays bound while nobody listens on it.
            listener.bind(("127.0.0.1", free_port()))
            return listener
        except OSError:
            # Somebody else was quicker.
            listener.close()
    raise OSError("no free port on 127.0.0.1")


def end(connection: socket.socket) -> None:
    """Ends a connection from another thread, behind everything that has been sent."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # The other side was quicker.
        pass


def close_listener(listener: socket.socket) -> None:
    """Closes it, and wakes the thread that waits for its next connection."""
    end(listener)
    listener.close()
