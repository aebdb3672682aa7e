"""The steps of OAuth that need no network."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from integrations import oauth
from integrations.oauth import MemoryTokenStore, Token
from integrations.spec import OAuth2
from tests.integrations.made_up import OAUTH

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


def test_a_refresh_token_that_a_person_was_handed() -> None:
    auth = OAuth2("", "https://x.example/t", given="handed")
    assert oauth.given_token(auth, SETTINGS) is None
    token = oauth.given_token(auth, {**SETTINGS, "handed": "r0"})
    assert token == Token("", "r0")
    assert oauth.renewal_request(auth, SETTINGS, token).form["refresh_token"] == "r0"


def test_a_sibling_that_renewed_first_is_believed() -> None:
    store = MemoryTokenStore(Token("a2", "r2"))
    assert store.renew(Token("a1", "r1"), lambda token: Token("never")) == Token("a2", "r2")
