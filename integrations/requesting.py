"""Pure: a read becomes a request: where it goes, what it carries, and where our credentials never go."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from integrations.destination import Write
from integrations.payloads import canonical
from integrations.records import fill
from integrations.spec import (
    Auth,
    Basic,
    Bearer,
    Connector,
    Decode,
    HeaderKey,
    OAuth2,
    Read,
    Settings,
)
from ledgerhub.core.errors import ConfigError

SIZE_CAP = 10 * 1024 * 1024
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Request(NamedTuple):
    """One request before authentication is added."""

    method: str
    url: str
    params: Mapping[str, Any]
    body: bytes
    headers: Mapping[str, str]
    purpose: str
    cost: float = 1.0
    graphql: bool = False
    limit: int = SIZE_CAP
    bucket: str = ""
    decode: Decode = "json"
    once: bool = False  # it changes something: whether it may be sent again is for others to say


def credentials(auth: Auth, settings: Settings, access: str) -> dict[str, str]:
    """The headers that say who we are; `access` is the token, where there is one."""
    if isinstance(auth, Bearer):
        return {"Authorization": f"Bearer {settings.get(auth.secret, '')}"}
    if isinstance(auth, HeaderKey):
        return {auth.header: f"{auth.prefix}{settings.get(auth.secret, '')}"}
    if isinstance(auth, Basic):
        pair = f"{settings.get(auth.username, '')}:{settings.get(auth.password, '')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    if isinstance(auth, OAuth2) and access:
        return {auth.header: f"{auth.prefix}{access}"}
    return {}


def base_url(connector: Connector, settings: Settings, *, allow_loopback: bool) -> str:
    """Where the connector's paths begin. A setting `base_url` replaces it, for a demo on this machine."""
    other = str(settings.get("base_url") or "")
    if other:
        if not allow_loopback or urlsplit(other).hostname not in LOOPBACK:
            raise ConfigError("Another base address is allowed only for the demo on this machine.")
        return other.rstrip("/")
    if not connector.base_url:
        raise ConfigError(f"{connector.label} is fed by files: there is nothing to call.")
    named = [setting for setting in connector.settings if f"{{{setting.name}}}" in connector.base_url]
    for setting in named:
        if problem := setting.problem(settings.get(setting.name)):
            raise ConfigError(problem)
    address = fill(connector.base_url, settings).rstrip("/")
    if urlsplit(address).scheme != "https":
        raise ConfigError(f"{connector.label}: the address must begin with https://")
    return address


def same_host(url: str, base: str) -> str:
    """The next page's address as the system gave it; refused where our credentials would go elsewhere."""
    there, here = urlsplit(url), urlsplit(base)
    if (there.scheme, there.netloc) != (here.scheme, here.netloc):
        raise ConfigError(f"The list continues at another host ({host_of(url)}), where we do not go.")
    return url


def allowed_address(url: str, base: str, hosts: tuple[str, ...]) -> str:
    """An address that we were told: https to one of the hosts the connector names, or our own system's."""
    there, here = urlsplit(url), urlsplit(base)
    if base and (there.scheme, there.netloc) == (here.scheme, here.netloc):
        return url
    known = any(fnmatchcase(there.hostname or "", host) for host in hosts)
    if there.scheme != "https" or not known or there.port not in (None, 443) or "@" in there.netloc:
        raise ConfigError(f"The system names an address at {host_of(url) or 'no host'}, where we do not go.")
    return url


def turned(url: str, settings: Settings) -> str:
    """A whole address of a system; below its other base address where it has one (the demo)."""
    other = str(settings.get("base_url") or "")
    if not other:
        return url
    own, parts = urlsplit(other), urlsplit(url)
    path = own.path.rstrip("/") + parts.path
    return parts._replace(scheme=own.scheme, netloc=own.netloc, path=path).geturl()


def placed(request: Request, base: str, place: str, settings: Settings) -> Request:
    """The request at the address that came with its token, where one did; the demo stays where it is."""
    if not place or settings.get("base_url") or not request.url.startswith(f"{base}/"):
        return request
    return request._replace(url=place + request.url.removeprefix(base))


def filled(value: Any, known: Mapping[str, Any]) -> Any:
    """Placeholders in text values, nested ones too."""
    if isinstance(value, str):
        return fill(value, known)
    if isinstance(value, Mapping):
        return {name: filled(one, known) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [filled(one, known) for one in value]
    return value


def headers_of(
    connector: Connector, read: Read, known: Mapping[str, Any], now: dt.datetime
) -> dict[str, str]:
    """The headers of a read; a public address, which may be somebody else's, gets none of the system's."""
    named = {**known, "now": f"{now:%Y%m%dT%H%M%SZ}"}
    headers = {**({} if read.public else connector.headers), **read.headers}
    return {name: text for name, value in headers.items() if (text := fill(value, named))}


def with_body(request: Request, read: Read, asked: Mapping[str, Any]) -> Request:
    """The request with what is asked for in its body, where the read puts it there."""
    if read.query:
        value: Any = {"query": read.query, "variables": asked}
    elif read.body == "json":
        value = asked
    elif read.body == "form":
        form = {"Content-Type": "application/x-www-form-urlencoded", **request.headers}
        return request._replace(method="POST", body=urlencode(asked, doseq=True).encode(), headers=form)
    else:
        return request
    body = json.dumps(value, separators=(",", ":")).encode()
    return request._replace(
        method="POST", body=body, headers={**request.headers, "Content-Type": "application/json"}
    )


def signed(
    request: Request, connector: Connector, read: Read, settings: Settings, now: dt.datetime
) -> Request:
    """The request with its signature, where the system asks for one; a public address, which may be
    somebody else's, gets none."""
    signing = connector.signing
    return signing.signed(request, settings, now) if signing and not read.public else request


def with_query(request: Request) -> str:
    if not request.params:
        return request.url
    return f"{request.url}?{urlencode(request.params, doseq=True)}"


def host_of(url: str) -> str:
    return urlsplit(url).hostname or ""


def written(write: Write, known: Mapping[str, Any], key: tuple[str, str, str]) -> Request:
    """A write as a request, its idempotency key (header or parameter of that name, value) with it."""
    header, param, value = key
    quoted = {name: quote(str(one), safe="") for name, one in known.items()}
    body = canonical(write.body).encode()
    headers = {"Content-Type": "application/json", **write.headers}
    return Request(
        write.method,
        fill(write.path, quoted),
        {**write.params, **({param: value} if param else {})},
        body if write.body or write.method == "POST" else b"",
        headers | ({header: value} if header else {}),
        "deliver",
        write.cost,
        bucket=write.bucket,
        once=True,
    )
