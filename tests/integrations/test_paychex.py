"""Paychex end to end: books to the cent, pages and parts of checks, what is deleted, tokens, whose books."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest
from pytest_django import Settings

from integrations import connectors, register, sync
from integrations.connection import connect
from integrations.connectors.paychex import connector, shape_period
from integrations.models import Integration, Quarantine, RawRecord, SyncRun
from integrations.register import Choice
from integrations.sandbox import truth
from integrations.sandbox.business import simulate
from integrations.sandbox.events import instant
from integrations.sandbox.paychecks import Crew, Run
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems import paychex
from integrations.sandbox.systems.paychex import desk
from integrations.spec import Limits
from ledgerhub.access.models import Organization
from ledgerhub.core.errors import ConfigError
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.entries import AccountRef
from ledgerhub.ledger.models import Document
from tests.integrations.sampled import booked, made_of, mapping, records_of
from tests.integrations.sandbox.settled import owed
from tests.integrations.test_sandbox_books import balances
from tests.jobs import drain

SPECIFICATION = "vendor/paychex/openapi/paychex-external-api.yaml"
EXAMPLES = "/components/examples/JSONEXAMPLES/value"
pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Flex:
    """The client over there, and the integration."""

    server: SandboxServer
    integration: Integration

    @property
    def runs(self) -> tuple[Run, ...]:
        return self.server.business.of(Crew).runs

    def of(self, label: str) -> Run:
        return next(run for run in self.runs if run.label.startswith(label))

    def read(self) -> SyncRun:
        """All payrolls once more; the first time the stream is switched on."""
        if not self.integration.streams.exists():
            register.activate(self.integration, [Choice("payrolls")])
        sync.request_run(self.integration.streams.get(), trigger="person")
        drain()
        return SyncRun.objects.latest("pk")

    def true(self) -> dict[str, int]:
        return truth.balances(self.server.business, clock=self.server.state.clock, systems=["paychex"])


@pytest.fixture
def there(organization: Organization, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flex]:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True
    install_chart(organization)
    plenty = replace(connector, limits=Limits(100_000, 100_000))
    monkeypatch.setitem(connectors.CONNECTORS, "paychex", plenty)
    with running(simulate(7, orders=60)) as server:
        system = paychex.system
        given = {**system.settings, **system.secrets, "base_url": server.address + system.base}
        yield Flex(server, register.create(organization, "paychex", name="Crew", settings=given))


# ── books ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_books_are_the_truth_to_the_cent(there: Flex, organization: Organization) -> None:
    """Also where checks come two at a time, which is fewer than we ask for."""
    there.server.state.settings["paychex_page"] = 2
    assert there.read().state == "succeeded"
    assert [(q.external_id, q.cause_label) for q in Quarantine.objects.all()] == []
    assert balances(organization) == there.true()
    assert set(there.true()) == {
        *("wages", "payroll_taxes", "wages_payable", "payroll_taxes_payable"),
        *("benefits_payable", "deductions_payable"),
    }
    again = there.read()
    assert (again.state, again.new, again.changed) == ("succeeded", 0, 0)
    assert balances(organization) == there.true()


def test_a_correction_is_read_whose_period_ended_before_the_chosen_day(there: Flex) -> None:
    late = there.of("Correction")
    assert late.until < late.check
    register.activate(there.integration, [Choice("payrolls", late.check)])
    there.read()
    there.read()
    paid = {run.check for run in there.runs if run.stands(there.server.state.clock)}
    assert {*Document.objects.values_list("date", flat=True)} == {date for date in paid if date >= late.check}
    made = Document.objects.get(external_id__startswith=late.id)
    wrong, right = late.checks
    wages = [line for line in made.data["lines"] if line["description"] in ("Hourly", "Overtime")]
    assert sum(line["amount"] for line in wages) == right.gross + wrong.gross < 0


def test_a_run_that_is_deleted_leaves_the_books(
    there: Flex, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where each page is read by another worker: what was told so far is kept with the run."""
    monkeypatch.setattr(sync, "SLICE_SECONDS", 0.0)
    deleted, end = there.of("Bonus (3)"), there.server.state.clock
    there.server.state.move(deleted.processed + 60)
    there.read()
    assert Document.objects.filter(external_id__startswith=deleted.id).exclude(status="void").count() == 1
    assert balances(organization) == there.true()
    there.server.state.move(end)
    there.read()
    assert balances(organization) == there.true()
    asked = there.integration.calls.filter(purpose="payrolls: one").values_list("status", flat=True)
    assert [*asked] == [404]


