"""Pages of the books: what they show, who may enter, what bad input is told, what is recorded."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.ledger import queries, reports, totals
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Account, Contact, DailyTotal, Entry, ExchangeRate, StatementLine
from tests.ledger.books import book
from tests.ledger.drafts import DAY, document, invoice, payout, tender

SignedIn = Callable[[User], Client]
MARCH_END = dt.date(2026, 3, 31)


@pytest.fixture
def shop(organization: Organization) -> Organization:
    """The chart, a paid and an open invoice."""
    install_chart(organization)
    book(organization, invoice())
    book(
        organization,
        invoice(external_id="5002", number="#1002", status="open", tenders=[], due_date=None),
        contact="Bo Berg",
    )
    return organization


@pytest.fixture
def in_march() -> Iterator[None]:
    """The last day of March, so that dates of March are not in the future."""
    with time_machine.travel("2026-03-31T12:00:00Z", tick=False):
        yield


def account(shop: Organization, role: str) -> Account:
    return Account.objects.get(organization=shop, role=role)


def url(name: str, shop: Organization, *args: object) -> str:
    return reverse(name, args=[shop.slug, *args])


def body(response: Any) -> str:
    return (b"".join(response) if response.streaming else response.content).decode()


VIEWER_PAGES = (
    "dashboard",
    "search",
    "reports",
    "ledger:accounts",
    "ledger:journal",
    "ledger:documents",
    "ledger:contacts",
    "ledger:rates",
    "ledger:trial_balance",
    "ledger:profit_and_loss",
    "ledger:balance_sheet",
    "ledger:clearing",
)


@pytest.mark.parametrize("name", VIEWER_PAGES)
def test_viewers_read_every_page_and_outsiders_none(
    name: str, shop: Organization, viewer: User, outsider: User, signed_in: SignedIn
) -> None:
    assert signed_in(viewer).get(url(name, shop)).status_code == 200
    assert signed_in(outsider).get(url(name, shop)).status_code == 404


@pytest.mark.parametrize("name", VIEWER_PAGES)
def test_pages_of_empty_books_say_what_to_do_next(
    name: str, organization: Organization, viewer: User, signed_in: SignedIn
) -> None:
    assert signed_in(viewer).get(url(name, organization)).status_code == 200


def test_ids_of_another_organization_are_not_found(
    shop: Organization, outsider: User, signed_in: SignedIn
) -> None:
    theirs = outsider.memberships.get().organization
    client = signed_in(outsider)
    sales, entry = account(shop, "sales"), Entry.objects.first()
    assert entry is not None
    for name, pk in (
        ("ledger:account", sales.pk),
        ("ledger:account_settings", sales.pk),
        ("ledger:statement_lines", sales.pk),
        ("ledger:entry", entry.pk),
        ("ledger:document", entry.document_id),
        ("ledger:clearing_account", account(shop, "clearing").pk),
        ("ledger:contact", Contact.objects.get(organization=shop).pk),
    ):
        assert client.get(url(name, theirs, pk)).status_code in (403, 404), name


@pytest.mark.parametrize(
    ("name", "role"),
    [("ledger:new_account", "bookkeeper"), ("ledger:new_entry", "approver")],
)
def test_forms_need_a_role(
    name: str, role: str, shop: Organization, viewer: User, bookkeeper: User, signed_in: SignedIn
) -> None:
    assert signed_in(viewer).get(url(name, shop)).status_code == 403
    expected = 200 if role == "bookkeeper" else 403
    assert signed_in(bookkeeper).get(url(name, shop)).status_code == expected


# Accounts


def test_the_chart_shows_balances_as_people_read_them(
    shop: Organization, viewer: User, signed_in: SignedIn
) -> None:
    response = signed_in(viewer).get(url("ledger:accounts", shop))
    shown = {row.account.role: row.base for group in response.context["groups"] for row in group.rows}
    assert shown == {"clearing": 10850, "receivable": 10850, "sales": 20000, "tax_payable": 1700}
    assert [(group.label, group.total) for group in response.context["groups"]] == [
        ("Assets", 21700),
        ("Liabilities", 1700),
        ("Income", 20000),
    ]


def test_an_account_shows_the_balance_after_each_entry(
    shop: Organization, viewer: User, signed_in: SignedIn
) -> None:
    sales = account(shop, "sales")
    response = signed_in(viewer).get(url("ledger:account", shop, sales.pk))
    assert [row.balance for row in response.context["rows"]] == [20000, 10000]
    earlier = signed_in(viewer).get(url("ledger:account", shop, sales.pk), {"on": "2026-03-01"})
    assert earlier.context["rows"] == []
    wrong = signed_in(viewer).get(url("ledger:account", shop, sales.pk), {"on": "soon"})
    assert "'soon' is not a date. Write it like 2026-03-31." in wrong.content.decode().replace("&#x27;", "'")


def test_a_ledger_is_paged_without_losing_a_row(
    organization: Organization, viewer: User, signed_in: SignedIn
) -> None:
    install_chart(organization)
    book(
        organization,
        *(
            invoice(
                external_id=str(number), date=DAY + dt.timedelta(days=number % 3), tenders=[], status="open"
            )
            for number in range(120)
        ),
    )
    client, found, older = signed_in(viewer), [], ""
    while True:
        address = url("ledger:account", organization, account(organization, "sales").pk)
        context = client.get(address, {"before": older} if older else {}).context
        found += context["rows"]
        older = context["older"]
        if not older:
            break
    assert [row.balance for row in found] == [10000 * left for left in range(120, 0, -1)]


def test_adding_an_account(shop: Organization, bookkeeper: User, signed_in: SignedIn) -> None:
    typed = {"code": "1020", "name": "Euro account", "type": "asset", "role": "bank", "qualifier": "Euro One"}
    response = signed_in(bookkeeper).post(url("ledger:new_account", shop), typed)
    made = Account.objects.get(organization=shop, code="1020")
    assert (response.status_code, made.role, made.qualifier) == (302, "bank", "euro_one")
    event = AuditEvent.objects.get(action="account.created")
    assert event.after is not None
    assert event.after["name"] == "Euro account"


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"code": "4000"}, "code", "Another account has the code 4000. Choose a free one."),
        ({"role": "sales"}, "role", "4000 Sales has the role Sales already. Take it away there first."),
        (
            {"role": "clearing"},
            "qualifier",
            "Say which gateway this clearing account is of, for example stripe.",
        ),
    ],
)
def test_an_account_that_cannot_be(
    changes: dict[str, str],
    field: str,
    words: str,
    shop: Organization,
    bookkeeper: User,
    signed_in: SignedIn,
) -> None:
    typed = {"code": "4010", "name": "More sales", "type": "income", **changes}
    response = signed_in(bookkeeper).post(url("ledger:new_account", shop), typed)
    assert response.status_code == 422
    assert response.context["form"].errors[field] == [words]


def test_an_account_with_postings_keeps_its_type(
    shop: Organization, bookkeeper: User, signed_in: SignedIn
) -> None:
    sales = account(shop, "sales")
    typed = {"code": "4001", "name": "Sales", "type": "asset", "role": "sales"}
    signed_in(bookkeeper).post(url("ledger:account_settings", shop, sales.pk), typed)
    sales.refresh_from_db()
    assert (sales.code, sales.type) == ("4001", "income")
    event = AuditEvent.objects.get(action="account.changed")
    assert (event.before, event.after) == ({"code": "4000"}, {"code": "4001"})


def test_archiving_refuses_what_is_used_and_can_be_taken_back(
    shop: Organization, bookkeeper: User, viewer: User, signed_in: SignedIn
) -> None:
    client, plain = signed_in(bookkeeper), Account.objects.get(organization=shop, code="6130")
    assert signed_in(viewer).post(url("ledger:archival", shop, plain.pk)).status_code == 403
    client.post(url("ledger:archival", shop, account(shop, "sales").pk))
    assert account(shop, "sales").archived_at is None
    client.post(url("ledger:archival", shop, plain.pk))
    plain.refresh_from_db()
    assert plain.archived_at is not None
    client.post(url("ledger:restoration", shop, plain.pk))
    plain.refresh_from_db()
    assert plain.archived_at is None
    actions = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    assert [name for name in actions if name.startswith("account.")] == [
        "account.archived",
        "account.restored",
    ]


def test_statement_lines(shop: Organization, viewer: User, signed_in: SignedIn) -> None:
    bank = account(shop, "bank")
    source = Entry.objects.select_related("document__source").earliest("pk").document.source
    for number in (1, 2):
        StatementLine.objects.create(
            organization=shop,
            account=bank,
            source=source,
            identity=str(number),
            date=DAY + dt.timedelta(days=number),
            amount=number * 100,
            currency="USD",
            description=f"Line {number}",
        )
    address = url("ledger:statement_lines", shop, bank.pk)
    response = signed_in(viewer).get(address)
    assert [row.description for row in response.context["table"].rows] == ["Line 2", "Line 1"]
    exported = body(signed_in(viewer).get(address, {"export": "csv"}))
    assert "2026-03-04,Line 2,,,2.00," in exported


# Journal and entries


@pytest.mark.parametrize(
    ("query", "memos"),
    [
        ({}, ["Invoice #1002", "Invoice #1001"]),
        ({"q": "#1001"}, ["Invoice #1001"]),
        ({"q": "5002"}, ["Invoice #1002"]),
        ({"q": "108.50"}, ["Invoice #1002", "Invoice #1001"]),
        ({"kind": "payout"}, []),
        ({"since": "2026-03-03"}, []),
    ],
)
def test_the_journal_is_narrowed(
    query: dict[str, str], memos: list[str], shop: Organization, viewer: User, signed_in: SignedIn
) -> None:
    response = signed_in(viewer).get(url("ledger:journal", shop), query)
    assert [row.entry.memo for row in response.context["rows"]] == memos


def test_the_journal_of_an_account(shop: Organization, viewer: User, signed_in: SignedIn) -> None:
    query = {"account": account(shop, "clearing").pk}
    response = signed_in(viewer).get(url("ledger:journal", shop), query)
    assert [row.entry.memo for row in response.context["rows"]] == ["Invoice #1001"]


@pytest.mark.parametrize("format", ["hledger", "beancount"])
def test_the_journal_is_exported(format: str, shop: Organization, viewer: User, signed_in: SignedIn) -> None:
    response = signed_in(viewer).get(url("ledger:journal_export", shop), {"format": format})
    text = body(response)
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert text.count("2026-03-02 *") == 2
    assert signed_in(viewer).get(url("ledger:journal_export", shop), {"format": "pdf"}).status_code == 302


def test_an_entry_page(shop: Organization, viewer: User, signed_in: SignedIn) -> None:
    entry = Entry.objects.get(organization=shop, document__external_id="5001")
    response = signed_in(viewer).get(url("ledger:entry", shop, entry.pk))
    assert [(row.account.role, row.amount) for row in response.context["lineage"].postings] == [
        ("clearing", 10850),
        ("sales", -10000),
        ("tax_payable", -850),
    ]
    assert response.context["may_reverse"] is False


def test_reversing_an_entry_by_hand(
    shop: Organization, approver: User, bookkeeper: User, signed_in: SignedIn
) -> None:
    entry = Entry.objects.get(organization=shop, document__external_id="5001")
    address = url("ledger:entry_reversal", shop, entry.pk)
    assert signed_in(bookkeeper).post(address, {"reason": "Wrong"}).status_code == 403
    assert signed_in(approver).post(address, {"reason": ""}).status_code == 422
    response = signed_in(approver).post(address, {"reason": "Booked twice"})
    mirror = Entry.objects.get(reverses=entry)
    assert response["Location"] == url("ledger:entry", shop, mirror.pk)
    assert (mirror.reason, mirror.created_by) == ("Booked twice", approver)
    assert queries.account_balance(account(shop, "clearing")) == 0
    assert AuditEvent.objects.filter(action="entry.reversed").count() == 1
    again = signed_in(approver).post(address, {"reason": "Once more"}, follow=True)
    assert "This entry has been reversed already." in again.content.decode()


def lines(*rows: tuple[str, str, str], total: int = 4) -> dict[str, str]:
    typed = {"line-TOTAL_FORMS": str(total), "line-INITIAL_FORMS": "0"}
    for number, (code, debit, credit) in enumerate(rows):
        typed |= {
            f"line-{number}-account": code,
            f"line-{number}-debit": debit,
            f"line-{number}-credit": credit,
        }
    return typed


HEAD = {"date": "2026-03-31", "currency": "USD", "number": "A-1", "memo": "Rent for March"}


def test_a_manual_entry_goes_through_documents_and_posting(
    shop: Organization, approver: User, signed_in: SignedIn, in_march: None
) -> None:
    typed = {**HEAD, **lines(("6200", "1200.50", ""), ("1000", "", "1200.50"))}
    response = signed_in(approver).post(url("ledger:new_entry", shop), typed)
    entry = Entry.objects.get(document__kind="journal_entry")
    assert response["Location"] == url("ledger:entry", shop, entry.pk)
    assert [(row.account.code, row.amount) for row in entry.postings.order_by("pk")] == [
        ("6200", 120050),
        ("1000", -120050),
    ]
    assert (entry.created_by, entry.document.total, entry.document.source.key) == (
        approver,
        120050,
        "by-hand",
    )
    assert AuditEvent.objects.get(action="journal_entry.posted").actor == approver


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ((("6200", "10", ""), ("1000", "", "9")), "The lines do not balance: 1.00 USD too many debits"),
        ((("6200", "10", ""),), "A journal entry needs at least two lines"),
        ((("6200", "10", "10"), ("1000", "", "9")), "Give a debit or a credit, not both."),
        ((("6200", "", ""), ("1000", "", "9")), "Give a debit or a credit."),
        ((("6200", "0.005", ""), ("1000", "", "0.005")), "has more decimals than USD allows (2)."),
        ((("9999", "10", ""), ("1000", "", "10")), "Select a valid choice"),
        ((("6200", "ten", ""), ("1000", "", "10")), "Enter a number"),
    ],
)
def test_a_manual_entry_that_cannot_be_posted(
    rows: tuple[tuple[str, str, str], ...],
    words: str,
    shop: Organization,
    approver: User,
    signed_in: SignedIn,
    in_march: None,
) -> None:
    response = signed_in(approver).post(url("ledger:new_entry", shop), {**HEAD, **lines(*rows)})
    assert response.status_code == 422
    assert words in response.content.decode()
    assert not Entry.objects.filter(document__kind="journal_entry").exists()


def test_the_running_sum(shop: Organization, approver: User, signed_in: SignedIn) -> None:
    typed = {**HEAD, **lines(("6200", "10", ""), ("1000", "", "4"))}
    shown = signed_in(approver).post(url("ledger:entry_sum", shop), typed).content.decode()
    amounts = re.findall(r'<span class="amount[^"]*">([^<]*)</span>', shown)
    assert amounts == ["10.00", "4.00", "6.00"]


# Documents, contacts, rates


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({}, ["#1002", "#1001"]),
        ({"q": "1001"}, ["#1001"]),
        ({"q": "berg"}, ["#1002"]),
        ({"q": "108,50"}, ["#1002", "#1001"]),
        ({"kind": "payout"}, []),
        ({"until": "2026-03-01"}, []),
    ],
)
def test_documents_are_narrowed(
    query: dict[str, str], numbers: list[str], shop: Organization, viewer: User, signed_in: SignedIn
) -> None:
    response = signed_in(viewer).get(url("ledger:documents", shop), query)
    assert [row.number for row in response.context["table"].rows] == numbers


def test_a_document_says_what_is_open(shop: Organization, viewer: User, signed_in: SignedIn) -> None:
    found = {}
    for entry in Entry.objects.filter(organization=shop).select_related("document"):
        response = signed_in(viewer).get(url("ledger:document", shop, entry.document_id))
        found[entry.document.number] = response.context["open"]
    assert found == {"#1001": 0, "#1002": 10850}


def test_a_bill_says_what_payments_left_of_it_that_name_it(
    shop: Organization, viewer: User, signed_in: SignedIn
) -> None:
    [bill, first, other] = book(
        shop,
        document("bill", external_id="B1", number="INV-7", total=5000, status="open"),
        document("bill_payment", external_id="P1", total=2000, bill="INV-7"),
        document("bill_payment", external_id="P2", total=300, bill="INV-8"),
    )
    person = signed_in(viewer)
    shown = person.get(url("ledger:document", shop, bill.pk)).context
    assert (shown["open"], [(one.by, one.amount) for one in shown["settled_by"]]) == (3000, [(first, 2000)])
    shown = person.get(url("ledger:document", shop, first.pk)).context
    assert [(one.document, one.amount) for one in shown["settles"]] == [(bill, 2000)]
    assert person.get(url("ledger:document", shop, other.pk)).context["settles"] == []
    book(shop, document("bill_payment", external_id="P3", total=3000, bill="B1"))
    response = person.get(url("ledger:document", shop, bill.pk))
    assert (response.context["open"], b"paid in full" in response.content) == (0, True)


def test_a_payout_leads_to_what_it_is_made_of(shop: Organization, viewer: User, signed_in: SignedIn) -> None:
    item = {
        "external_id": "i1",
        "category": "charge",
        "source": "t1",
        "amount": 10850,
        "fee": 350,
        "net": 10500,
    }
    draft = payout(external_id="po_1", total=10500, gateway="stripe", itemized=True, items=[item])
    [made] = book(shop, draft)
    made.lines.update(net=10500)
    made.total = 10500
    made.save()
    shown = signed_in(viewer).get(url("ledger:document", shop, made.pk)).context["paper"]
    assert shown.items_net == 10500
    assert [one.target.number for one in shown.items] == ["#1001"]


def test_contacts_show_what_they_owe(shop: Organization, viewer: User, signed_in: SignedIn) -> None:
    response = signed_in(viewer).get(url("ledger:contacts", shop))
    assert [(str(contact), open_) for contact, _, open_ in response.context["rows"]] == [
        ("Bo Berg", [("USD", 10850)])
    ]
    contact = Contact.objects.get(organization=shop)
    page = signed_in(viewer).get(url("ledger:contact", shop, contact.pk))
    assert [row.number for row in page.context["table"].rows] == ["#1002"]


def test_a_rate_is_saved_and_replaced(
    shop: Organization, bookkeeper: User, viewer: User, signed_in: SignedIn
) -> None:
    typed = {"currency": "EUR", "date": "2026-03-02", "rate": "1.08"}
    assert signed_in(viewer).post(url("ledger:rates", shop), typed).status_code == 403
    for rate in ("1.08", "1.09"):
        assert (
            signed_in(bookkeeper).post(url("ledger:rates", shop), {**typed, "rate": rate}).status_code == 302
        )
    assert ExchangeRate.objects.get().rate == Decimal("1.09")
    assert AuditEvent.objects.filter(action="exchange_rates.saved").count() == 2
    wrong = signed_in(bookkeeper).post(url("ledger:rates", shop), {**typed, "rate": "0"})
    assert (wrong.status_code, wrong.context["form"].errors["rate"]) == (
        422,
        ["A rate is greater than zero."],
    )


def upload(client: Client, shop: Organization, content: bytes) -> HttpResponse:
    file = SimpleUploadedFile("rates.csv", content, content_type="text/csv")
    return client.post(url("ledger:rates", shop), {"upload": "1", "file": file})


def test_rates_from_a_file(shop: Organization, bookkeeper: User, signed_in: SignedIn) -> None:
    content = (
        b"\xef\xbb\xbfcurrency,date,rate\nEUR,2026-03-02,1.08\n\nGBP,2026-03-02,1.27\nEUR,2026-03-02,1.10\n"
    )
    assert upload(signed_in(bookkeeper), shop, content).status_code == 302
    assert list(ExchangeRate.objects.order_by("currency").values_list("currency", "rate", "origin")) == [
        ("EUR", Decimal("1.10"), "rates.csv"),
        ("GBP", Decimal("1.27"), "rates.csv"),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"EUR,2026-03-02,1.08\nXXX,2026-03-02,1\n", "Line 2: 'XXX' is not a foreign currency code."),
        (b"USD,2026-03-02,1\n", "Line 1: 'USD' is not a foreign currency code."),
        (b"EUR,02.03.2026,1\n", "Line 1: '02.03.2026' is not a date. Write it like 2026-03-31."),
        (b"EUR,2026-03-02,-1\n", "Line 1: '-1' is not a rate greater than zero."),
        (b"EUR,2026-03-02,NaN\n", "Line 1: 'NaN' is not a rate greater than zero."),
        (b"EUR;2026-03-02;1\n", "Line 1: three columns are needed: currency, date, rate."),
        (b"%PDF-1.7\xff\xfe", "The file is not text in UTF-8. Save it as CSV (UTF-8) and try again."),
        (b"currency,date,rate\n", "There is no rate in this file. The columns are currency, date, rate."),
    ],
)
def test_a_wrong_rates_file_is_told_by_line_and_changes_nothing(
    content: bytes, words: str, shop: Organization, bookkeeper: User, signed_in: SignedIn
) -> None:
    response = upload(signed_in(bookkeeper), shop, content)
    assert response.status_code == 422
    assert response.context["upload"].errors["file"] == [words]
    assert not ExchangeRate.objects.exists()


# Reports


def test_the_trial_balance_is_equal_on_any_day(shop: Organization, viewer: User, signed_in: SignedIn) -> None:
    client = signed_in(viewer)
    on_day = client.get(url("ledger:trial_balance", shop), {"on": "2026-03-02"}).context["trial"]
    assert (on_day.debits, on_day.credits) == (21700, 21700)
    before = client.get(url("ledger:trial_balance", shop), {"on": "2026-03-01"}).context["trial"]
    assert (before.debits, before.credits, before.rows) == (0, 0, [])
    exported = body(client.get(url("ledger:trial_balance", shop), {"on": "2026-03-02", "export": "csv"}))
    assert "4000,Sales,Income,0.00,200.00" in exported


def test_profit_and_loss_of_a_period(shop: Organization) -> None:
    march = reports.profit_and_loss(shop, start=dt.date(2026, 3, 1), end=MARCH_END)
    assert [(section.title, section.total) for section in march.sections] == [
        ("Income", 20000),
        ("Expenses", 0),
    ]
    assert march.total == 20000
    assert reports.profit_and_loss(shop, start=dt.date(2026, 2, 1), end=dt.date(2026, 2, 28)).total == 0


def test_the_balance_sheet_balances(shop: Organization) -> None:
    sheet = reports.balance_sheet(shop, on=MARCH_END)
    assert [(section.title, section.total) for section in sheet.sections] == [
        ("Assets", 21700),
        ("Liabilities", 1700),
        ("Equity", 20000),
    ]
    assert sheet.total == 0


def test_periods() -> None:
    found = {one.key: (one.start, one.end) for one in reports.periods(dt.date(2024, 3, 15))}
    assert found == {
        "month": (dt.date(2024, 3, 1), dt.date(2024, 3, 31)),
        "last_month": (dt.date(2024, 2, 1), dt.date(2024, 2, 29)),
        "quarter": (dt.date(2024, 1, 1), dt.date(2024, 3, 31)),
        "last_quarter": (dt.date(2023, 10, 1), dt.date(2023, 12, 31)),
        "year": (dt.date(2024, 1, 1), dt.date(2024, 12, 31)),
        "last_year": (dt.date(2023, 1, 1), dt.date(2023, 12, 31)),
    }


def test_clearing_lists_what_no_payout_names(shop: Organization, viewer: User, signed_in: SignedIn) -> None:
    book(shop, invoice(external_id="5003", number="#1003", tenders=[tender(10850, id="t3")]))
    item = {"external_id": "i1", "category": "charge", "source": "t1", "amount": 10850, "net": 10850}
    [made] = book(
        shop, payout(external_id="po_1", total=10850, gateway="stripe", itemized=True, items=[item])
    )
    made.gateway = "stripe"
    made.save()
    clearing = account(shop, "clearing")
    context = signed_in(viewer).get(url("ledger:clearing_account", shop, clearing.pk)).context
    assert [row.document.number for row in context["page"].object_list] == ["#1003"]
    assert (context["one"].balance, context["one"].difference) == (10850, 0)
    context = signed_in(viewer).get(url("ledger:clearing_payouts", shop, clearing.pk)).context
    assert [(row.external_id, state) for row, _, state, _ in context["rows"]] == [("po_1", "Complete")]


# Totals


@pytest.fixture
def unmerged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a day stay several, whichever number an entry gets."""
    monkeypatch.setattr(totals, "MERGE_EVERY", 1 << 40)


