"""The steps of OAuth that need no network."""

from __future__ import annotations

import datetime as dt
from urllib.parse import parse_qs, urlsplit

import pytest

from integrations import oauth
from integrations.connection import read_token, write_token
from integrations.oauth import MemoryTokenStore, Token
from integrations.spec import OAuth2
from ledgerhub.core.errors import ConfigError
from tests.integrations.made_up import OAUTH, TELLING

SETTINGS = {"client_id": "cid", "client_secret": "canary-secret"}


def test_the_way_to_consent() -> None:
    begun = oauth.begin(OAUTH, SETTINGS, redirect_uri="https://books.example/callback")
    asked = parse_qs(urlsplit(begun.url).query)
    assert begun.url.startswith("https://made-up.example/authorize?")
    assert asked["client_id"] == ["cid"]
    assert asked["scope"] == ["read books"]
    assert asked["state"] == [begun.state]
    assert asked["redirect_uri"] == ["https://books.example/callback"]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["code_challenge"] != [begun.verifier]
    assert len(begun.state) >= 40
    again = oauth.begin(OAUTH, SETTINGS, redirect_uri="https://books.example/callback")
    assert begun.state != again.state
    assert "canary-secret" not in begun.url


def test_scopes_can_be_separated_by_commas() -> None:
    auth = OAuth2("https://x.example/a", "https://x.example/t", ("a", "b"), scope_separator=",", pkce=False)
    begun = oauth.begin(auth, SETTINGS, redirect_uri="https://y.example")
    assert parse_qs(urlsplit(begun.url).query)["scope"] == ["a,b"]
    assert begun.verifier == ""


def test_a_page_of_consent_with_names_of_its_own() -> None:
    auth = OAuth2(
        "https://{site}/consent",
        "https://x.example/t",
        pkce=False,
        asks={"application_id": "{application}", "redirect_uri": "{redirect_uri}"},
    )
    settings = {**SETTINGS, "site": "x.example", "application": "app 1"}
    begun = oauth.begin(auth, settings, redirect_uri="https://y.example/back")
    assert begun.url.startswith("https://x.example/consent?")
    assert parse_qs(urlsplit(begun.url).query) == {
        "application_id": ["app 1"],
        "redirect_uri": ["https://y.example/back"],
        "state": [begun.state],
    }


def test_a_system_that_knows_our_address_by_a_name() -> None:
    auth = OAuth2("https://x.example/a", "https://x.example/t", pkce=False, redirect="known_as")
    settings = {**SETTINGS, "known_as": "Harbor-Books-abc"}
    begun = oauth.begin(auth, settings, redirect_uri="https://y.example/back")
    assert parse_qs(urlsplit(begun.url).query)["redirect_uri"] == ["Harbor-Books-abc"]
    asked = oauth.code_request(
        auth, settings, code="c", redirect_uri="https://y.example/back", verifier=begun.verifier
    )
    assert asked.form["redirect_uri"] == "Harbor-Books-abc"


def test_a_refresh_token_that_a_person_was_handed() -> None:
    auth = OAuth2("", "https://x.example/t", given="handed")
    assert oauth.given_token(auth, SETTINGS) is None
    token = oauth.given_token(auth, {**SETTINGS, "handed": "r0"})
    assert token == Token("", "r0")
    assert oauth.renewal_request(auth, SETTINGS, token).form["refresh_token"] == "r0"


def test_a_sibling_that_renewed_first_is_believed() -> None:
    store = MemoryTokenStore(Token("a2", "r2"))
    assert store.renew(Token("a1", "r1"), lambda token: Token("never")) == Token("a2", "r2")


# ── a system that tells with the token where to call it ─────────────────────────────────────────────

NOW = dt.datetime(2026, 3, 3, 12, tzinfo=dt.UTC)


def test_the_address_is_kept_with_the_token_until_another_is_told() -> None:
    first = oauth.read_token(TELLING, {"access_token": "a1", "at": "https://eu1.acme.example/"}, now=NOW)
    assert first == Token("a1", place="https://eu1.acme.example")
    assert read_token(write_token(first)) == first
    same = oauth.read_token(TELLING, {"access_token": "a2"}, now=NOW, before=first)
    assert same.place == "https://eu1.acme.example"
    moved = {"access_token": "a3", "at": "https://eu2.acme.example"}
    assert oauth.read_token(TELLING, moved, now=NOW, before=same).place == "https://eu2.acme.example"


@pytest.mark.parametrize(
    "told",
    [
        "http://eu1.acme.example",
        "https://acme.example.evil.test",
        "https://evil.test/.acme.example",
        "https://evil.test?x.acme.example",
        "https://evil.test@eu1.acme.example",
        "https://eu1.acme.example:8443",
        "https://10.0.0.7",
        "//eu1.acme.example",
        "x",
    ],
)
def test_an_address_elsewhere_is_refused(told: str) -> None:
    with pytest.raises(ConfigError, match="where we do not go"):
        oauth.read_token(TELLING, {"access_token": "a1", "at": told}, now=NOW)


@pytest.mark.parametrize("told", [{}, {"at": None}, {"at": ""}, {"at": 7}])
def test_without_an_address_nothing_is_called(told: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="did not say at which address"):
        oauth.read_token(TELLING, {"access_token": "a1", **told}, now=NOW)


def test_a_token_kept_before_addresses_were_is_read() -> None:
    assert read_token('["a1", "r1", null, "read"]') == Token("a1", "r1", None, "read")
