"""Xero compared by its declaration alone: its lists tell of changes and voids; foreign documents come in."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from integrations import redelivery
from integrations.models import Counterpart, Delivery, Difference, Listed, Quarantine
from ledgerhub.ledger.models import Document, Posting
from tests.integrations.comparing_there import bring_in, compare, differences
from tests.integrations.delivering import deliver, sell
from tests.integrations.xero_company import There, there

pytestmark = pytest.mark.django_db

__all__ = ["there"]


def put(there: There, endpoint: str, **fields: Any) -> dict[str, Any]:
    """Somebody enters it over there."""
    return there.books.put(endpoint, {**fields, "UpdatedDateUTC": now()})


def change(there: There, endpoint: str, identity: str, **fields: Any) -> None:
    there.books.change(endpoint, identity, {**fields, "UpdatedDateUTC": now()})


def now() -> str:
    return f"/Date({int(dt.datetime.now(dt.UTC).timestamp() * 1000)}+0000)/"


def spent(there: There, amount: float = 650.0, **fields: Any) -> dict[str, Any]:
    contact = put(there, "Contacts", Name=f"Somebody {amount}")
    line = {"Description": "Fees", "Quantity": 1, "UnitAmount": amount, "LineAmount": amount,
            "AccountCode": "6000", "TaxType": "NONE"}  # fmt: skip
    usual = {"Type": "SPEND", "Date": "2026-04-03", "Contact": {"ContactID": contact["ContactID"]},
             "BankAccount": {"Code": "1000"}, "LineAmountTypes": "NoTax", "CurrencyCode": "USD",
             "LineItems": [line]}  # fmt: skip
    return put(there, "BankTransactions", **{**usual, **fields})


def test_what_was_changed_and_voided_there_is_listed(there: There) -> None:
    for number in range(2):
        sell(there.integration, id=str(number))
    deliver(there.integration)
    assert compare(there.integration).changed == 0
    first, second = (row.external_id.partition(":")[2] for row in Delivery.objects.order_by("pk"))
    change(there, "BankTransactions", first, Date="2026-03-09")
    change(there, "BankTransactions", second, Status="DELETED")
    row = compare(there.integration)
    assert (row.state, row.checked, row.missing, row.changed, row.foreign) == ("done", 2, 1, 1, 0), row.error
    changed, missing = differences(there.integration)
    assert "dated 2026-03-09 there, 2026-03-02 here" in changed[1]
    assert "was voided in Xero on " in missing[1]


def test_what_was_keyed_anew_there_is_ours_from_then_on(there: There) -> None:
    sell(there.integration)
    deliver(there.integration)
    compare(there.integration)
    [ours] = there.books.standing("BankTransactions")
    change(there, "BankTransactions", ours["BankTransactionID"], Status="DELETED")
    kept = ("Type", "Date", "BankAccount", "CurrencyCode", "LineAmountTypes", "LineItems", "Contact")
    put(there, "BankTransactions", **{name: ours[name] for name in kept})
    row = compare(there.integration)
    assert (row.missing, row.foreign, row.rekeyed) == (0, 0, 1)
    made = redelivery.link(Difference.objects.get())
    assert made is not None
    assert compare(there.integration).changed == 0
    sell(there.integration, 9900)
    assert deliver(there.integration) == ["delivered"] * 3
    [theirs] = there.books.standing("BankTransactions")
    assert (f"BankTransaction:{theirs['BankTransactionID']}", theirs["Total"]) == (made.external_id, 99.0)
    assert theirs["Reference"] == made.reference


def test_what_people_posted_there_is_brought_in_changed_and_reversed(there: There) -> None:
    made = spent(there)
    assert compare(there.integration).foreign == 1
    bring_in(there.integration)
    assert Quarantine.objects.filter(state="open").count() == 0
    assert totals() == {"1000": -65000, "6000": 65000}
    assert compare(there.integration).foreign == 0
    change(there, "BankTransactions", made["BankTransactionID"], Status="DELETED")
    compare(there.integration)
    assert totals() == {}
    assert differences(there.integration) == []


def test_drafts_move_nothing_and_tax_nobody_can_tell_waits_in_words(there: There) -> None:
    made = spent(there)
    there.books.rows["BankTransactions"][made["BankTransactionID"]]["TotalTax"] = 5.0
    drafted = spent(there, 70.0)
    there.books.rows["BankTransactions"][drafted["BankTransactionID"]]["Status"] = "DRAFT"
    compare(there.integration)
    bring_in(there.integration)
    assert Quarantine.objects.get().message.endswith("Xero reckoned tax on it")
    assert Document.objects.count() == 0
    assert Counterpart.objects.get(external_id__endswith=drafted["BankTransactionID"]).state == "void"
    assert Listed.objects.filter(what="account").exists()


def totals() -> dict[str, int]:
    sums: dict[str, int] = {}
    for code, amount in Posting.objects.values_list("account__code", "amount"):
        sums[code] = sums.get(code, 0) + amount
    return {code: amount for code, amount in sums.items() if amount}
