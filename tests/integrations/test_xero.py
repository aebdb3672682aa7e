"""The whole round with the sandbox's Xero: each once whatever fails, in the form its accounts allow."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from django.contrib.messages import get_messages
from django.test import Client as DjangoClient
from django.utils import timezone
from pytest_django import Settings

from integrations import consent, naming, oauth
from integrations.client import Client
from integrations.connection import TokenRow, connect
from integrations.connectors.xero import connector
from integrations.models import Delivery, NameMap
from integrations.oauth import MemoryTokenStore, Token
from integrations.sandbox.business import simulate
from integrations.sandbox.server import running
from integrations.sandbox.systems import xero
from ledgerhub.access.models import User
from ledgerhub.ledger.models import Account, Allocation, Document
from tests.integrations.delivering import book, deliver, sell, withdraw
from tests.integrations.xero_company import There, there
from tests.ledger.drafts import DAY, document, journal, line, payment, payout, refund, tender

pytestmark = pytest.mark.django_db

__all__ = ["there"]


def one() -> Delivery:
    return Delivery.objects.get()


def owing(there: There, total: int = 10850, **changes: Any) -> Document:
    return sell(there.integration, total, status="open", tenders=[], **changes)


def paid(there: There, total: int = 10850, id: str = "p1", **changes: Any) -> Document:
    usual: dict[str, Any] = {"external_id": id, "number": id, "total": total, "invoice": "5001"}
    return book(there.integration, payment(**{**usual, **changes}))


def rounds(there: There) -> None:
    """Until nothing is left to do."""
    for _ in range(8):
        deliver(there.integration, later=True)
    assert not Delivery.objects.filter(state__in=Delivery.OPEN).exists()


def test_a_sale_arrives_once_with_its_contact(there: There) -> None:
    sold = sell(there.integration)
    assert deliver(there.integration) == ["delivered"]
    received = there.only("BankTransactions")
    assert (received["Type"], received["Total"], received["Reference"]) == (
        "RECEIVE", 108.5, f"LH-{sold.pk}-1"
    )  # fmt: skip
    assert (received["BankAccount"]["Code"], received["Contact"]["Name"]) == ("1100", "Ann Lee")
    row = one()
    assert row.external_id == f"BankTransaction:{received['BankTransactionID']}"
    assert there.books.balances() == there.our_balances()


DRAFTS = [
    payment(external_id="p2", total=500, invoice="nothing there"),
    payment(external_id="p3", total=700, gateway="paypal", invoice="5002"),
    payment(external_id="p4", total=900, settles="sales"),
    refund(external_id="r1"),
    refund(external_id="r2", gateway="paypal"),
    document("credit_note", external_id="c1", total=1085, tax=85),
    document("bill", external_id="b1", number="B-9", total=5000, lines=[line(5000, account="6900")]),
    document("bill_payment", external_id="bp1", total=5000, bill="B-9"),
    document("bill_payment", external_id="bp2", total=300),
    document("fee", external_id="f1", total=59, gateway="stripe"),
    document("fee", external_id="f2", total=31, gateway="paypal"),
    document("dispute", external_id="d1", total=5000, fee=1500, gateway="stripe", status="open"),
    payout(external_id="o1"),
    payout(external_id="o2", total=-450),
    payout(external_id="o3", gateway="paypal"),
    journal(("6900", 1200), ("4900", -1200), external_id="j1"),
    journal(("6900", 700), ("1000", -700), external_id="j2"),
]


def test_documents_of_every_kind_make_the_same_books_to_the_cent(there: There) -> None:
    sell(there.integration, id="1")
    sell(there.integration, 2000, id="2", tenders=[tender(2000, gateway="paypal", id="t2")])
    sell(there.integration, 3000, id="3", tenders=[
        tender(1000, gateway="gift_card", id="t3"), tender(2000, id="t4")
    ])  # fmt: skip
    owing(there)
    owing(there, 700, id="5002")
    paid(there)
    for draft in DRAFTS:
        book(there.integration, draft)
    rounds(there)
    assert list(Delivery.objects.exclude(state="delivered").values_list("kind", "state", "error")) == []
    assert there.books.balances() == there.our_balances()
    made = {each.external_id.partition(":")[0] for each in Delivery.objects.all()}
    assert made == {"Invoice", "CreditNote", "Payment", "BankTransaction", "Overpayment", "BankTransfer",
                    "ManualJournal"}  # fmt: skip


def test_a_payment_waits_for_its_invoice_and_pays_it(there: There) -> None:
    paid(there)
    owing(there)
    assert deliver(there.integration) == ["delivered"] * 2
    assert (there.only("Invoices")["Status"], there.only("Payments")["Amount"]) == ("PAID", 108.5)


def test_a_bank_line_matched_to_an_invoice_pays_it(there: There) -> None:
    sold = owing(there)
    lines = [{"account": "1200", "amount": 10850, "description": "Paid"}]
    matched = book(
        there.integration, document("bank_transaction", total=10850, bank_account="1000", lines=lines)
    )
    Allocation.objects.create(
        organization=sold.organization,
        document=sold,
        by=matched,
        account=Account.objects.get(code="1200"),
        amount=10850,
    )
    assert deliver(there.integration) == ["delivered"] * 2
    assert there.only("Payments")["Account"]["Code"] == "1000"


def test_what_no_form_of_theirs_can_say_is_said_in_words(there: There) -> None:
    """What a customer owes is set against what we owe."""
    book(there.integration, journal(("1200", -700), ("2000", 700)))
    assert deliver(there.integration) == ["failed"]
    assert one().error.startswith("It moves several accounts that Xero lets nothing but payments")
    NameMap.objects.filter(what="account", ours__in=["1200", "2000"]).update(theirs="1102")
    Delivery.objects.update(state="planned")
    book(there.integration, journal(("1200", -700), ("6900", 700), external_id="j2"))
    assert deliver(there.integration) == ["dismissed", "delivered"]


def test_changes_and_withdrawals(there: There) -> None:
    sold = sell(there.integration)
    deliver(there.integration)
    sell(there.integration, 9900)
    assert deliver(there.integration) == ["delivered"] * 2
    assert there.only("BankTransactions")["Total"] == 99.0
    withdraw(sold)
    assert deliver(there.integration) == ["delivered"] * 3
    assert there.books.standing() == []


def test_a_change_of_a_paid_invoice_takes_its_payment_off_and_puts_it_back(there: There) -> None:
    owing(there)
    paid(there)
    deliver(there.integration)
    owing(there, 12000)
    rounds(there)
    assert [row["Total"] for row in there.books.standing("Invoices")] == [120.0]
    assert there.only("Payments")["Invoice"]["InvoiceID"] == there.only("Invoices")["InvoiceID"]
    assert there.books.balances() == there.our_balances()


def test_a_withdrawn_invoice_leaves_its_payment_as_the_customers_credit(there: There) -> None:
    sold = owing(there)
    paid(there)
    deliver(there.integration)
    withdraw(sold)
    rounds(there)
    assert there.books.standing("Invoices", "Payments") == []
    assert there.only("BankTransactions")["Type"] == "RECEIVE-OVERPAYMENT"
    assert there.books.balances() == there.our_balances()


@pytest.mark.parametrize("draft", [
    payment(external_id="p1"),
    payout(external_id="o1"),
    journal(("6900", 1200), ("4900", -1200), external_id="j1"),
    document("bill", external_id="b1", number="B-9", total=5000, lines=[line(5000, account="6900")]),
    document("credit_note", external_id="c1", total=1085, tax=85),
])  # fmt: skip
def test_a_lost_answer_is_asked_for_whatever_became_of_it(there: There, draft: dict[str, Any]) -> None:
    """Also where Xero keeps no reference (overpayments), or no unique number (bills)."""
    book(there.integration, document("fee", external_id="f0", total=1, gateway="stripe"))
    deliver(there.integration)  # the contact is there
    xero.organisation(there.server.state).answers.clear()
    book(there.integration, draft)
    for endpoint in ("Invoices", "CreditNotes", "BankTransactions", "BankTransfers", "ManualJournals"):
        there.fail("truncated", f"/api.xro/2.0/{endpoint}")
    assert deliver(there.integration) == ["delivered", "uncertain"]
    there.server.state.faults.clear()
    xero.organisation(there.server.state).answers.clear()  # keys are not kept for ever
    assert deliver(there.integration, later=True) == ["delivered"] * 2
    assert Delivery.objects.get(revision=1, kind=draft["kind"]).adopted
    assert there.books.balances() == there.our_balances()


def test_many_go_fifty_at_once_and_one_that_is_refused_says_why(there: There) -> None:
    for number in range(60):
        sell(there.integration, 1000 + number, id=str(number))
    first = Document.objects.order_by("pk")[0]
    there.books.accounts["4100"]["Status"] = "ARCHIVED"
    sell(there.integration, 1000, id="0", shipping=100, lines=[{"description": "Mug", "amount": 900}])
    states = deliver(there.integration)
    assert (states.count("delivered"), states.count("failed")) == (59, 1)
    error = Delivery.objects.get(document=first).error
    assert error == (
        "Account code '4100' has been archived, or is not valid. "
        "Choose another account on the page of names, or bring it back in Xero."
    )
    asked = len(xero.organisation(there.server.state).asked)
    assert asked < 10


def test_a_locked_period_is_said_on_the_document(there: There) -> None:
    sell(there.integration)
    there.books.locked_until = "2026-12-31"
    assert deliver(there.integration) == ["failed"]
    assert "Change the lock date in Xero, then try again." in one().error


@pytest.mark.parametrize(("limits", "wait"), [((0, 5000), 25), ((60, 0), 3500)])
def test_asked_too_often_nothing_counts_as_tried(there: There, limits: Any, wait: int) -> None:
    there.server.state.settings["xero_limits"] = limits
    sell(there.integration)
    assert deliver(there.integration) == ["planned"]
    row = one()
    assert row.attempts == 0
    assert row.not_before is not None
    assert row.not_before - row.created_at > dt.timedelta(seconds=wait)
    there.server.state.settings["xero_limits"] = (100, 100)
    there.integration.buckets.update(blocked_until=None)
    assert deliver(there.integration, later=True) == ["delivered"]


def test_what_people_changed_there_is_not_overwritten(there: There) -> None:
    owing(there)
    deliver(there.integration)
    invoice = there.only("Invoices")
    lines = [{**invoice["LineItems"][0], "UnitAmount": 120.0}]
    there.books.change("Invoices", invoice["InvoiceID"], {**invoice, "LineItems": lines})
    owing(there, 9900)
    assert deliver(there.integration) == ["delivered", "failed"]
    assert "Somebody changed it over there" in Delivery.objects.get(revision=2).error
    assert there.only("Invoices")["Total"] == 120.0


def test_a_contact_that_is_there_is_used_for_customers_and_suppliers(there: There) -> None:
    there.books.put("Contacts", {"Name": "ANN LEE"})
    sell(there.integration)
    bill = document("bill", external_id="b1", total=5000, lines=[line(5000, account="6900")],
                    supplier={"external_id": "7", "name": "Ann Lee"})  # fmt: skip
    book(there.integration, bill)
    assert deliver(there.integration) == ["delivered"] * 2
    assert len(there.books.rows["Contacts"]) == 1


def test_the_lists_say_what_moves_how(there: There) -> None:
    groups = dict(there.integration.listed.filter(what="account").values_list("code", "group"))
    assert (groups["1100"], groups["1200"], groups["2000"], groups["1102"], groups["4000"]) == (
        "BANK", "DEBTORS", "CREDITORS", "CURRENT, takes payments", "REVENUE"
    )  # fmt: skip
    wanted = {(each.what, each.key) for each in naming.wanted(there.integration)}
    assert ("tax", "none") in wanted


# ── coming in ───────────────────────────────────────────────────────────────────────────────────────


def test_the_connection_says_which_organisation_it_is(there: There) -> None:
    client, _ = connect(there.integration)
    with client:
        assert client.test().words == "Connected to Harbor Coffee Co. (US)."


def test_the_consent_is_given_with_proof_and_the_least_scopes(there: There) -> None:
    """From the link on our page to a code, its verifier, a token, and the organisation it is good for."""
    assert isinstance(connector.auth, oauth.OAuth2)
    begun = oauth.begin(
        connector.auth,
        {**xero.system.settings, **there.integration.settings},
        redirect_uri="http://127.0.0.1:1/back",
    )
    answer = requests.get(begun.url, allow_redirects=False, timeout=5)
    came_back = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
    client, _ = connect(there.integration)
    with client, pytest.raises(Exception, match="connect it again"):
        client.exchange_code(came_back["code"], redirect_uri="http://127.0.0.1:1/back", verifier="another")
    answer = requests.get(begun.url, allow_redirects=False, timeout=5)
    code = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))["code"]
    client, _ = connect(there.integration)
    with client:
        token = client.exchange_code(code, redirect_uri="http://127.0.0.1:1/back", verifier=begun.verifier)
    TokenRow(there.integration).store(token)
    assert connector.auth.accounts is not None
    choices = consent.choices(there.integration, connector.auth.accounts, patience=1)
    assert [tuple(each) for each in choices] == [(xero.TENANT, "Harbor Coffee Co.")]


def test_a_person_connects_it_and_is_told_which_organisation_it_is(
    there: There, admin: User, signed_in: Callable[[User], DjangoClient], settings: Settings
) -> None:
    """There and back; with one organisation there is nothing to choose."""
    settings.PUBLIC_URL = "https://books.example.com"
    base = f"/o/corner-shop/integrations/{there.integration.pk}/"
    there.integration.settings = {**there.integration.settings, "tenant": ""}
    there.integration.save(update_fields=["settings"])
    client = signed_in(admin)
    page = client.get(f"{base}consent/")
    assert "accounting.manualjournals" in page.content.decode()
    back = requests.get(page.context["url"], allow_redirects=False, timeout=5).headers["Location"]
    page = client.get(back.removeprefix(settings.PUBLIC_URL), follow=True)
    said = [str(message) for message in get_messages(page.wsgi_request)]
    assert said == ["Connected to Harbor Coffee Co. (US)."]
    there.integration.refresh_from_db()
    assert there.integration.settings["tenant"] == xero.TENANT
    assert there.integration.consent_until is not None
    assert there.integration.consent_until > timezone.now() + dt.timedelta(days=59)


def test_a_stale_token_is_renewed_and_the_new_refresh_token_kept(there: There) -> None:
    here = xero.organisation(there.server.state)
    here.access.clear()
    sell(there.integration)
    assert deliver(there.integration) == ["delivered"]
    token = TokenRow(there.integration).current()
    assert token is not None
    assert token.refresh == here.refresh


def test_workers_that_renew_at_once_do_not_lose_the_token() -> None:
    with running(simulate()) as server:
        given = xero.issue(server.state)
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
    settings = {**xero.system.settings, "tenant": xero.TENANT, "base_url": address + xero.system.base}
    with Client(connector, settings, xero.system.secrets, store=store, allow_loopback=True) as client:
        return client.test().words


def test_the_sandbox_is_as_strict_as_the_system_it_stands_for(there: There) -> None:
    """Journals do not touch banks, receivables and payables; nor is more paid than is open."""
    for code in ("1000", "1200", "2000"):
        rows = [{"AccountCode": code, "LineAmount": 1}, {"AccountCode": "4000", "LineAmount": -1}]
        with pytest.raises(Exception, match="is not a valid code for this document"):
            there.books.put("ManualJournals", {"Date": DAY.isoformat(), "JournalLines": rows})
    owing(there)
    deliver(there.integration)
    asked = {"Invoice": {"InvoiceID": there.only("Invoices")["InvoiceID"]}, "Account": {"Code": "1000"}}
    with pytest.raises(Exception, match="exceeds the amount outstanding"):
        there.books.put("Payments", {**asked, "Date": DAY.isoformat(), "Amount": Decimal("108.51")})


def test_the_sandbox_gives_no_more_of_a_credit_note_than_there_is(there: There) -> None:
    """Nor what was given before it is taken back."""
    owing(there)
    book(there.integration, document("credit_note", external_id="c1", total=1085, tax=85))
    deliver(there.integration)
    note, invoice = there.only("CreditNotes"), there.only("Invoices")
    identity = note["CreditNoteID"]
    invoice["Contact"] = note["Contact"]
    asked = {"Invoice": {"InvoiceID": invoice["InvoiceID"]}, "Date": DAY.isoformat()}
    with pytest.raises(Exception, match="exceeds the remaining credit"):
        there.books.allocate(identity, {**asked, "Amount": 10.86})
    made = there.books.allocate(identity, {**asked, "Amount": 10.85})
    assert (note["Status"], invoice["AmountDue"]) == ("PAID", 97.65)
    for endpoint, one in (("CreditNotes", identity), ("Invoices", invoice["InvoiceID"])):
        with pytest.raises(Exception, match="payment or credit note allocated"):
            there.books.change(endpoint, one, {"Status": "VOIDED"})
    there.books.release(identity, made["AllocationID"])
    assert (note["RemainingCredit"], invoice["AmountDue"]) == (10.85, 108.5)
    back = {"CreditNote": {"CreditNoteID": identity}, "Account": {"Code": "1000"}, "Date": DAY.isoformat()}
    with pytest.raises(Exception, match="exceeds the amount outstanding"):
        there.books.put("Payments", {**back, "Amount": 10.86})
