"""Keyed anew over there: shown as one difference, not brought in until a person has decided."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from integrations import comparing, redelivery, rekeying
from integrations.models import (
    Comparison,
    Counterpart,
    CounterpartLine,
    Delivery,
    Difference,
    Integration,
    SyncRun,
)
from integrations.sandbox import bookkeeper
from ledgerhub.access.models import User
from ledgerhub.ledger.models import Document
from tests.integrations.comparing_there import bring_in, compare, differences, finish
from tests.integrations.delivering import deliver, sell, withdraw
from tests.integrations.quickbooks_company import There, there
from tests.integrations.test_comparing import known, post
from tests.integrations.tiny_books import TinyBooks
from tests.ledger.drafts import DAY

pytestmark = pytest.mark.django_db

__all__ = ["there"]


def rekey(there: There, **changes: Any) -> None:
    """The bookkeeper deletes the newest receipt of ours and keys it in again."""
    bookkeeper.work(there.server.business, there.books, "rekey")
    if changes:
        receipt = there.books.standing("SalesReceipt")[-1]
        there.books.change("SalesReceipt", {**receipt, **changes, "sparse": True})


def delivered(there: There, *ids: str) -> None:
    for one in ids or ("1",):
        sell(there.integration, id=one)
    deliver(there.integration)
    compare(there.integration)


def decide(row: Difference, user: User) -> None:
    Difference.objects.filter(pk=row.pk).update(accepted_by=user, closed_at=dt.datetime.now(dt.UTC))


def test_both_are_one_difference(there: There) -> None:
    delivered(there, "1", "2")
    rekey(there, TxnDate="2026-03-04")
    row = compare(there.integration)
    assert (row.missing, row.changed, row.foreign, row.rekeyed) == (0, 0, 0, 1)
    receipt = there.books.standing("SalesReceipt")[-1]
    [(kind, said)] = differences(there.integration)
    assert (kind, said.split(" in QuickBooks")[0]) == (
        "rekeyed", f"Invoice 2 ({Delivery.objects.latest('pk').reference}) was deleted",
    )  # fmt: skip
    assert f"SalesReceipt {receipt['Id']} of 2026-03-04: 108.50 USD, posted there on" in said
    assert said.endswith("says the same: was it keyed anew?")
    assert Difference.objects.get().document == Document.objects.latest("pk")


@pytest.mark.parametrize("changes", [{"TxnDate": "2026-03-20"}, {"DepositToAccountRef": {"value": "1000"}}])
def test_what_says_something_else_is_another(there: There, changes: dict[str, Any]) -> None:
    delivered(there)
    rekey(there, **changes)
    row = compare(there.integration)
    assert (row.missing, row.foreign, row.rekeyed) == (1, 1, 0)


def test_it_is_not_brought_in_while_nobody_has_decided(there: There) -> None:
    delivered(there)
    bring_in(there.integration)
    post(there)
    known(there)
    rekey(there)
    compare(there.integration)
    finish(there.integration)
    assert Document.objects.exclude(source__key="shop").count() == 4, "what else they posted is"
    receipt = there.books.standing("SalesReceipt")[-1]
    there.books.change("SalesReceipt", {**receipt, "PrivateNote": "typed again", "sparse": True})
    assert compare(there.integration).rekeyed == 1
    finish(there.integration)
    assert Document.objects.exclude(source__key="shop").count() == 4


def test_they_are_two_and_theirs_is_brought_in(there: There, approver: User) -> None:
    delivered(there)
    bring_in(there.integration)
    rekey(there)
    compare(there.integration)
    decide(Difference.objects.get(), approver)
    row = compare(there.integration)
    finish(there.integration)
    assert (row.missing, row.foreign, row.rekeyed) == (1, 0, 0)
    assert Document.objects.exclude(source__key="shop").count() == 1
    assert [kind for kind, _ in differences(there.integration)] == ["missing"]
    assert compare(there.integration).foreign == 0


def test_they_are_one_and_what_changes_here_changes_theirs(there: There) -> None:
    delivered(there)
    bring_in(there.integration)
    rekey(there)
    compare(there.integration)
    made = redelivery.link(Difference.objects.get())
    assert made is not None
    receipt = there.books.standing("SalesReceipt")[-1]
    assert (made.state, made.adopted) == ("delivered", True)
    assert made.external_id == f"SalesReceipt:{receipt['Id']}"
    row = compare(there.integration)
    finish(there.integration)
    assert (row.checked, row.missing, row.foreign, row.rekeyed) == (1, 0, 0, 0)
    assert differences(there.integration) == []
    assert Document.objects.count() == 1
    sell(there.integration, 9900, id="1")
    assert deliver(there.integration) == ["delivered"] * 3
    assert there.standing() == [(made.reference, 99.0)]
    withdraw(Document.objects.get())
    assert deliver(there.integration) == ["delivered"] * 4
    assert there.standing() == []


def test_it_may_be_of_a_kind_that_we_never_send(there: There) -> None:
    """The receipt comes back as a deposit; ours taken back, it is deleted."""
    delivered(there)
    [receipt] = there.books.standing("SalesReceipt")
    there.books.delete("SalesReceipt", receipt)
    line = {"Amount": 108.5, "DetailType": "DepositLineDetail",
            "DepositLineDetail": {"AccountRef": {"value": "4000"}}}  # fmt: skip
    there.books.put("Deposit", {"TxnDate": "2026-03-02", "CurrencyRef": {"value": "USD"},
                                "DepositToAccountRef": {"value": "1100"}, "Line": [line]})  # fmt: skip
    assert compare(there.integration).rekeyed == 1
    assert redelivery.link(Difference.objects.get()) is not None
    withdraw(Document.objects.get())
    assert deliver(there.integration) == ["delivered"] * 3
    assert there.books.standing() == []


def test_what_changed_meanwhile_is_not_linked(there: There) -> None:
    delivered(there)
    rekey(there)
    compare(there.integration)
    row = Difference.objects.get()
    sell(there.integration, 9900, id="1")
    assert redelivery.link(row) is None, "ours says something else now"
    sell(there.integration, id="1")
    assert redelivery.link(Difference.objects.get()) is not None
    assert redelivery.link(Difference.objects.get()) is None, "it is ours already"


def test_a_run_under_way_lets_the_next_comparison_look_again(
    there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = bring_in_first(there)
    post(there)
    known(there)
    row = comparing.request(there.integration)
    real = rekeying.let_in

    def while_read(stream: Any) -> None:
        run = SyncRun.objects.create(stream=stream, trigger="schedule")
        real(stream)
        SyncRun.objects.filter(pk=run.pk).delete()

    with monkeypatch.context() as patched:
        patched.setattr(rekeying, "let_in", while_read)
        finish(there.integration)
    row.refresh_from_db()
    assert row.state == Comparison.State.DONE
    assert Document.objects.filter(source=stream.source).count() == 0
    compare(there.integration)
    finish(there.integration)
    assert Document.objects.filter(source=stream.source).count() == 4


def bring_in_first(there: There) -> Any:
    compare(there.integration)
    return bring_in(there.integration)


# ── which is which ──────────────────────────────────────────────────────────────────────────────────


def theirs(integration: Integration, id: str, day: dt.date, total: int = 10850, **more: Any) -> Counterpart:
    """Booked as the tiny books' names say: a1 for clearing, a2 for sales."""
    row = Counterpart.objects.create(
        integration=integration, external_id=id, kind="Doc", ours=False, day=day, currency="USD",
        amount=total, fingerprint="x", **more,
    )  # fmt: skip
    for at, amount in (("account:a1", total), ("account:a2", -total)):
        CounterpartLine.objects.create(counterpart=row, at=at, amount=amount)
    return row


