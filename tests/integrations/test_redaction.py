"""Secrets leave no trace in what is kept of a call."""

from __future__ import annotations

import pytest

from integrations.redaction import HIDDEN, Redactor


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"password": "a\\"b", "name": "Ann"}', f'{{"password": "{HIDDEN}", "name": "Ann"}}'),
        ('{"api_key": 12345}', f'{{"api_key": "{HIDDEN}"}}'),
        ('{"client_secret":"abc"}', f'{{"client_secret":"{HIDDEN}"}}'),
        ('{"refresh_token": "cut off in the midd', f'{{"refresh_token": "{HIDDEN}"'),
        ("grant_type=code&client_secret=abc%2F&x=1", f"grant_type=code&client_secret={HIDDEN}&x=1"),
        ("key sk_live_abcdEFGH1234 and rk_test_99999", f"key {HIDDEN} and {HIDDEN}"),
        ("Authorization: Bearer abc.def-ghi", f"Authorization: {HIDDEN}"),
        ("shpat_0123456789abcdef", HIDDEN),
        ("whsec_abcdEFGH", HIDDEN),
        ("eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl", HIDDEN),
        ('{"next_page_token": "p2"}', '{"next_page_token": "p2"}'),
        ('{"total_price": "10.00", "id": 7}', '{"total_price": "10.00", "id": 7}'),
    ],
)
def test_secrets_are_hidden_by_name_and_by_look(text: str, kept: str) -> None:
    assert Redactor().text(text) == kept


def test_known_secrets_are_hidden_in_every_spelling() -> None:
    redact = Redactor(["p/ss w&rd"])
    for text in ("p/ss w&rd", "p%2Fss%20w%26rd", "p%2Fss+w%26rd", "cC9zcyB3JnJk", "p\\/ss w&rd"):
        assert redact.text(f"<{text}>") == f"<{HIDDEN}>"


def test_addresses_lose_their_secrets() -> None:
    redact = Redactor()
    assert redact.url("https://u:p@x.example/a?token=1&page=2#f") == (
        "https://x.example/a?token=%5Bhidden%5D&page=2"
    )


def test_long_and_binary_bodies_are_shortened() -> None:
    redact = Redactor()
    assert redact.excerpt(b"x" * 5000) == "x" * 2000 + " …"
    assert redact.excerpt(b"\x00\x01") == "(2 bytes that are not text)"
