"""Connectors of systems that do not exist, one for each way of paging and signing in."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from integrations.paging import (
    AfterLastId,
    BehindLast,
    BodyToken,
    GraphQL,
    LinkHeader,
    Offset,
    PageNumber,
    PageOrToken,
    Paginator,
)
from integrations.spec import (
    Auth,
    Basic,
    Bearer,
    Connector,
    Each,
    HeaderKey,
    Incremental,
    NoAuth,
    OAuth2,
    Read,
    Setting,
    Stream,
)

SECRETS = {
    "key": "canary-key-73b1c0ffee",
    "user": "canary-user-9d2",
    "password": "canary-pass-4f4/&?",
    "client_id": "canary-client-id",
    "client_secret": "canary-client-secret-1",
}
SINCE = dt.date(2026, 1, 1)


def _connector(key: str, paginator: Paginator, auth: Auth, *, query: str = "", text: str = "") -> Connector:
    path = "/graphql" if query else "/things"
    records = "data.things.nodes" if query else "data"
    things = Stream(
        key="things",
        label="Things",
        read=Read(path, {"q": text} if text else {}, records, paginator, query=query),
        one=Read("/things/{id}") if not query else None,
        incremental=Incremental("at", "since", overlap=60),
        outputs=(),
    )
    return Connector(
        key=key,
        label="Made Up",
        category="other",
        summary="A system of the tests",
        base_url="https://made-up.example",
        auth=auth,
        settings=tuple(Setting(name, name, "secret") for name in SECRETS),
        streams=(things,),
        advice={401: "Make a new key."},
    )


OAUTH = OAuth2("https://made-up.example/authorize", "https://made-up.example/token", ("read", "books"))
MACHINE = OAuth2(
    "", "https://made-up.example/token", ("read",), grant="client_credentials", client_auth="basic"
)
TELLING = replace(OAUTH, place="at", hosts=("*.acme.example",))
BEHIND = BehindLast(" at {moment} from {id} on", "at", "id", size=3, done="all")
PAGE_OR_TOKEN = PageOrToken("page", 4, "size", "token", "info.next", "info.more")
QUERY = "query Things($first: Int!, $after: String, $since: String) { things { nodes { id at } } }"


def _apart(connector: Connector, places: Each, *, in_path: bool = False) -> Connector:
    """The same, its list kept apart for each place."""
    (things,) = connector.streams
    assert things.read is not None
    place = {"path": "/things{place}"} if in_path else {"params": {"at_place": "{place}"}}
    listed = replace(things.read, sparse=True, decode="json_or_nothing", **place)
    return replace(connector, streams=(replace(things, each=places, read=listed),))


MADE_UP = (
    _connector("after_id", AfterLastId("after", more="more"), Bearer("key")),
    _connector("body_token", BodyToken("token", "next.token"), Basic("user", "password")),
    _connector("page_number", PageNumber("page", 4, "per_page"), HeaderKey("X-Key", "key", "Key ")),
    _connector("page_count", PageNumber("page", 4, "size", first=0, total="total"), NoAuth()),
    _connector("offset", Offset("skip", 3, "take"), OAUTH),
    _connector("offset_total", Offset("skip", 3, "take", total="total"), MACHINE),
    _connector("behind_last", BEHIND, TELLING, text="the things{behind} in order"),
    _connector("link_header", LinkHeader(), Bearer("key")),
    _apart(
        _connector("each_place", BodyToken("cursor", "cursor"), Bearer("key")),
        Each("place", Read("/places", records="places")),
    ),
    _apart(
        _connector("each_shelf", PageNumber("page", 4, "size"), NoAuth()),
        Each("place", values=("kept", "old")),
    ),
    _apart(
        _connector("each_path", PAGE_OR_TOKEN, Bearer("key")),
        Each("place", values=("", "/old")),
        in_path=True,
    ),
    _connector("graphql", GraphQL("data.things", size=3), Bearer("key"), query=QUERY),
)
