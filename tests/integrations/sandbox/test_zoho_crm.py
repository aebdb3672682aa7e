"""The simulated Zoho CRM by itself: its pages and tokens, empty answers, errors, tokens that are few."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests

from integrations.sandbox.business import simulate
from integrations.sandbox.school import School, identity
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems import zoho_crm
from integrations.sandbox.systems.zoho_crm import ALIVE, CLIENT_ID, CLIENT_SECRET, crm

ALL = {"fields": "Full_Name,Modified_Time"}


@dataclass
class Asking:
    server: SandboxServer
    token: str

    def get(self, path: str, since: str = "", **params: str) -> requests.Response:
        headers = {"Authorization": f"Zoho-oauthtoken {self.token}"}
        headers |= {"If-Modified-Since": since} if since else {}
        address = f"{self.server.address}/zoho_crm/crm/v8/{path}"
        return requests.get(address, params, headers=headers, timeout=5)

    def code(self, path: str, since: str = "", **params: str) -> tuple[int, str]:
        answer = self.get(path, since, **params)
        return answer.status_code, answer.json()["code"]


@pytest.fixture
def asking() -> Iterator[Asking]:
    with running(simulate(7, orders=60)) as server:
        yield Asking(server, zoho_crm.issue(server.state)["access_token"])


def test_pages_are_counted_to_a_limit_and_a_token_goes_beyond(asking: Asking) -> None:
    asking.server.state.settings["zoho_counted"] = 20
    first = asking.get("Contacts", **ALL, per_page="10").json()
    second = asking.get("Contacts", **ALL, per_page="10", page="2").json()
    limit = "DISCRETE_PAGINATION_LIMIT_EXCEEDED"
    assert asking.code("Contacts", **ALL, per_page="10", page="3") == (400, limit)
    by_token = asking.get("Contacts", **ALL, per_page="10", page_token=first["info"]["next_page_token"])
    assert by_token.json()["data"] == second["data"]
    seen = [row["id"] for row in first["data"]]
    answer = by_token.json()
    while answer["info"]["more_records"]:
        seen += [row["id"] for row in answer["data"]]
        token = answer["info"]["next_page_token"]
        answer = asking.get("Contacts", **ALL, per_page="10", page_token=token).json()
    seen += [row["id"] for row in answer["data"]]
    clock, people = asking.server.state.clock, asking.server.business.of(School).people
    there = {one.id for one in people if one.created <= clock and not one.is_gone(clock)}
    assert (set(seen), len(seen)) == (there, len(there))
    assert "next_page_token" not in answer["info"]


def test_a_token_is_bound_to_what_was_asked_and_lasts_a_day(asking: Asking) -> None:
    token = asking.get("Contacts", **ALL, per_page="10").json()["info"]["next_page_token"]
    assert asking.code("Accounts", **ALL, page_token=token) == (400, "INVALID_DATA")
    assert asking.code("Contacts", fields="Email", page_token=token) == (400, "INVALID_DATA")
    assert asking.code("Contacts", **ALL, page_token=token, page="2") == (400, "INVALID_DATA")
    pages = crm(asking.server.state).pages
    pages[token] = (*pages[token][:3], 0.0)
    assert asking.code("Contacts", **ALL, page_token=token) == (400, "INVALID_DATA")


def test_fields_must_be_named_and_unknown_ones_are_left_out(asking: Asking) -> None:
    assert asking.code("Contacts") == (400, "REQUIRED_PARAM_MISSING")
    assert asking.code("Contacts", fields=",".join(["Email"] * 51)) == (400, "LIMIT_EXCEEDED")
    row = asking.get("Deals", fields="Deal_Name,Account_Name,Currency").json()["data"][0]
    assert set(row) == {"id", "Deal_Name", "Account_Name", "$currency_symbol"}
    assert set(row["Account_Name"]) == {"id", "name"}
    assert (type(row["id"]), len(identity(3, 5))) == (str, 19)


def test_where_there_is_nothing_a_status_says_so(asking: Asking) -> None:
    late = "2100-01-01T00:00:00+00:00"
    for path, since, status in (("Contacts", late, 304), ("Contacts/deleted", late, 204)):
        answer = asking.get(path, since, **ALL)
        assert (answer.status_code, answer.content) == (status, b"")
    asking.server.state.move(1)
    assert asking.get("Contacts", **ALL).status_code == 204
    for bad in ("yesterday", "2026-01-01T00:00:00"):
        assert asking.code("Contacts", bad, **ALL) == (400, "INVALID_DATA")


def test_what_was_deleted_stands_in_a_list_of_its_own(asking: Asking) -> None:
    (row,) = asking.get("Contacts/deleted").json()["data"]
    twin = asking.server.business.of(School).people[-1]
    assert (row["id"], row["display_name"], row["type"]) == (twin.id, twin.name, "recycle")
    assert asking.get("Contacts/deleted", "2000-01-01T00:00:00+02:00", page="2").status_code == 204


def test_what_it_does_not_know_or_allow(asking: Asking) -> None:
    assert asking.code("Invoices", **ALL) == (400, "INVALID_MODULE")
    asking.server.state.settings["zoho_hidden"] = ["Contacts"]
    assert asking.code("Contacts", **ALL) == (403, "NO_PERMISSION")
    asking.server.state.settings["zoho_credits"] = 0
    assert asking.code("org") == (429, "TOO_MANY_REQUESTS")
    asking.token = "another"
    assert asking.code("org") == (401, "INVALID_TOKEN")


def test_errors_of_tokens_come_with_200_and_the_sixteenth_ends_the_first(asking: Asking) -> None:
    address = f"{asking.server.address}/zoho_crm/oauth/v2/token"
    client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}

    def ask(**form: str) -> dict[str, str]:
        answer = requests.post(address, form, timeout=5)
        assert answer.status_code == 200
        found: dict[str, str] = answer.json()
        return found

    assert ask(client_id=CLIENT_ID, client_secret="x") == {"error": "invalid_client"}
    assert ask(**client, grant_type="authorization_code", code="x") == {"error": "invalid_code"}
    again = {**client, "grant_type": "refresh_token", "refresh_token": crm(asking.server.state).refresh}
    for _ in range(10):
        assert "refresh_token" not in ask(**again)
    assert ask(**again)["error"] == "Access Denied"
    assert asking.get("org").status_code == 200
    for _ in range(ALIVE):
        zoho_crm.issue(asking.server.state)
    assert asking.code("org") == (401, "INVALID_TOKEN")
