"""A security key in software: what an authenticator and a browser make of the options that the server answers."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

ES256 = -7
RS256 = -257
USER_PRESENT = 0x01
USER_VERIFIED = 0x04
_ATTESTED = 0x40


def encoded(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _integer(number: int) -> bytes:
    """An integer in CBOR, of up to two bytes."""
    kind, value = (0x00, number) if number >= 0 else (0x20, -1 - number)
    return bytes([kind | value]) if value < 24 else bytes([kind | 25]) + value.to_bytes(2, "big")


def _bytes(data: bytes) -> bytes:
    """A byte string in CBOR."""
    return b"\x59" + len(data).to_bytes(2, "big") + data


@dataclass
class SecurityKey:
    """One credential for the page at `origin`, which speaks for the relying party."""

    origin: str
    algorithm: int = ES256
    flags: int = USER_PRESENT | USER_VERIFIED
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    count: int = 0

    def __post_init__(self) -> None:
        if self.algorithm == ES256:
            self.key = ec.generate_private_key(ec.SECP256R1())
        else:
            self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def create(self, options: dict) -> dict:
        """RegistrationResponseJSON for CredentialCreationOptions."""
        credential = self.id_length + self.id + self._public_key()
        data = self._data(options["rp"]["id"], self.flags | _ATTESTED) + bytes(16) + credential
        attestation = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData" + _bytes(data)
        return self._answer(
            clientDataJSON=encoded(self._client_data("webauthn.create", options)),
            attestationObject=encoded(attestation),
            transports=["usb"],
        )

    def get(self, options: dict) -> dict:
        """AuthenticationResponseJSON for CREDENTIAL_REQUEST_OPTIONS."""
        self.count += 1
        data, client_data = self._data(options["rpId"], self.flags), self._client_data("webauthn.get", options)
        return self._answer(
            clientDataJSON=encoded(client_data),
            authenticatorData=encoded(data),
            signature=encoded(self._sign(data + hashlib.sha256(client_data).digest())),
        )

    @property
    def id_length(self) -> bytes:
        """Length of the credential's id, as authenticators write it."""
        return len(self.id).to_bytes(2, "big")

    def _public_key(self) -> bytes:
        """The key as a map of COSE."""
        numbers = self.key.public_key().public_numbers()
        if self.algorithm == ES256:
            x, y = (_bytes(part.to_bytes(32, "big")) for part in (numbers.x, numbers.y))
            members = {1: _integer(2), 3: _integer(ES256), -1: _integer(1), -2: x, -3: y}
        else:
            n, e = _bytes(numbers.n.to_bytes(256, "big")), _bytes(numbers.e.to_bytes(3, "big"))
            members = {1: _integer(3), 3: _integer(RS256), -1: n, -2: e}
        return bytes([0xA0 | len(members)]) + b"".join(_integer(name) + value for name, value in members.items())

    def _sign(self, data: bytes) -> bytes:
        if self.algorithm == ES256:
            return self.key.sign(data, ec.ECDSA(hashes.SHA256()))
        return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def _data(self, relying_party: str, flags: int) -> bytes:
        """Authenticator data without what only a registration has."""
        return hashlib.sha256(relying_party.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client_data(self, kind: str, options: dict) -> bytes:
        said = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _answer(self, **response: object) -> dict:
        return {
            "id": encoded(self.id),
            "rawId": encoded(self.id),
            "type": "public-key",
            "authenticatorAttachment": "cross-platform",
            "clientExtensionResults": {},
            "response": response,
        }
