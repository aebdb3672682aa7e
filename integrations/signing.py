"""Pure: signatures by private and public keys: of requests that we sign (RFC 9421), of what others sent."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from ledgerhub.core.errors import ConfigError

if TYPE_CHECKING:
    from integrations.requesting import Request


@dataclass(frozen=True, slots=True)
class Signing:
    """`key`: the secret setting of our private key (Ed25519 or RSA, as PKCS 8 with or without its PEM lines);
    `name`: the one of what the system knows that key by, sent in `header` and signed with the rest. Where
    neither is set nothing is signed."""

    key: str
    name: str
    header: str

    def signed(self, request: Request, settings: Mapping[str, Any], now: dt.datetime) -> Request:
        """The request with its signature over this name, the method, the address and what it carries."""
        key, name = (str(settings.get(setting) or "") for setting in (self.key, self.name))
        if not key and not name:
            return request
        url, digest = urlsplit(request.url), base64.b64encode(hashlib.sha256(request.body).digest()).decode()
        carried = {"content-digest": f"sha-256=:{digest}:"} if request.body else {}
        named = {self.header.lower(): name}
        about = {"@method": request.method, "@path": url.path, "@authority": url.netloc}
        covered = {**carried, **named, **about}
        names = " ".join(f'"{part}"' for part in covered)
        said = f"({names});created={int(now.timestamp())}"
        lines = [f'"{part}": {value}' for part, value in {**covered, "@signature-params": said}.items()]
        signature = base64.b64encode(_signature(key, "\n".join(lines).encode())).decode()
        proof = {"signature-input": f"sig1={said}", "signature": f"sig1=:{signature}:"}
        return request._replace(headers={**request.headers, **carried, **named, **proof})


def _signature(key: str, content: bytes) -> bytes:
    try:
        private = load_der_private_key(unwrapped(key), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        private = None
    if isinstance(private, Ed25519PrivateKey):
        return private.sign(content)
    if isinstance(private, RSAPrivateKey):
        return private.sign(content, PKCS1v15(), SHA256())
    raise ConfigError(
        "The signing key cannot be read: it must be the private key as the system handed it out."
    )


def unwrapped(key: str) -> bytes:
    """A key in PEM, with or without its lines, as DER; raises ValueError."""
    return base64.b64decode(re.sub(r"-----[A-Z ]+-----|\s", "", key), validate=True)


class Key(Protocol):
    """A public key of any kind; `how` is what its kind of signature needs to be told."""

    def verify(self, signature: bytes, content: bytes, /, *how: Any) -> None: ...


def is_by(key: Key, signature: bytes, content: bytes, *how: Any) -> bool:
    """Whether the content was signed by the owner of the key."""
    try:
        key.verify(signature, content, *how)
    except InvalidSignature:
        return False
    return True


_DIGESTS = {"SHA1": SHA1(), "SHA256": SHA256()}


def is_by_curve(key: str, digest: str, signature: str, content: bytes) -> bool:
    """Whether the content bears this ECDSA signature (base64) of the owner of a public key (PEM) over the
    named digest; not either where one of them cannot be read."""
    try:
        public, given = load_der_public_key(unwrapped(key)), base64.b64decode(signature, validate=True)
    except (ValueError, UnsupportedAlgorithm):
        return False
    if not isinstance(public, EllipticCurvePublicKey) or digest not in _DIGESTS:
        return False
    return is_by(public, given, content, ECDSA(_DIGESTS[digest]))