@pytest.mark.usefixtures("unmerged")
def test_totals_are_the_sum_of_the_postings(shop: Organization) -> None:
    assert totals.wrong(shop) == []
    rows = DailyTotal.objects.filter(account=account(shop, "sales"))
    assert sorted(rows.values_list("date", "currency", "amount", "base_amount")) == [
        (DAY, "USD", -10000, -10000),
        (DAY, "USD", -10000, -10000),
    ]
    totals.merge({row.account_id for row in rows}, {DAY})
    assert list(rows.values_list("date", "amount")) == [(DAY, -20000)]
    assert totals.wrong(shop) == []


def test_a_total_that_drifted_is_found(shop: Organization) -> None:
    sales = account(shop, "sales")
    DailyTotal.objects.filter(account=sales).delete()
    [found] = totals.wrong(shop)
    assert (found.account_id, found.totals, found.postings) == (sales.pk, (0, 0), (-20000, -20000))


@pytest.mark.parametrize("name", ["ledger:journal", "ledger:documents", "ledger:contacts", "ledger:accounts"])
def test_lists_take_as_many_queries_for_many_rows(
    name: str,
    organization: Organization,
    viewer: User,
    signed_in: SignedIn,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    install_chart(organization)
    for number in range(12):
        book(
            organization,
            invoice(external_id=str(number), number=f"#{number}", status="open", tenders=[]),
            contact=f"Person {number}",
        )
    client = signed_in(viewer)
    client.get(url(name, organization))
    with django_assert_max_num_queries(16):
        client.get(url(name, organization))
