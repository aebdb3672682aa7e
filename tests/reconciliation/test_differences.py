"""Differences: what they probably are, booked with one click, within limits, listed and undone."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger.models import Account, Entry, ExchangeRate, Posting
from reconciliation import cards, decisions, differences, open_rows, runs
from reconciliation.models import DifferenceLimit, Match, MatchCoding, MatchLine
from reconciliation.selection import Coding, Payment, Selection
from tests.ledger.drafts import DAY
from tests.reconciliation.factories import account, balances, make_bank, make_invoice, make_line, make_payout

SignedIn = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def bank(organization: Organization) -> Account:
    return make_bank(organization)


def url(name: str, *args: int) -> str:
    return reverse(f"reconciliation:{name}", args=["corner-shop", *args])


def short(bank: Account, left: int, *, kind: str = "other", booked: int = 10000, **fields: Any) -> Match:
    """A proposal of a line and a payout that differ by `left`."""
    row, line = make_payout(bank, booked), make_line(bank, booked + left, **fields)
    return _proposal(bank, line.amount, left, kind, statement_line=line, posting=row, booked=booked)


def part_of_invoice(bank: Account, paid: int, *, kind: str = "part", total: int = 10000) -> Match:
    invoice, line = make_invoice(bank.organization, total), make_line(bank, paid)
    return _proposal(bank, paid, paid - total, kind, statement_line=line, document=invoice, booked=total)


def _proposal(bank: Account, amount: int, left: int, kind: str, *, booked: int, **rows: Any) -> Match:
    made = Match.objects.create(
        organization=bank.organization, account=bank, probability=0.9, fingerprint=f"{kind}{left}{amount}",
        difference=left, difference_kind=kind,
    )  # fmt: skip
    MatchLine.objects.create(match=made, statement_line=rows.pop("statement_line"), amount=amount)
    MatchLine.objects.create(match=made, amount=booked, **rows)
    return made


def offer(made: Match, to: str = "", user: User | None = None) -> differences.Offer:
    membership = user.memberships.get() if user else None
    [read] = cards.with_rows([made.pk])
    return differences.offers(made.account, [read], membership=membership, to=to)[made.pk]


def approve(client: Client, made: Match, to: str, **data: str) -> Any:
    return client.post(url("difference_confirmation", made.pk), {"to": to, "seen": to, **data})


def words(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


# ── what is offered ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "left", "role", "button"),
    [
        ("rounding", -2, "rounding", "Approve and book −0.02 USD to Rounding differences"),
        ("fee", -150, "merchant_fees", "Approve and book −1.50 USD to Merchant fees"),
        ("discount", -200, "discounts", "Approve and book −2.00 USD to Discounts given"),
        ("other", 700, "write_offs", "Approve and book 7.00 USD to Write-offs"),
        ("overpaid", 700, "deposits", "Approve and book 7.00 USD to Customer deposits"),
        ("", -300, "write_offs", "Approve and book −3.00 USD to Write-offs"),
    ],
)
def test_each_kind_has_its_account(bank: Account, kind: str, left: int, role: str, button: str) -> None:
    found = offer(short(bank, left, kind=kind))
    assert found.chosen is not None
    assert found.chosen.account == account(bank.organization, role)
    assert (found.button, found.problem, found.ready) == (button, "", True)
    [entry] = found.entries
    assert [(side.account.role, side.amount) for side in entry.lines] == [("bank", left), (role, -left)]


def test_a_typing_error_is_corrected_not_written_off(
    bank: Account, approver: User, signed_in: SignedIn
) -> None:
    made = short(bank, -90, kind="transposed")
    found = offer(made)
    assert (found.chosen, found.ready, found.entries) == (None, False, [])
    posted = made.rows.get(posting__isnull=False).posting
    assert posted is not None
    assert found.mistyped == posted.entry.document
    client = signed_in(approver)
    page = client.get(url("workspace", bank.pk)).content.decode()
    assert reverse("ledger:document", args=["corner-shop", posted.entry.document_id]) in page
    assert ("correct it where it was written" in page, "Approve and book" in page) == (True, False)
    off = str(account(bank.organization, "write_offs").pk)
    assert approve(client, made, "").status_code == 422
    approve(client, made, off)
    assert Match.objects.get().state == "confirmed"
    assert offer(part_of_invoice(bank, 9010, kind="transposed")).chosen is None


def test_a_fee_on_a_wire_is_the_banks(bank: Account) -> None:
    found = offer(part_of_invoice(bank, 9850, kind="fee"))
    assert found.chosen is not None
    assert found.chosen.account == account(bank.organization, "bank_fees")
    [entry] = found.entries
    assert [(side.account.role, side.amount) for side in entry.lines] == [
        ("bank", 9850), ("receivable", -10000), ("bank_fees", 150),
    ]  # fmt: skip


def test_a_part_payment_writes_nothing_off(bank: Account, approver: User, signed_in: SignedIn) -> None:
    made = part_of_invoice(bank, 4000)
    found = offer(made)
    assert found.chosen is not None
    assert (found.chosen.value, found.button) == ("part", "Approve as part payment")
    assert found.chosen.label == "Leave 60.00 USD open: a part payment"
    approve(signed_in(approver), made, "part")
    assert balances(bank.organization) == {"1000": 4000, "1200": 6000, "4000": -10000}
    assert not MatchCoding.objects.exists()
    again = decisions.undo(Match.objects.get(), user=approver)
    assert again is not None
    assert (again.difference, again.difference_kind) == (-6000, "part")
    assert [row.amount for row in open_rows.documents(bank)] == [10000]


def test_a_tie_or_a_pair_that_agrees_offers_nothing(bank: Account) -> None:
    tie, even = short(bank, -2), short(bank, 0)
    Match.objects.filter(pk=tie.pk).update(tie=True)
    assert differences.offers(bank, list(cards.with_rows([tie.pk, even.pk]))) == {}


def test_the_locked_period_is_said(bank: Account, approver: User, signed_in: SignedIn) -> None:
    made = short(bank, -150, kind="fee")
    Organization.objects.update(lock_date=DAY)
    made.refresh_from_db()
    [entry] = offer(Match.objects.get(pk=made.pk)).entries
    assert (entry.date, entry.moved_from) == (DAY + dt.timedelta(days=1), DAY)
    text = signed_in(approver).get(url("difference", made.pk)).content.decode()
    assert "lies in a locked period" in text


# ── one click ───────────────────────────────────────────────────────────────────────────────────────


def test_one_click_books_it_with_who_and_why_and_undo_reverses_it(
    bank: Account, approver: User, signed_in: SignedIn
) -> None:
    made = short(bank, -150, kind="fee")
    before = balances(bank.organization)
    fees = account(bank.organization, "merchant_fees")
    client = signed_in(approver)
    page = client.get(url("workspace", bank.pk)).content.decode()
    assert "Probably a fee" in page
    assert "Approve and book −1.50 USD to Merchant fees" in page
    response = approve(client, made, str(fees.pk))
    assert words(response) == ["Approved, the difference is booked to 6000 Merchant fees."]
    made.refresh_from_db()
    assert (made.state, made.difference) == ("confirmed", 0)
    assert balances(bank.organization) == {**before, "1000": before["1000"] - 150, "6000": 150}
    assert Posting.objects.get(account=fees).memo == "Fee, approved by Ann Approver"
    event = AuditEvent.objects.get(action="match.confirmed")
    assert event.after["differences"] == ["−1.50 USD to 6000 Merchant fees: Fee, approved by Ann Approver"]
    client.post(url("reversal", made.pk))
    assert balances(bank.organization) == before
    assert Entry.objects.filter(reverses__isnull=False).count() == 1
    again = Match.objects.get(state="proposed")
    assert (again.difference, again.difference_kind, again.codings.count()) == (-150, "fee", 0)


def test_what_was_not_on_the_screen_is_shown_not_posted(
    bank: Account, approver: User, signed_in: SignedIn
) -> None:
    made = short(bank, -150, kind="fee")
    fees, rounding = (str(account(bank.organization, role).pk) for role in ("merchant_fees", "rounding"))
    client = signed_in(approver)
    response = client.post(url("difference_confirmation", made.pk), {"to": rounding, "seen": fees})
    assert response.status_code == 422
    assert "Approve and book −1.50 USD to Rounding differences" in response.content.decode()
    answer = client.post(
        url("difference_confirmation", made.pk), {"to": rounding, "seen": fees}, headers=HTMX
    )
    assert answer["HX-Retarget"] == f"#difference-{made.pk}"
    shown = client.get(url("difference", made.pk), {"to": rounding}, headers=HTMX).content.decode()
    assert f'name="seen" value="{rounding}"' in shown
    assert "<html" not in shown
    assert approve(client, made, "999999").status_code == 422
    made.refresh_from_db()
    assert made.state == "proposed"


def test_the_page_of_the_line_begins_with_what_is_usual(
    bank: Account, approver: User, signed_in: SignedIn
) -> None:
    client = signed_in(approver)
    fee, part = short(bank, -150, kind="fee"), part_of_invoice(bank, 4000)
    pages = []
    for made in (fee, part):
        line = made.rows.get(statement_line__isnull=False).statement_line_id
        assert line is not None
        pages.append(client.get(url("line", bank.pk, line), {"proposal": "1"}).context)
    assert [coding.account.role for coding in pages[0]["selection"].codings] == ["merchant_fees"]
    assert [payment.amount for payment in pages[1]["selection"].payments] == [4000]
    assert [page["ready"] for page in pages] == [True, True]
    shown = client.get(url("match", fee.pk)).content.decode()
    assert "Approve and book −1.50 USD to Merchant fees" in shown
    assert "hx-post" not in shown.split('class="difference-form"')[1].split(">")[0]


def test_by_htmx_the_card_goes(bank: Account, approver: User, signed_in: SignedIn) -> None:
    made = short(bank, -2, kind="rounding")
    to = str(account(bank.organization, "rounding").pk)
    answer = signed_in(approver).post(
        url("difference_confirmation", made.pk), {"to": to, "seen": to}, headers=HTMX
    )
    line = made.rows.get(statement_line__isnull=False).statement_line_id
    assert json.loads(answer["HX-Trigger-After-Swap"]) == {"decided": {"lines": [line]}}
    gone = signed_in(approver).post(
        url("difference_confirmation", made.pk), {"to": to, "seen": to}, headers=HTMX
    )
    assert "This proposal has no difference any more" in gone.content.decode()


# ── limits ──────────────────────────────────────────────────────────────────────────────────────────


def test_an_approvers_limit_holds_on_the_card_and_in_the_decision(
    bank: Account, approver: User, admin: User, signed_in: SignedIn
) -> None:
    made = short(bank, -12000, booked=50000)
    said = "You may write off up to 50.00 USD; this is 120.00 USD. Ask an admin."
    to = str(account(bank.organization, "write_offs").pk)
    assert offer(made, user=approver).refusal == said
    assert words(approve(signed_in(approver), made, to)) == [said]
    assert offer(made, user=admin).refusal == ""
    approve(signed_in(admin), made, to)
    made.refresh_from_db()
    assert made.state == "confirmed"


def test_the_limit_cannot_be_passed_by_the_pages_of_a_line(
    bank: Account, approver: User, signed_in: SignedIn
) -> None:
    row, line = make_payout(bank, 50000), make_line(bank, 38000)
    target = account(bank.organization, "write_offs")
    page = url("line_confirmation", bank.pk, line.pk)
    response = signed_in(approver).post(page, {"row": f"P{row.pk}", "difference_to": str(target.pk)})
    assert response.status_code == 422
    assert "You may write off up to 50.00 USD; this is 120.00 USD." in response.content.decode()
    for codings in ([Coding(target, -12000)], [Coding(target, -22000), Coding(target, 10000)]):
        with pytest.raises(RecordError, match="Ask an admin"):
            decisions.match_by_hand(Selection(bank, [line], [row], codings=codings), user=approver)


def test_what_is_no_write_off_has_no_limit(bank: Account, approver: User) -> None:
    line = make_line(bank, -12000)
    fees = account(bank.organization, "bank_fees")
    decisions.match_by_hand(Selection(bank, [line], codings=[Coding(fees, -12000)]), user=approver)
    found = open_rows.open_ones(bank, [make_invoice(bank.organization, 50000).pk])
    [document] = found.values()
    rent = account(bank.organization, "rent")
    line = make_line(bank, 30000)
    decisions.match_by_hand(
        Selection(bank, [line], payments=[Payment(document, 50000)], codings=[Coding(rent, -20000)]),
        user=approver,
    )
    assert MatchCoding.objects.filter(is_difference=True).count() == 0


def test_another_currency_counts_at_the_days_rate(bank: Account, approver: User) -> None:
    euros = Account.objects.create(
        organization=bank.organization, code="1001", name="Euro account", type="asset", currency="EUR"
    )
    target = account(bank.organization, "write_offs")
    line = make_line(euros, 4600, currency="EUR")
    coding = Coding(target, 4600, is_difference=True)
    row = make_payout(bank, 1)
    selection = Selection(euros, [line], [row], codings=[coding])
    with pytest.raises(RecordError, match="no exchange rate from EUR"):
        differences.refuse_beyond_limit(selection, approver)
    ExchangeRate.objects.create(
        organization=bank.organization, currency="EUR", date=DAY, rate=Decimal("1.10")
    )
    with pytest.raises(RecordError, match=r"up to 50\.00 USD; this is 50\.60 USD"):
        differences.refuse_beyond_limit(selection, approver)


def test_admins_set_the_limits(
    bank: Account, admin: User, approver: User, outsider: User, signed_in: SignedIn
) -> None:
    page = url("difference_limits")
    client = signed_in(admin)
    assert client.get(page).status_code == 200
    data = {"bookkeeper": "0", "approver": "1.00", "admin": ""}
    assert words(client.post(page, data)) == ["The limits are saved."]
    assert words(client.post(page, data))[-1:] == ["Nothing was changed."]
    assert list(DifferenceLimit.objects.values_list("role", "amount")) == [("approver", 100)]
    event = AuditEvent.objects.get(action="difference_limit.changed")
    assert (event.before, event.after) == ({"approver": "50.00 USD"}, {"approver": "1.00 USD"})
    wrong = client.post(page, {"bookkeeper": "-1", "approver": "x", "admin": ""})
    assert wrong.status_code == 422
    assert "&#x27;x&#x27; is not an amount." in wrong.content.decode()
    assert "A limit is an amount without a sign" in wrong.content.decode()
    assert "up to 1.00 USD" in offer(short(bank, -150), user=approver).refusal
    assert signed_in(approver).get(page).status_code == 200
    assert signed_in(approver).post(page, data).status_code == 403
    assert signed_in(outsider).get(page).status_code == 404
    assert signed_in(outsider).post(page, data).status_code == 404


# ── the list, and who may ───────────────────────────────────────────────────────────────────────────


def test_the_list_of_differences(bank: Account, approver: User, viewer: User, signed_in: SignedIn) -> None:
    client = signed_in(viewer)
    assert "No difference booked yet" in client.get(url("differences")).content.decode()
    kept, undone = short(bank, -150, kind="fee", description="STRIPE"), short(bank, -2, kind="rounding")
    for made in (kept, undone):
        way = offer(made).chosen
        assert way is not None
        approve(signed_in(approver), made, way.value)
    decisions.undo(undone, user=approver)
    rows = client.get(url("differences"), {"sort": "amount"}).context["table"].rows
    assert [(r.date, r.account.role, r.amount, r.who, r.match.state) for r in rows] == [
        (DAY, "merchant_fees", -150, "Ann Approver", "confirmed"),
        (DAY, "rounding", -2, "Ann Approver", "undone"),
    ]
    found = client.get(url("differences"), {"state": "confirmed", "bank": str(bank.pk), "q": "stripe"})
    assert [row.line_text for row in found.context["table"].rows] == ["STRIPE"]
    lines = b"".join(client.get(url("differences"), {"export": "csv", "sort": "amount"}).streaming_content)
    assert b'STRIPE,6000 Merchant fees,"Fee, approved by Ann Approver",-1.50,Ann Approver' in lines


def test_who_may(bank: Account, viewer: User, bookkeeper: User, outsider: User, signed_in: SignedIn) -> None:
    made = short(bank, -150, kind="fee")
    pages = [url("difference", made.pk), url("differences")]
    assert [signed_in(viewer).get(page).status_code for page in pages] == [200, 200]
    assert [signed_in(outsider).get(page).status_code for page in pages] == [404, 404]
    to = str(account(bank.organization, "merchant_fees").pk)
    assert approve(signed_in(bookkeeper), made, to).status_code == 403
    assert approve(signed_in(outsider), made, to).status_code == 404
    assert "Somebody who may approve" in signed_in(bookkeeper).get(pages[0]).content.decode()


def test_a_page_of_differences_is_a_handful_of_queries(
    bank: Account, approver: User, signed_in: SignedIn, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        short(bank, -150 - number, kind="fee")
        part_of_invoice(bank, 4000 + number)
    client = signed_in(approver)
    client.get(url("workspace", bank.pk))
    with django_assert_max_num_queries(44):
        client.get(url("workspace", bank.pk))


def test_the_engine_says_what_it_is(bank: Account, approver: User) -> None:
    make_invoice(bank.organization, 123456, number="INV-778899")
    make_line(bank, 123455, description="ANN LEE INV-778899")
    runs.propose(bank)
    made = Match.objects.get()
    assert (made.difference, offer(made).probably) == (-1, "Probably rounding")
