"""A real SMTP server on loopback, with its own certificate authority."""

from __future__ import annotations

import datetime
import ipaddress
import re
import socket
import ssl
import threading
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

USER = "poolkeeper"
PASSWORD = "mail secret"


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Certificates:
    """An authority, and a certificate of 127.0.0.1 signed by it, as PEM files."""

    def __init__(self, directory: Path) -> None:
        self.ca_file = directory / "ca.pem"
        self.chain_file = directory / "server.pem"
        self.key_file = directory / "server.key"
        authority_key = ec.generate_private_key(ec.SECP256R1())
        authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        authority = (
            self._builder(authority_name, authority_name, authority_key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(authority_key, hashes.SHA256())
        )
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        certificate = (
            self._builder(name, authority_name, key)
            .add_extension(x509.SubjectAlternativeName([address, x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        self.ca_file.write_bytes(authority.public_bytes(pem))
        self.chain_file.write_bytes(certificate.public_bytes(pem))
        self.key_file.write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )

    @staticmethod
    def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=2))
        )

    def context(self) -> ssl.SSLContext:
        """The server's side of TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain_file, self.key_file)
        return context


class MailServer:
    """Takes mail on one port, over STARTTLS or TLS, after AUTH only; keeps it. May go down and come up again."""

    def __init__(self, certificates: Certificates, encryption: str = "starttls", password: str = PASSWORD) -> None:
        self.certificates = certificates
        self.encryption = encryption
        self.password = password
        self.port = free_port()
        self.received: list[tuple[str, list[str], EmailMessage]] = []
        self.log_ins: list[bool] = []
        self.changed = threading.Condition()
        self.controller: Controller | None = None

    def start(self) -> MailServer:
        """Listens."""
        shared = {
            "hostname": "127.0.0.1",
            "port": self.port,
            "auth_required": True,
            "authenticator": self._authenticate,
            "server_kwargs": {},
        }
        context = self.certificates.context()
        if self.encryption == "tls":
            # aiosmtpd knows only STARTTLS as "TLS before AUTH"; here the whole connection is already encrypted.
            self.controller = Controller(self, ssl_context=context, auth_require_tls=False, **shared)
        else:
            self.controller = Controller(
                self, tls_context=context, require_starttls=True, auth_require_tls=True, **shared
            )
        self.controller.start()
        return self

    def stop(self) -> None:
        """Goes down; what was received stays."""
        if self.controller is not None:
            self.controller.stop(no_assert=True)
            self.controller = None

    def _authenticate(self, _server, _session, _envelope, mechanism: str, data: object) -> AuthResult:
        given = isinstance(data, LoginPassword) and mechanism in ("LOGIN", "PLAIN")
        right = given and (data.login, data.password) == (USER.encode(), self.password.encode())
        with self.changed:
            self.log_ins.append(right)
            self.changed.notify_all()
        return AuthResult(success=right, handled=False)

    async def handle_DATA(self, _server, session, envelope) -> str:
        """aiosmtpd's hook: one whole mail has arrived."""
        assert session.authenticated
        mail = message_from_bytes(envelope.content, policy=policy.default)
        with self.changed:
            self.received.append((envelope.mail_from, list(envelope.rcpt_tos), mail))
            self.changed.notify_all()
        return "250 OK"

    def wait_for(self, recipient: str, seconds: float) -> tuple[str, EmailMessage]:
        """The first mail to this recipient: its envelope sender and itself."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while True:
                for sender, recipients, mail in self.received:
                    if recipient in recipients:
                        return sender, mail
                remaining = deadline - time.monotonic()
                assert remaining > 0, f"no mail to {recipient} in {seconds} s; log-ins {self.log_ins}"
                self.changed.wait(remaining)

    def count(self, recipient: str) -> int:
        """How many mails this recipient got."""
        with self.changed:
            return sum(recipient in recipients for _, recipients, _ in self.received)

    def __enter__(self) -> MailServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def code_in(mail: EmailMessage) -> str:
    """The six-digit code in a mail's text."""
    body = mail.get_body(preferencelist=("plain", "html"))
    assert body is not None
    found = re.findall(r"(?<!\d)\d{6}(?!\d)", body.get_content())
    assert len(found) == 1, body.get_content()
    return found[0]
