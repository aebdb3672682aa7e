"""Zoho CRM and its sandbox through Prism with the vendor's specification: requests and answers both valid.

The specification names no field of any module and demands none, so an answer is held to the types of what
it has in common with it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from integrations.calls import CallRecord
from integrations.client import Client
from integrations.connectors import CONNECTORS
from integrations.oauth import MemoryTokenStore, read_token
from integrations.sandbox.business import simulate
from integrations.sandbox.school import School
from integrations.sandbox.server import running
from integrations.sandbox.systems.zoho_crm import issue, system
from integrations.spec import OAuth2
from tests.integrations.proving import NOW
from tests.integrations.test_conformance import held_to, prism_command, refusal_of
from tests.integrations.test_connectors import Unlimited

pytestmark = pytest.mark.conformance

ZOHO = CONNECTORS["zoho_crm"]
MODULE = "/crm/v8/{module_api_name}"
PATHS = {"org": ["/crm/v8/org"], "record": [MODULE, f"{MODULE}/deleted"]}


@pytest.fixture(scope="module")
def prism(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The program, and a specification made of the vendor's files. These lead to one another by addresses on
    the web, some to files that are not here; answers are one of several shapes (`oneOf`) of which none
    demands anything, so that all of them fit at once; and Prism knows OAuth with `Bearer` only."""
    source = reference / "vendor/zoho_crm/v8.0"
    if not source.exists():
        pytest.skip(f"no specification at {source}")
    folder = tmp_path_factory.mktemp("zoho")
    texts = {path.stem: _here(path.read_text(), source) for path in source.glob("*.json")}
    for file, text in texts.items():
        (folder / f"{file}.json").write_text(text)
    paths = {path: {"get": _get(texts[file], file, path)} for file, named in PATHS.items() for path in named}
    whole = {"openapi": "3.0.0", "info": {"title": "Zoho CRM", "version": "8"}, "paths": paths}
    (folder / "api.json").write_text(json.dumps(whole))
    return prism_command(), str(folder / "api.json")


def _here(text: str, source: Path) -> str:
    """What leads to a file that is not here allows anything."""

    def local(found: re.Match[str]) -> str:
        there = (source / found[1]).exists()
        return f'"$ref": "{found[1]}{found[2]}"' if there else f'"description": "{found[1]}"'

    text = re.sub(r'"\$ref": *"https://raw[^"#]*/(\w+\.json)(#[^"]*)"', local, text)
    return text.replace('"oneOf"', '"anyOf"')


def _get(text: str, file: str, path: str) -> Any:
    """The operation, leading back into its file."""
    return json.loads(json.dumps(json.loads(text)["paths"][path]["get"]).replace('"#/', f'"{file}.json#/'))


def test_every_request_and_answer_is_as_the_specification_says(prism: tuple[str, str]) -> None:
    business, calls = simulate(orders=60), list[CallRecord]()
    assert isinstance(ZOHO.auth, OAuth2)
    with running(business) as server, held_to(prism, f"{server.address}{system.base}") as address:
        server.state.settings["zoho_per_page"] = 20
        token = read_token(ZOHO.auth, issue(server.state, told=True), now=NOW)
        with Client(
            ZOHO,
            {**system.settings, "base_url": address},
            dict(system.secrets),
            store=MemoryTokenStore(token),
            record_call=calls.append,
            allow_loopback=True,
            budget=lambda bucket: Unlimited(),
            now=lambda: NOW,
        ) as client:
            assert client.test().words == "Connected to Harbor Coffee Co. School (sandbox)."
            ids = {
                stream.key: {
                    row["id"]
                    for cursor in ({}, {"at": "2000-01-01T00:00:00Z"})  # the deleted ones with the second
                    for page in client.pages(stream, cursor)
                    for row in page.records
                }
                for stream in ZOHO.streams
            }
    clock, school = business.clock, business.of(School)
    assert ids == {
        "accounts": {one.id for one in school.accounts if one.created <= clock},
        "contacts": {one.id for one in school.people if one.created <= clock},
        "deals": {one.id for one in school.opportunities if one.created <= clock},
    }
    assert {call.status for call in calls} == {200}


def test_prism_would_notice(prism: tuple[str, str]) -> None:
    """The proof of the proof: a page size that is no number is refused before the sandbox hears of it."""
    with running(simulate(orders=60)) as server, held_to(prism, f"{server.address}{system.base}") as address:
        assert refusal_of(f"{address}/crm/v8/Contacts?fields=Email&per_page=few") == 422
