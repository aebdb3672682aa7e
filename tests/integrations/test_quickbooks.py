"""The whole round with the sandbox's QuickBooks: each once whatever fails, changes, voids, stale versions."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from django.test import Client as Browser
from django.urls import reverse

from integrations import naming, oauth, redelivery
from integrations.client import Client
from integrations.connection import TokenRow, connect
from integrations.connectors.quickbooks import connector
from integrations.models import Delivery, NameMap
from integrations.oauth import MemoryTokenStore, Token
from integrations.sandbox.business import simulate
from integrations.sandbox.server import running
from integrations.sandbox.systems import quickbooks
from ledgerhub.access.models import User
from ledgerhub.ledger import documents, posting
from ledgerhub.ledger.models import Document
from tests.integrations.delivering import deliver, sell
from tests.integrations.quickbooks_company import There, there

pytestmark = pytest.mark.django_db

__all__ = ["there"]


def one() -> Delivery:
    return Delivery.objects.get()


def test_a_sale_arrives_once_with_its_customer(there: There) -> None:
    sold = sell(there.integration)
    assert deliver(there.integration) == ["delivered"]
    assert there.standing() == [(f"LH-{sold.pk}-1", 108.5)]
    [receipt] = there.books.standing("SalesReceipt")
    assert receipt["DepositToAccountRef"] == {"value": "1100"}
    [customer] = there.books.rows["Customer"].values()
    assert (customer["DisplayName"], receipt["CustomerRef"]) == ("Ann Lee", {"value": customer["Id"]})
    row = one()
    assert (row.external_id, row.external_version, row.external_number) == (
        f"SalesReceipt:{receipt['Id']}", "0", f"LH-{sold.pk}-1"
    )  # fmt: skip


def test_the_connection_says_which_company_it_is(there: There) -> None:
    client, _ = connect(there.integration)
    with client:
        assert client.test().words == "Connected to Harbor Coffee Co. (US)."


def test_lists_are_read_page_by_page(there: There) -> None:
    for number in range(2000):
        row = {"Id": f"9{number}", "FullyQualifiedName": f"Extra {number}", "AccountType": "Expense"}
        there.books.rows["Account"][f"9{number}"] = row
    naming.refresh(there.integration, patience=1)
    assert there.integration.listed.filter(what="account", active=True).count() == 2025
    assert set(there.integration.listed.filter(what="tax").values_list("external_id", flat=True)) == {
        "TAX", "NON"
    }  # fmt: skip


def test_the_usual_tax_code_is_suggested(there: There) -> None:
    NameMap.objects.filter(what="tax").delete()
    naming.refresh(there.integration, patience=1)
    wanted = {(each.what, each.key): each.suggested for each in naming.wanted(there.integration)}
    assert wanted["tax", "none"] == "NON"


def wanted(there: There) -> dict[tuple[str, str], naming.Wanted]:
    return {(each.what, each.key): each for each in naming.wanted(there.integration)}


def make(there: There, *keys: tuple[str, str], user: User) -> tuple[dict[str, str], list[str]]:
    rows = wanted(there)
    return naming.make(there.integration, [rows[key] for key in keys], user=user, patience=5)


def test_what_is_not_there_is_made_with_its_account_first(there: There, admin: User) -> None:
    """Once, whatever is lost: a second try has the same key, and is answered as the first was."""
    sell(there.integration)
    NameMap.objects.filter(ours__in=["1100", "4000"]).delete()
    for name in ("Account", "Item"):
        there.books.rows[name].clear()
    keys = [("item", "4000"), ("account", "4000"), ("account", "1100")]
    there.fail("truncated", "/v3/company/9130347957983546/account")
    changed, [problem] = make(there, *keys, user=admin)
    assert (changed, len(there.books.rows["Account"])) == ({}, 1), problem
    changed, problems = make(there, *keys, user=admin)
    assert (len(changed), problems) == (3, [])
    accounts = {row["Name"]: row for row in there.books.rows["Account"].values()}
    assert {name: row["AccountType"] for name, row in accounts.items()} == {
        "Sales": "Income", "Stripe clearing": "Other Current Asset",
    }  # fmt: skip
    [item] = there.books.rows["Item"].values()
    assert (item["Name"], item["IncomeAccountRef"]["value"]) == ("Sales", accounts["Sales"]["Id"])
    assert wanted(there)["account", "1100"].theirs == accounts["Stripe clearing"]["Id"]


def test_the_page_makes_what_is_not_chosen(
    there: There, admin: User, signed_in: Callable[[User], Browser]
) -> None:
    """One by one where a row asks for it, all that is left empty by the button; what waited then goes."""
    sell(there.integration)
    NameMap.objects.filter(ours__in=["1100", "4000"]).delete()
    for name in ("Account", "Item"):
        there.books.rows[name].clear()
    naming.refresh(there.integration, patience=5)
    page = reverse("integrations:names", args=["corner-shop", there.integration.pk])
    client = signed_in(admin)
    form = {"account:4000": "+", "account:1100": "", "item:4000": ""}
    said = client.post(page, form, follow=True).content.decode()
    assert "1 name saved." in said
    assert [row["Name"] for row in there.books.rows["Account"].values()] == ["Sales"]
    client.post(page, {**form, "account:4000": wanted(there)["account", "4000"].theirs, "make": "all"})
    assert [row["Name"] for row in there.books.rows["Account"].values()] == ["Sales", "Stripe clearing"]
    assert deliver(there.integration) == ["delivered"]


def test_what_cannot_be_made_there_is_said(there: There, admin: User) -> None:
    sell(there.integration)
    NameMap.objects.filter(ours__in=["1100", "4000"]).delete()
    changed, problems = make(there, ("item", "4000"), ("account", "1100"), user=admin)
    assert changed == {}
    assert problems == [
        "1100 Stripe clearing: There is one called Stripe clearing already: choose it, or rename one.",
        "4000 Sales: Choose its account first: what is sold is booked to it.",
    ]


def test_accounts_of_income_need_an_item(there: There) -> None:
    sell(there.integration)
    NameMap.objects.filter(what="item").delete()
    wanted = {(each.what, each.key): each.suggested for each in naming.wanted(there.integration)}
    assert wanted["item", "4000"] == "4000"
    assert ("item", "1100") not in wanted
    assert deliver(there.integration) == ["planned"]
    assert one().error == (
        "Waits until names are chosen. No item of QuickBooks Online is chosen for 4000 Sales. Choose one on"
        " the page of names."
    )
    assert there.books.standing("Customer") == []


def test_changes_and_withdrawals(there: There) -> None:
    """A changed sale is the same receipt with a new version; withdrawn it is void there."""
    sold = sell(there.integration)
    deliver(there.integration)
    sell(there.integration, 9900)
    assert deliver(there.integration) == ["delivered"] * 2
    assert there.standing() == [(f"LH-{sold.pk}-1", 99.0)]
    documents.withdraw([sold])
    posting.post_document(sold, None)
    assert deliver(there.integration) == ["delivered"] * 3
    assert there.standing() == []
    [receipt] = there.books.rows["SalesReceipt"].values()
    assert (receipt["TotalAmt"], receipt["SyncToken"]) == (0, "2")


def test_what_people_changed_there_is_not_overwritten(there: There) -> None:
    """It is held and put to a person; who lets it be replaced lets that very version be replaced."""
    sold = sell(there.integration)
    deliver(there.integration)
    edit(there, CustomerMemo={"value": "by hand"})
    sell(there.integration, 9900)
    assert deliver(there.integration) == ["delivered", "failed"]
    held = Delivery.objects.get(revision=2)
    assert (held.held_version, held.allowed_version) == ("1", "")
    assert held.error.startswith("Somebody changed it over there since we delivered it: it says 108.50 USD")
    assert there.standing() == [(f"LH-{sold.pk}-1", 108.5)]
    redelivery.retry([held.pk], there.integration)
    assert deliver(there.integration) == ["delivered", "failed"], "trying again is no permission"
    assert redelivery.replace_theirs(held)
    edit(there, CustomerMemo={"value": "by hand, again"})
    assert deliver(there.integration) == ["delivered", "failed"], "another version than the one allowed"
    assert redelivery.replace_theirs(held)
    assert deliver(there.integration) == ["delivered"] * 2
    assert there.standing() == [(f"LH-{sold.pk}-1", 99.0)]
    row = Delivery.objects.get(revision=2)
    assert (row.external_version, row.held_version) == ("3", "")
    assert not redelivery.replace_theirs(held)


def test_a_document_people_changed_is_not_taken_back_by_us(there: There) -> None:
    sold = sell(there.integration)
    deliver(there.integration)
    edit(there, TxnDate="2026-03-09")
    documents.withdraw([sold])
    posting.post_document(sold, None)
    assert deliver(there.integration) == ["delivered", "failed"]
    assert there.standing() == [(f"LH-{sold.pk}-1", 108.5)]


def test_what_moves_on_without_anybody_changing_it_is_changed_as_ever(there: There) -> None:
    """A payment applied to an invoice there makes a new version of it: nobody edited it."""
    sold = sell(there.integration, status="open", tenders=[])
    deliver(there.integration)
    edit(there, "Invoice", Balance=0, LinkedTxn=[{"TxnId": "1", "TxnType": "Payment"}])
    sell(there.integration, 9900, status="open", tenders=[])
    assert deliver(there.integration) == ["delivered"] * 2
    assert there.standing() == [(f"LH-{sold.pk}-1", 99.0)]


def test_a_change_of_what_was_deleted_there_is_put_to_a_person(there: There) -> None:
    sell(there.integration)
    deliver(there.integration)
    [receipt] = there.books.standing("SalesReceipt")
    there.books.delete("SalesReceipt", receipt)
    sell(there.integration, 9900)
    assert deliver(there.integration) == ["delivered", "failed"]
    assert Delivery.objects.get(revision=2).error.startswith("It is not there any more")


@pytest.mark.parametrize("fault", ["truncated", "status"])
def test_a_change_whose_answer_is_lost_is_made_once(there: There, fault: str) -> None:
    sold = sell(there.integration)
    deliver(there.integration)
    sell(there.integration, 9900)
    there.fail(fault, "/v3/company/9130347957983546/salesreceipt", status=502, skip=1)
    deliver(there.integration)
    assert deliver(there.integration, later=True) == ["delivered"] * 2
    assert there.standing() == [(f"LH-{sold.pk}-1", 99.0)]
    [receipt] = there.books.standing("SalesReceipt")
    assert receipt["SyncToken"] == "1"


def edit(there: There, name: str = "SalesReceipt", **fields: Any) -> None:
    """Somebody changes the one document of the kind over there."""
    [row] = there.books.standing(name)
    there.books.change(name, {**row, **fields, "sparse": True})


def test_an_invoice_paid_later_becomes_another_document(there: There) -> None:
    """Open it is an invoice, paid a receipt: the one is voided, the other made."""
    sold = sell(there.integration, status="open", tenders=[])
    deliver(there.integration)
    assert there.standing() == [(f"LH-{sold.pk}-1", 108.5)]
    sell(there.integration)
    assert deliver(there.integration) == ["delivered"] * 3
    assert there.standing() == [(f"LH-{sold.pk}-3", 108.5)]
    assert len(there.books.standing("SalesReceipt")) == 1
    rows = Delivery.objects.order_by("revision").values_list("action", flat=True)
    assert list(rows) == ["create", "void", "create"]


@pytest.mark.parametrize("fault", ["truncated", "status"])
def test_a_lost_answer_is_asked_for(there: There, fault: str) -> None:
    """`truncated` did it and the answer is broken; `status` 502 did not."""
    sold = sell(there.integration)
    there.fail(fault, "/v3/company/9130347957983546/salesreceipt", status=502)
    assert deliver(there.integration) == ["uncertain"]
    assert deliver(there.integration, later=True) == ["delivered"]
    assert there.standing() == [(f"LH-{sold.pk}-1", 108.5)]
    assert one().adopted is (fault == "truncated")


def test_many_go_in_batches_and_lost_ones_are_asked_for_together(there: There) -> None:
    for number in range(70):
        sell(there.integration, 1000 + number, id=str(number))
    there.fail("truncated", "/v3/company/9130347957983546/batch")
    states = deliver(there.integration)
    assert states.count("uncertain") == 30
    for _ in range(3):
        states = deliver(there.integration, later=True)
    assert states == ["delivered"] * 70
    assert sorted(total for _, total in there.standing()) == [10 + n / 100 for n in range(70)]
    assert Delivery.objects.filter(adopted=True).count() == 30


def test_a_batch_says_which_of_it_was_refused(there: There) -> None:
    for number in range(3):
        sell(there.integration, id=str(number))
    taken = {"DocNumber": f"LH-{_second()}-1", "CustomerRef": {"value": "1"}, "Line": [{"Amount": 1}]}
    there.books.rows["Customer"]["1"] = {"Id": "1", "DisplayName": "Somebody"}
    there.books.put("SalesReceipt", taken)
    assert deliver(there.integration) == ["delivered", "failed", "delivered"]
    error = Delivery.objects.get(state="failed").error
    assert error.startswith("Duplicate Document Number Error: You must specify a different number.")
    assert error.endswith("look at it there, then try again or leave it out.")


def _second() -> int:
    return Document.objects.order_by("pk")[1].pk


def test_closed_books_are_said_on_the_document(there: There) -> None:
    sell(there.integration)
    there.books.closed_until = "2026-12-31"
    assert deliver(there.integration) == ["failed"]
    assert "change the closing date in QuickBooks" in one().error


def test_a_supplier_with_the_name_of_a_customer_gets_a_suffix(there: There) -> None:
    there.books.put("Vendor", {"DisplayName": "ANN LEE"})
    sell(there.integration)
    assert deliver(there.integration) == ["delivered"]
    assert [row["DisplayName"] for row in there.books.rows["Customer"].values()] == ["Ann Lee (customer)"]


def test_a_name_that_looks_like_a_setting_of_ours_is_a_name(there: There) -> None:
    for number in "12":
        sell(there.integration, id=number, customer={"external_id": "9", "name": "{client_secret}"})
        NameMap.objects.filter(what="contact").delete()
        deliver(there.integration)
    assert [row["DisplayName"] for row in there.books.rows["Customer"].values()] == ["{client_secret}"]


def test_a_sale_to_nobody_is_booked_to_a_customer_without_a_name(there: There) -> None:
    sell(there.integration, customer=None)
    assert deliver(there.integration) == ["delivered"]
    assert [row["DisplayName"] for row in there.books.rows["Customer"].values()] == [
        "Customer without a name"
    ]


def test_asked_too_often_nothing_counts_as_tried(there: There) -> None:
    there.server.state.settings["quickbooks_limits"] = (0, 0, 0)
    sell(there.integration)
    assert deliver(there.integration) == ["planned"]
    row = one()
    assert row.not_before is not None
    assert row.not_before - row.created_at > dt.timedelta(seconds=50)
    there.server.state.settings["quickbooks_limits"] = (100, 100, 100)
    there.integration.buckets.update(blocked_until=None)
    assert deliver(there.integration, later=True) == ["delivered"]


def test_a_stale_token_is_renewed_and_the_new_refresh_token_kept(there: There) -> None:
    company = quickbooks.company(there.server.state)
    company.access.clear()
    sell(there.integration)
    assert deliver(there.integration) == ["delivered"]
    token = TokenRow(there.integration).current()
    assert token is not None
    assert token.refresh == company.refresh


def test_in_the_demo_the_consent_is_given_at_the_sandbox(there: There) -> None:
    """From the link on our page to a code for a token, and the company's id on the way back."""
    values = {**quickbooks.system.settings, **there.integration.settings}
    begun = oauth.begin(connector.auth, values, redirect_uri="http://127.0.0.1:1/back")  # type: ignore[arg-type]
    assert begun.url.startswith(f"{there.server.address}/quickbooks/connect/oauth2?")
    answer = requests.get(begun.url, allow_redirects=False, timeout=5)
    came_back = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
    assert (came_back["state"], came_back["realmId"]) == (begun.state, quickbooks.REALM)
    client, _ = connect(there.integration)
    with client:
        token = client.exchange_code(came_back["code"], redirect_uri="http://127.0.0.1:1/back", verifier="")
    assert token.refresh == quickbooks.company(there.server.state).refresh


