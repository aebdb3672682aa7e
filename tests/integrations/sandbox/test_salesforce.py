"""The simulated Salesforce by itself: its query language, its pages, its sessions and what dies with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from integrations.sandbox.business import simulate
from integrations.sandbox.salesforce_soql import Wrong, parse
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems import salesforce
from integrations.sandbox.systems.salesforce import BATCH, DATA, org
from integrations.sandbox.wholesale import Wholesale, identity

SCHEMA = {"Thing": ("Id", "At", "Big")}
ROWS = [
    {"Id": "b", "At": "2024-05-09T21:14:05.000+0000", "Big": True},
    {"Id": "a", "At": "2024-05-09T21:14:05.000+0000", "Big": False},
    {"Id": "c", "At": "2024-05-08T21:14:05.000+0000", "Big": True},
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SELECT Id FROM Thing", ["b", "a", "c"]),
        ("SELECT Id FROM Thing ORDER BY At, Id LIMIT 2", ["c", "a"]),
        ("SELECT Id FROM Thing WHERE Big = true ORDER BY Id", ["b", "c"]),
        ("SELECT Id FROM Thing WHERE At >= 2024-05-09T21:14:05Z AND Id != 'a'", ["b"]),
        (
            "SELECT Id FROM Thing WHERE At >= 2024-05-01T00:00:00Z AND (At > 2024-05-09T21:14:05.000Z "
            "OR (At = 2024-05-09T23:14:05.000+02:00 AND Id > 'a'))",
            ["b"],
        ),
    ],
)
def test_queries(text: str, found: list[str]) -> None:
    assert [row["Id"] for row in parse(text, SCHEMA).of(ROWS)] == found


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT * FROM Thing", "MALFORMED_QUERY"),
        ("SELECT Id FROM Other", "INVALID_TYPE"),
        ("SELECT Id, Small FROM Thing", "INVALID_FIELD"),
        ("SELECT Id, Id FROM Thing", "INVALID_FIELD"),
        ("SELECT Id FROM Thing WHERE Small = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Thing WHERE At > 2024-05-09", "MALFORMED_QUERY"),
        ("SELECT Id FROM Thing WHERE Id = 'a' AND Id = 'b' OR Id = 'c'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Thing WHERE (Id = 'a'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Thing WHERE Id = 'a')", "MALFORMED_QUERY"),
        ("SELECT Id FROM Thing WHERE Id", "MALFORMED_QUERY"),
    ],
)
def test_queries_that_are_none(text: str, code: str) -> None:
    with pytest.raises(Wrong) as wrong:
        parse(text, SCHEMA)
    assert wrong.value.code == code


def test_ids_tell_in_their_last_three_which_letters_are_capitals() -> None:
    assert identity("001", 0) == "001Hb0000000000IAA"
    assert identity("003", 900) == "003Hb00000000EWIAY"
    assert len({identity("001", number) for number in range(4000)}) == 4000


# ── over HTTP ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with running(simulate(7, orders=60)) as found:
        yield found


def asked(server: SandboxServer, path: str, session: str, **params: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {session}"}
    return requests.get(f"{server.address}/salesforce{path}", params, headers=headers, timeout=5)


def test_a_list_goes_on_at_a_locator_that_dies_with_the_session(server: SandboxServer) -> None:
    session = salesforce.issue(server.state)["access_token"]
    first = asked(server, f"{DATA}/queryAll", session, q="SELECT Id FROM Contact").json()
    assert (first["done"], len(first["records"])) == (False, BATCH)
    rest = asked(server, first["nextRecordsUrl"], session).json()
    ids = [row["Id"] for row in (*first["records"], *rest["records"])]
    there = [one for one in server.business.of(Wholesale).people if one.created <= server.state.clock]
    assert (rest["done"], sorted(ids)) == (True, sorted(one.id for one in there))
    another = salesforce.issue(server.state)["access_token"]
    answer = asked(server, first["nextRecordsUrl"], another)
    assert (answer.status_code, answer.json()) == (
        400,
        [{"message": "invalid query locator", "errorCode": "INVALID_QUERY_LOCATOR"}],
    )


def test_what_was_deleted_is_told_only_to_who_asks_for_all(server: SandboxServer) -> None:
    session = salesforce.issue(server.state)["access_token"]
    query = "SELECT Id, IsDeleted FROM Account"
    rows: list[dict[str, Any]] = asked(server, f"{DATA}/queryAll", session, q=query).json()["records"]
    alive = asked(server, f"{DATA}/query", session, q=query).json()["records"]
    assert [row for row in rows if not row["IsDeleted"]] == alive
    assert sum(row["IsDeleted"] for row in rows) == 2


def test_a_session_ends_when_it_is_not_used_and_calls_are_counted(server: SandboxServer) -> None:
    session = salesforce.issue(server.state)["access_token"]
    query = "SELECT Name FROM Organization"
    used = asked(server, f"{DATA}/query", session, q=query)
    assert used.headers["Sforce-Limit-Info"] == "api-usage=1/100000"
    org(server.state).sessions[session] = 0.0
    ended = asked(server, f"{DATA}/query", session, q=query)
    assert (ended.status_code, ended.json()[0]["errorCode"]) == (401, "INVALID_SESSION_ID")


def test_what_a_person_may_not_see_there_is_not(server: SandboxServer) -> None:
    server.state.settings["salesforce_hidden"] = ["Contact.Email", "Opportunity"]
    session = salesforce.issue(server.state)["access_token"]
    field = asked(server, f"{DATA}/query", session, q="SELECT Email FROM Contact").json()[0]
    assert field["errorCode"] == "INVALID_FIELD"
    assert field["message"].endswith("No such column 'Email' on entity 'Contact'.")
    kind = asked(server, f"{DATA}/query", session, q="SELECT Id FROM Opportunity").json()[0]
    assert kind["message"].startswith("sObject type 'Opportunity' is not supported.")
