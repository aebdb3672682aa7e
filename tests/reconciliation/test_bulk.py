"""Approving from a probability up: what it states, that it takes exactly that, killed anywhere, undone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger.models import Account
from reconciliation import bulk, decisions
from reconciliation.bulk_models import BulkApproval
from reconciliation.models import Match
from tests.jobs import drain
from tests.reconciliation.factories import account, make_bank
from tests.reconciliation.test_queue import propose

SignedIn = Callable[[User], Client]


@pytest.fixture
def bank(organization: Organization) -> Account:
    make_bank(organization)
    return account(organization, "bank")


def url(name: str, *args: Any) -> str:
    return reverse(f"reconciliation:{name}", args=["corner-shop", *args])


def states() -> list[str]:
    return list(Match.objects.order_by("pk").values_list("state", flat=True))


def rows(made: BulkApproval) -> list[tuple[str, str]]:
    return list(made.rows.order_by("pk").values_list("state", "reason"))


def test_what_it_would_take_and_how_much_of_it_is_wrong(
    bank: Account, approver: User, signed_in: SignedIn
) -> None:
    propose(bank, [100], to=[100], probability=0.99)
    propose(bank, [-250], to=[-250], probability=0.96)
    propose(bank, [400, 600], to=[1000], probability=0.8)
    propose(bank, [70], to=[70], probability=0.99, tie=True)
    propose(bank, [90], to=[80], probability=0.99, difference=10)
    page = signed_in(approver).get(url("bulk", bank.pk) + "?least=95")
    offer = page.context["offer"]
    assert (offer.proposals, round(offer.wrong, 6)) == (2, 0.05)
    assert (page.context["money_in"], page.context["money_out"]) == (100, -250)
    assert [made.probability for made, *_ in page.context["rows"]] == [0.96, 0.99]
    found = {each.percent: (each.proposals, round(each.wrong, 6)) for each in page.context["thresholds"]}
    assert found[80.0] == (3, 0.25)
    assert found[99.9] == (0, 0)
    fragment = signed_in(approver).get(
        url("bulk", bank.pk) + "?least=97.5", headers={"HX-Request": "true", "HX-Target": "offer"}
    )
    assert (fragment.context["offer"].proposals, "<html" in fragment.content.decode()) == (1, False)


@pytest.mark.parametrize("least", ["49", "100", "x", "nan", "-1", "1e9", "99.95"])
def test_other_probabilities_are_refused(
    bank: Account, approver: User, signed_in: SignedIn, least: str
) -> None:
    propose(bank, [100], to=[100], probability=0.99)
    client = signed_in(approver)
    page = client.get(url("bulk", bank.pk), {"least": least})
    assert page.context["problem"].endswith("choose a probability from 50 to 99.9.")
    client.post(url("bulk", bank.pk), {"least": least, "newest": "99"})
    assert states() == ["proposed"]


def test_a_few_are_approved_at_once(bank: Account, approver: User, signed_in: SignedIn) -> None:
    for amount, probability in ((100, 0.99), (250, 0.96), (300, 0.5)):
        propose(bank, [amount], to=[amount], probability=probability)
    client = signed_in(approver)
    newest = client.get(url("bulk", bank.pk)).context["newest"]
    propose(bank, [999], to=[999], probability=0.99)
    response = client.post(url("bulk", bank.pk), {"least": "95", "newest": str(newest)})
    made = BulkApproval.objects.get()
    assert response["Location"] == url("bulk_approval", made.pk)
    assert states() == ["confirmed", "confirmed", "proposed", "proposed"]
    assert (made.state, round(made.expected_wrong, 6), made.requested_by) == ("done", 0.05, approver)
    page = client.get(response["Location"])
    assert page.context["progress"] == bulk.Progress(2, 0, 2, 0, 0, 350)
    [event] = AuditEvent.objects.filter(action="bulk_approval.requested")
    assert event.after == {"least": 0.95, "proposals": 2, "expected wrong": 0.05}
    assert AuditEvent.objects.filter(action="match.confirmed", actor=approver).count() == 2


def test_many_are_a_job_that_goes_on_where_it_broke_off(
    bank: Account, approver: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    matches = [propose(bank, [amount], to=[amount]) for amount in range(101, 109)]
    monkeypatch.setattr(bulk, "AT_ONCE", 2)
    monkeypatch.setattr(bulk, "_BATCH", 3)
    made = bulk.ask(bank, 0.95, newest=matches[-1].pk, user=approver)
    assert (made.state, states()) == ("queued", ["proposed"] * 8)
    bulk.execute(made.pk)  # as if the worker were killed after the first batch, its next job lost
    assert states() == ["confirmed"] * 3 + ["proposed"] * 5
    assert drain() == 3
    assert states() == ["confirmed"] * 8
    bulk.execute(made.pk)
    assert rows(made) == [("done", "")] * 8
    assert sum(match.confirmations.count() for match in matches) == 8


def test_a_dropped_job_is_taken_up(bank: Account, approver: User, monkeypatch: pytest.MonkeyPatch) -> None:
    match = propose(bank, [100], to=[100])
    monkeypatch.setattr(bulk, "AT_ONCE", 0)
    made = bulk.ask(bank, 0.95, newest=match.pk, user=approver)
    monkeypatch.setattr(bulk, "async_task", lambda *args: None)
    bulk.take_up_dropped()
    made.refresh_from_db()
    assert made.attempts == 0
    long_ago = timezone.now() - dt.timedelta(hours=1)
    for attempts in range(bulk.MAX_ATTEMPTS):
        BulkApproval.objects.update(touched_at=long_ago)
        bulk.take_up_dropped()
        made.refresh_from_db()
        assert (made.state, made.attempts) == ("queued", attempts + 1)
    BulkApproval.objects.update(touched_at=long_ago)
    bulk.take_up_dropped()
    made.refresh_from_db()
    assert (made.state, states()) == ("failed", ["proposed"])


def test_what_changed_meanwhile_is_told_and_the_rest_goes_through(
    bank: Account, approver: User, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (propose(bank, [amount], to=[amount]) for amount in (100, 200, 300))
    monkeypatch.setattr(bulk, "AT_ONCE", 0)
    made = bulk.ask(bank, 0.95, newest=third.pk, user=approver)
    decisions.reject(first, user=admin)
    second.delete()
    with pytest.raises(RecordError, match="Another bulk approval"):
        bulk.ask(bank, 0.5, newest=third.pk, user=admin)
    drain()
    assert [state for state, _ in rows(made)] == ["failed", "failed", "done"]
    assert "somebody decided it" in rows(made)[0][1]
    assert rows(made)[1][1] == "The proposal was replaced meanwhile: look at the line."
    with pytest.raises(RecordError, match="None of these proposals"):
        bulk.ask(bank, 0.95, newest=third.pk, user=approver)


def test_all_of_it_is_undone_as_one_act(bank: Account, approver: User, signed_in: SignedIn) -> None:
    matches = [propose(bank, [amount], to=[amount]) for amount in (100, 200, 300)]
    made = bulk.ask(bank, 0.95, newest=matches[-1].pk, user=approver)
    decisions.undo(matches[1], user=approver)
    client = signed_in(approver)
    assert client.get(url("bulk_approval", made.pk)).context["may_undo"]
    client.post(url("bulk_reversal", made.pk))
    again = client.post(url("bulk_reversal", made.pk), follow=True)
    assert "can be undone as a whole" in again.content.decode()
    drain()
    made.refresh_from_db()
    assert (made.state, made.undo_requested_by) == ("undone", approver)
    assert rows(made) == [("undone", ""), ("done", "It was undone by itself before."), ("undone", "")]
    assert [m.state for m in Match.objects.filter(pk__in=[m.pk for m in matches])] == ["undone"] * 3
    assert Match.objects.filter(state="proposed").count() == 3, "the engine's proposals stand again"


def test_after_a_week_it_is_too_late(bank: Account, approver: User, signed_in: SignedIn) -> None:
    match = propose(bank, [100], to=[100])
    made = bulk.ask(bank, 0.95, newest=match.pk, user=approver)
    BulkApproval.objects.update(finished_at=timezone.now() - bulk.UNDO_FOR)
    response = signed_in(approver).post(url("bulk_reversal", made.pk))
    assert [str(each)[:40] for each in get_messages(response.wsgi_request)] == [
        "A bulk approval can be undone as a whole"
    ]
    assert states() == ["confirmed"]


def test_who_may(
    bank: Account, viewer: User, bookkeeper: User, outsider: User, approver: User, signed_in: SignedIn
) -> None:
    match = propose(bank, [100], to=[100])
    made = bulk.ask(bank, 0.95, newest=match.pk, user=approver)
    page, undo = url("bulk_approval", made.pk), url("bulk_reversal", made.pk)
    assert signed_in(viewer).get(page).status_code == 200
    assert [signed_in(bookkeeper).get(url("bulk", bank.pk)).status_code] == [403]
    assert signed_in(bookkeeper).post(undo).status_code == 403
    for address in (page, url("bulk", bank.pk)):
        assert signed_in(outsider).get(address).status_code == 404
    assert signed_in(outsider).post(undo).status_code == 404