def test_two_workers_that_renew_at_once_do_not_lose_the_token() -> None:
    """The refresh token is good once: whoever comes second must take what the first one got."""
    with running(simulate()) as server:
        given = quickbooks.issue(server.state)
        store = MemoryTokenStore(Token("stale", given["refresh_token"]))
        said: list[str] = []
        workers = [
            threading.Thread(target=lambda: said.append(_test(server.address, store))) for _ in range(4)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert said == ["Connected to Harbor Coffee Co. (US)."] * 4


def _test(address: str, store: MemoryTokenStore) -> str:
    system = quickbooks.system
    settings = {**system.settings, "base_url": address + system.base}
    with Client(connector, settings, system.secrets, store=store, allow_loopback=True) as client:
        return client.test().words


def test_an_unbalanced_journal_and_lines_without_a_customer_are_refused() -> None:
    """The sandbox is as strict as the system it stands for."""
    with running(simulate()) as server:
        token = quickbooks.issue(server.state)["access_token"]
        books = quickbooks.company(server.state).books

        def line(side: str, amount: float, account: str) -> dict[str, Any]:
            detail = {"PostingType": side, "AccountRef": {"value": account}}
            return {
                "DetailType": "JournalEntryLineDetail",
                "Amount": amount,
                "JournalEntryLineDetail": detail,
            }

        assert token
        for lines, words in (
            ([line("Debit", 1, "1000"), line("Credit", 2, "4000")], "out of balance"),
            ([line("Debit", 1, "1200"), line("Credit", 1, "4000")], "must choose a customer"),
        ):
            with pytest.raises(Exception, match="business validation") as caught:
                books.put("JournalEntry", {"Line": lines})
            assert words in caught.value.detail  # type: ignore[attr-defined]