def days(number: int) -> dt.date:
    return DAY + dt.timedelta(number)


def test_the_nearest_day_wins_and_each_of_ours_once(destination: Integration, tiny_books: TinyBooks) -> None:
    for id, day in (("1", DAY), ("2", days(3))):
        sell(destination, id=id, date=day)
    deliver(destination)
    first, second = Delivery.objects.order_by("pk")
    rows = [theirs(destination, "a", days(3)), theirs(destination, "b", days(4)),
            theirs(destination, "c", days(-6)), theirs(destination, "d", DAY, 10851)]  # fmt: skip
    found = rekeying.alike(destination, [first, second], rows)
    assert found == {rows[0].pk: second, rows[1].pk: first}
    assert rekeying.alike(destination, [second], rows) == {rows[0].pk: second, rows[1].pk: second}


def test_what_a_person_told_apart_stays_apart(
    destination: Integration, tiny_books: TinyBooks, approver: User
) -> None:
    sell(destination)
    deliver(destination)
    ours, row = Delivery.objects.get(), theirs(destination, "a", DAY)
    assert rekeying.alike(destination, [ours], [row]) == {row.pk: ours}
    Difference.objects.create(
        integration=destination, kind="rekeyed", external_id="a", delivery=ours, document=ours.document,
        what="", accepted_by=approver, closed_at=dt.datetime.now(dt.UTC),
    )  # fmt: skip
    assert rekeying.alike(destination, [ours], [row]) == {}
