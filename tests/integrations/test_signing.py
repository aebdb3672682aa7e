"""Signed requests: what a signature covers, that the public key proves it, and keys that cannot be read."""

from __future__ import annotations

import base64
import datetime as dt

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from integrations.requesting import Request, signed
from integrations.signing import Signing, is_by
from integrations.spec import Connector, Read
from ledgerhub.core.errors import ConfigError

NOW = dt.datetime(2026, 3, 3, 12, tzinfo=dt.UTC)
SIGNING = Signing("private", "known_as", "X-Acme-Key")
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
REQUEST = Request(
    "GET", "https://api.acme.example/v1/money?from=1", {"page": 2}, b"", {"Accept": "x"}, "test"
)
COVERED = '"x-acme-key" "@method" "@path" "@authority"'
BASE = (
    '"x-acme-key": key-7\n"@method": GET\n"@path": /v1/money\n"@authority": api.acme.example\n'
    f'"@signature-params": ({COVERED});created={int(NOW.timestamp())}'
)


def pem(key: Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def signature_of(request: Request) -> bytes:
    return base64.b64decode(request.headers["signature"].removeprefix("sig1=:").removesuffix(":"))


@pytest.mark.parametrize("form", ["lines", "one line", "bare"])
def test_a_signature_covers_name_method_and_address(form: str) -> None:
    key = pem(PRIVATE)
    key = key if form == "lines" else key.replace("\n", "")
    key = key.replace("-----BEGIN PRIVATE KEY-----", "").split("---")[0] if form == "bare" else key
    made = SIGNING.signed(REQUEST, {"private": key, "known_as": "key-7"}, NOW)
    assert made.headers | {"signature": ""} == {
        "Accept": "x",
        "x-acme-key": "key-7",
        "signature-input": f"sig1=({COVERED});created={int(NOW.timestamp())}",
        "signature": "",
    }
    assert is_by(PRIVATE.public_key(), signature_of(made), BASE.encode())
    assert not is_by(PRIVATE.public_key(), signature_of(made), BASE.replace("GET", "POST").encode())


def test_what_is_carried_is_signed_too() -> None:
    request = REQUEST._replace(method="POST", body=b'{"hello": "world"}')
    made = SIGNING.signed(request, {"private": pem(PRIVATE), "known_as": "key-7"}, NOW)
    assert made.headers["content-digest"] == "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"
    assert made.headers["signature-input"].startswith('sig1=("content-digest" "x-acme-key"')


def test_an_rsa_key_signs_likewise() -> None:
    private = generate_private_key(65537, 2048)
    text = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    made = SIGNING.signed(REQUEST, {"private": text, "known_as": "key-7"}, NOW)
    assert is_by(private.public_key(), signature_of(made), BASE.encode(), PKCS1v15(), SHA256())


def test_without_a_key_nothing_is_signed_and_no_public_address_ever() -> None:
    assert SIGNING.signed(REQUEST, {}, NOW) == REQUEST
    connector = Connector("acme", "Acme", "other", "", (), signing=SIGNING)
    settings = {"private": pem(PRIVATE), "known_as": "key-7"}
    assert signed(REQUEST, connector, Read("/x", public=True), settings, NOW) == REQUEST
    assert signed(REQUEST, connector, Read("/x"), settings, NOW) != REQUEST


@pytest.mark.parametrize("key", ["", "x", "not base64!", base64.b64encode(b"no key").decode()])
def test_a_key_that_cannot_be_read_is_said_in_words(key: str) -> None:
    with pytest.raises(ConfigError, match="The signing key cannot be read"):
        SIGNING.signed(REQUEST, {"private": key, "known_as": "key-7"}, NOW)
