"""Pure: OAuth 2 in steps: where to send a person, what to ask the token address, what its answer means."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

from authlib.common.security import generate_token
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from integrations.records import fill
from integrations.requesting import allowed_address, host_of, turned
from integrations.spec import OAuth2, Settings
from ledgerhub.core.errors import ConfigError

EARLY = dt.timedelta(seconds=60)  # a token this close to its end is renewed before use


@dataclass(frozen=True, slots=True)
class Token:
    """What a token address gave; `expires_at` None where it does not expire; `place` where it said at which
    address the token is good."""

    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)
    expires_at: dt.datetime | None = None
    scope: str = ""
    place: str = ""

    def is_stale(self, now: dt.datetime) -> bool:
        return self.expires_at is not None and now >= self.expires_at - EARLY


class TokenStore(Protocol):
    """Where an integration's token lives. `renew` holds the row's lock: it reads the token again, returns it
    if it is another than `stale`, else calls `refresh` with it and stores the result before returning it."""

    def current(self) -> Token | None: ...

    def renew(self, stale: Token | None, refresh: Callable[[Token | None], Token]) -> Token: ...


class MemoryTokenStore:
    """A token store for one process."""

    def __init__(self, token: Token | None = None) -> None:
        self._token = token
        self._lock = Lock()

    def current(self) -> Token | None:
        return self._token

    def renew(self, stale: Token | None, refresh: Callable[[Token | None], Token]) -> Token:
        with self._lock:
            if self._token is None or self._token == stale:
                self._token = refresh(self._token)
            return self._token


def consent_until(auth: OAuth2, since: dt.datetime, used: dt.datetime) -> dt.datetime | None:
    """When a consent given at `since` and last used at `used` ends; None where it does not end by itself."""
    ends = [since + dt.timedelta(days=auth.consent_days)] if auth.consent_days else []
    ends += [used + dt.timedelta(days=auth.idle_days)] if auth.idle_days else []
    return min(ends, default=None)


class Begun(NamedTuple):
    """`url` to send the person to; `state` and `verifier` are kept in their session until they come back."""

    url: str
    state: str
    verifier: str


class TokenRequest(NamedTuple):
    url: str
    form: dict[str, str]
    headers: dict[str, str]


def begin(auth: OAuth2, settings: Settings, *, redirect_uri: str) -> Begun:
    """The first step of the authorization code grant."""
    redirect_uri = _back(auth, settings, redirect_uri)
    state, verifier = generate_token(43), generate_token(64)
    extra = dict(auth.extra)
    if auth.pkce:
        extra |= {"code_challenge": create_s256_code_challenge(verifier), "code_challenge_method": "S256"}
    page = turned(fill(auth.authorize_url, settings), settings)
    if auth.asks:
        known = {**settings, "redirect_uri": redirect_uri}
        asked = {name: fill(value, known) for name, value in auth.asks.items()}
        return Begun(f"{page}?{urlencode({**asked, **extra, 'state': state})}", state, verifier * auth.pkce)
    url = prepare_grant_uri(
        page,
        client_id=settings[auth.client_id],
        response_type="code",
        redirect_uri=redirect_uri,
        scope=auth.scope_separator.join(auth.scopes),
        state=state,
        **extra,
    )
    return Begun(str(url), state, verifier * auth.pkce)


def code_request(
    auth: OAuth2, settings: Settings, *, code: str, redirect_uri: str, verifier: str
) -> TokenRequest:
    back = _back(auth, settings, redirect_uri)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
    return _request(auth, settings, form | ({"code_verifier": verifier} if verifier else {}))


def _back(auth: OAuth2, settings: Settings, redirect_uri: str) -> str:
    """Where a person comes back to, in the system's words."""
    return str(settings[auth.redirect]) if auth.redirect else redirect_uri


def given_token(auth: OAuth2, settings: Settings) -> Token | None:
    """The refresh token that a person was handed by the system, where there is one."""
    held = settings.get(auth.given) if auth.given else None
    return Token("", str(held)) if held else None


def renewal_request(auth: OAuth2, settings: Settings, token: Token | None) -> TokenRequest:
    """A refresh; for client credentials simply the next token. Raises ConfigError without a refresh token."""
    if auth.grant == "client_credentials":
        scope = {"scope": auth.scope_separator.join(auth.scopes)} if auth.scopes else {}
        return _request(auth, settings, {"grant_type": "client_credentials", **scope})
    if token is None or not token.refresh:
        raise ConfigError("The connection has ended. Open the integration and connect it again.")
    return _request(auth, settings, {"grant_type": "refresh_token", "refresh_token": token.refresh})


def _request(auth: OAuth2, settings: Settings, form: dict[str, str]) -> TokenRequest:
    client = {"client_id": str(settings[auth.client_id]), "client_secret": str(settings[auth.client_secret])}
    url = fill(auth.token_url, settings)
    if auth.client_auth == "body":
        return TokenRequest(url, form | client, {})
    pair = f"{client['client_id']}:{client['client_secret']}"
    return TokenRequest(url, form, {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"})


def read_token(auth: OAuth2, body: Any, *, now: dt.datetime, before: Token | None = None) -> Token:
    """The token in an answer; where no new refresh token, or no address, is given the old one stays good."""
    access = body.get("access_token") if isinstance(body, dict) else None
    if not isinstance(access, str) or not access:
        raise ConfigError("The system sent no access token. Open the integration and connect it again.")
    lasts = body.get("expires_in")
    expires = (
        now + dt.timedelta(seconds=int(lasts))
        if isinstance(lasts, int | str) and str(lasts).isdigit()
        else None
    )
    refresh = body.get("refresh_token") or (before.refresh if before else "")
    place = _place(auth, body) or (before.place if before else "")
    if auth.place and not place:
        raise ConfigError("The system did not say at which address to call it.")
    return Token(access, str(refresh), expires, str(body.get("scope") or ""), place)


def _place(auth: OAuth2, body: Mapping[str, Any]) -> str:
    """`https://acme.example`: where the answer says that the token is good; raises ConfigError where our
    credentials must not go."""
    told = body.get(auth.place) if auth.place else None
    if not isinstance(told, str) or not told:
        return ""
    return f"https://{host_of(allowed_address(told, '', auth.hosts))}"