def test_a_run_that_is_opened_again_leaves_the_books_until_it_is_done(
    there: Flex, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.read()
    last = max(Document.objects.values_list("date", flat=True))
    opened = next(run for run in there.runs if run.check == last)
    honest = paychex.status
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(paychex, "status", lambda run, at: "ENTRY" if run == opened else honest(run, at))
        there.read()
    assert Document.objects.get(external_id__startswith=opened.id).status == "void"
    there.read()
    assert balances(organization) == there.true()


def test_checks_that_are_missing_wait_for_a_person(
    there: Flex, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a page is cut short without a word, the count of the period tells."""
    whole = paychex._content
    monkeypatch.setattr(
        paychex, "_content", lambda rows, request=None, most=100: whole(rows[: 3 if request else None])
    )
    there.read()
    assert Document.objects.count() == 1  # the correction, of two checks
    assert {q.cause_label for q in Quarantine.objects.all()} == {
        "The record is not built the way we know such records (ValueError: … checks are listed where … are "
        "counted), so none of it is booked."
    }


def test_the_bank_settles_what_payrolls_owe() -> None:
    """But for what was processed and not paid yet, and what is collected a month later."""
    business = simulate(7, orders=60)
    runs = business.of(Crew).runs
    for date in (business.start, business.end, business.horizon):
        standing = [run for run in runs if run.processed <= instant(date, 23) and not run.deleted]
        open_ones = [one for run in standing if run.check > date for one in run.checks]
        found = owed(business, "paychex", date)
        assert found["wages_payable"] == sum(one.net for one in open_ones)
        assert found["payroll_taxes_payable"] == sum(one.taxes for one in open_ones)
    assert owed(business, "paychex", business.end)["benefits_payable"] > 0


# ── the vendor's own check ──────────────────────────────────────────────────────────────────────────


def test_the_vendors_processed_check_is_booked(reference: Path) -> None:
    """Of its specification: what is memoed or told only moves nothing, and net pay comes out."""
    [[check], [period]] = (
        records_of({"file": SPECIFICATION, "at": f"{EXAMPLES}/{name}/value/content"}, None, reference)
        for name in ("PROCESSED_CHECK_GET", "COMPANY_PPRD_GET")
    )
    record = {**period, "status": "COMPLETED", "checkCount": 1, "checks": [check]}
    stream = connector.stream("payrolls")
    drafts, errors, invalid = made_of(stream, mapping(connector, stream, {}), record)
    assert (errors, invalid) == ([], [])
    assert booked(drafts) == [
        "2019-05-12 entry: code.6100 80000 USD, code.6110 1160 USD, code.6110 4960 USD, code.6110 480 USD, "
        "code.6110 2500 USD, code.6110 60 USD, code.2410 -1160 USD, code.2410 -4960 USD, "
        "code.2410 -2833 USD, code.2410 -260 USD, code.2410 -122 USD, code.2410 -1160 USD, "
        "code.2410 -4960 USD, code.2410 -480 USD, code.2410 -2500 USD, code.2410 -60 USD, "
        "code.2400 -50665 USD, code.2420 -20000 USD"
    ]
    made = shape_period(record)["journals"][0]["lines"]
    assert next(line["amount"] for line in made if line["name"] == "Net pay") == Decimal("-506.65")


# ── whose books, tokens, refusals ───────────────────────────────────────────────────────────────────


def test_the_test_says_whose_payroll_it_is(there: Flex) -> None:
    client, _ = connect(there.integration, purpose="test")
    assert client.test().words == "Connected to Harbor Coffee Co. Roastery."
    there.integration.settings = {**there.integration.settings, "client_number": "00000000"}
    client, _ = connect(there.integration, purpose="test")
    with pytest.raises(ConfigError, match="does not let this application see client 00000000"):
        client.test()


def test_the_preview_shows_the_first_payrolls_of_a_year_that_began_without_any(there: Flex) -> None:
    found = register.preview(there.integration, connector.stream("payrolls"), since=dt.date(2026, 1, 1))
    shown = [(entry.date, line.account) for one in found for entry in one.entries for line in entry.lines]
    assert shown[0] == (there.runs[0].check, AccountRef("code", "6100"))


def test_a_wrong_secret_is_said_as_such(there: Flex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paychex, "SECRET", "another by now")
    assert register.test_connection(there.integration) == (
        False,
        "Paychex Flex does not accept these credentials (401). Check API key and secret.",
    )


def test_of_another_client_nothing_is_read(there: Flex) -> None:
    there.integration.settings = {**there.integration.settings, "client_number": "00000000"}
    there.integration.save(update_fields=["settings"])
    run = there.read()
    assert (run.state, run.error_kind) == ("failed", "config")
    assert "lists no company" in run.error


def test_a_token_that_ends_is_asked_for_anew(there: Flex) -> None:
    """How long it lasts is told as text."""
    there.read()
    desk(there.server.state).access.clear()
    assert there.read().state == "succeeded"
    calls = [*there.integration.calls.order_by("pk").values_list("purpose", "status")]
    assert [status for purpose, status in calls if purpose == "token"] == [200, 200]


def test_names_of_workers_are_not_asked_for(there: Flex) -> None:
    """What each earns is told with the checks alone; it is kept under an id, as it was sent."""
    there.read()
    paths = {*there.integration.calls.exclude(purpose="token").values_list("url", flat=True)}
    assert not any("/workers" in path for path in paths)
    assert "familyName" not in json.dumps([row.payload for row in RawRecord.objects.all()], default=str)
