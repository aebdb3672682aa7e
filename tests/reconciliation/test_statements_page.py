"""Pages of statements, sign-off and report: who may, what they say, what each button does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from ledgerhub.access.models import Organization, User
from ledgerhub.ledger.models import Account
from reconciliation import decisions, runs, signing
from reconciliation.models import Match, SignOff
from reconciliation.selection import Selection
from tests.ledger.drafts import DAY
from tests.reconciliation.factories import make_bank, make_line, make_payout, make_statement

SignedIn = Callable[[User], Client]
END = dt.date(2026, 3, 31)


@pytest.fixture
def bank(organization: Organization, admin: User) -> Account:
    bank = make_bank(organization)
    row, line = make_payout(bank, 9_700), make_line(bank, 9_700, description="STRIPE")
    decisions.match_by_hand(Selection(bank, [line], [row]), user=admin)
    make_payout(bank, 250, date=DAY, id="po_out")
    make_statement(bank, opening=0, closing=9_700, start=DAY.replace(day=1), end=END)
    return bank


@pytest.fixture
def made(bank: Account, approver: User) -> SignOff:
    return signing.sign(bank, END, user=approver)


def url(name: str, *args: Any) -> str:
    return reverse(f"reconciliation:{name}", args=["corner-shop", *args])


def words(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_pages_are_for_members(
    bank: Account, made: SignOff, viewer: User, outsider: User, signed_in: SignedIn
) -> None:
    for page in (url("statements", bank.pk), url("report", bank.pk), url("sign_off", made.pk)):
        assert signed_in(viewer).get(page).status_code == 200
        assert signed_in(outsider).get(page).status_code == 404
        assert Client().get(page).status_code == 302


def test_acts_need_an_approver(
    bank: Account, made: SignOff, bookkeeper: User, outsider: User, signed_in: SignedIn
) -> None:
    for page in (url("sign_offs", bank.pk), url("reopening", made.pk)):
        assert signed_in(bookkeeper).post(page, {"until": END, "reason": "x"}).status_code == 403
        assert signed_in(outsider).post(page, {"until": END, "reason": "x"}).status_code == 404
        assert signed_in(bookkeeper).get(page).status_code in (403, 405)
    made.refresh_from_db()
    assert (made.reopened_at, SignOff.objects.count()) == (None, 1)


def test_signing_leads_to_the_report_and_back(bank: Account, approver: User, signed_in: SignedIn) -> None:
    client = signed_in(approver)
    page = client.get(url("statements", bank.pk))
    assert page.context["hindrances"] == []
    assert "Adds up" in page.content.decode()
    response = client.post(
        url("sign_offs", bank.pk), {"until": "2026-03-31", "note": "All seen", "lock_books": "1"}
    )
    made = SignOff.objects.get()
    assert response["Location"] == url("sign_off", made.pk)
    assert (made.note, made.signed_by) == ("All seen", approver)
    bank.organization.refresh_from_db()
    assert bank.organization.lock_date is None  # that is for admins
    report = client.get(url("sign_off", made.pk)).content.decode()
    assert "Reconciled and signed" in report
    assert "po_out" in report
    response = client.post(url("reopening", made.pk), {"reason": ""})
    assert "Say why it is reopened" in words(response)[-1]
    client.post(url("reopening", made.pk), {"reason": "Wrong month"})
    made.refresh_from_db()
    assert made.reopen_reason == "Wrong month"
    assert "Reopened by Ann Approver" in client.get(url("sign_off", made.pk)).content.decode()


def test_an_admin_locks_the_books_with_it(bank: Account, admin: User, signed_in: SignedIn) -> None:
    signed_in(admin).post(url("sign_offs", bank.pk), {"until": "2026-03-31", "lock_books": "1"})
    bank.organization.refresh_from_db()
    assert bank.organization.lock_date == END


def test_what_hinders_is_said_with_a_link(bank: Account, approver: User, signed_in: SignedIn) -> None:
    make_line(bank, 100, description="LATE")
    client = signed_in(approver)
    page = client.get(url("statements", bank.pk) + "?until=2026-03-31")
    links = {each.text: link for each, link in page.context["hindrances"]}
    assert links["1 bank line is not explained yet."] == url("workspace", bank.pk) + "?until=2026-03-31"
    response = client.post(url("sign_offs", bank.pk), {"until": "2026-03-31"})
    assert response.status_code == 302
    assert "1 bank line is not explained yet." in words(response)
    assert SignOff.objects.count() == 0
    assert "Choose the day" in words(client.post(url("sign_offs", bank.pk), {"until": "nonsense"}))[-1]


def test_the_signed_report_keeps_its_figures_and_says_what_changed(
    bank: Account, made: SignOff, viewer: User, signed_in: SignedIn
) -> None:
    make_payout(bank, 333, date=DAY)
    make_line(bank, 1_200)
    response = signed_in(viewer).get(url("sign_off", made.pk))
    assert (response.context["books"], response.context["outstanding"]) == (9_950, 250)
    late, books = response.context["changes"]
    assert late == "A line of 12.00\xa0USD came in for a period that was signed (up to 2026-03-31)."
    assert books.startswith("The books say 102.83\xa0USD of that day now, 99.50\xa0USD when it was signed")
    page = signed_in(viewer).get(url("statements", bank.pk)).content.decode()
    assert "The sign-off does not hold any more" in page
    assert "Signed period changed" in signed_in(viewer).get(url("accounts")).content.decode()
    dashboard = signed_in(viewer).get(reverse("dashboard", args=["corner-shop"])).content.decode()
    assert "A line of 12.00\xa0USD came in for a period that was signed" in dashboard


def test_a_refusal_for_a_signed_period_links_to_where_it_is_reopened(
    bank: Account, made: SignOff, approver: User, signed_in: SignedIn
) -> None:
    make_payout(bank, 4_400)
    line = make_line(bank, 4_400)
    runs.propose(bank)
    proposed = Match.objects.get(rows__statement_line=line)
    client = signed_in(approver)
    answer = client.post(url("confirmation", proposed.pk), headers={"HX-Request": "true"}).content.decode()
    assert "signed off" in answer
    assert url("statements", bank.pk) in answer
    page = client.post(url("confirmation", proposed.pk), follow=True).content.decode()
    assert f'href="{url("statements", bank.pk)}">Open</a>' in page
    proposed.refresh_from_db()
    assert proposed.state == "proposed"


def test_the_list_and_the_dashboard_use_the_same_words(
    bank: Account, approver: User, viewer: User, signed_in: SignedIn
) -> None:
    client = signed_in(viewer)
    dashboard = reverse("dashboard", args=["corner-shop"])
    assert [row.state for row in client.get(url("accounts")).context["rows"]] == ["reconciled"]
    assert "Sign off Checking account up to 2026-03-31" in client.get(dashboard).content.decode()
    signing.sign(bank, END, user=approver)
    assert "Sign off Checking account" not in client.get(dashboard).content.decode()
    assert "Signed off up to" in client.get(url("accounts")).content.decode()
    make_line(bank, 5, date=dt.date(2026, 4, 2))
    assert [row.state for row in client.get(url("accounts")).context["rows"]] == ["needs_person"]


def test_the_report_exports_every_item(
    bank: Account, made: SignOff, viewer: User, signed_in: SignedIn
) -> None:
    response: Any = signed_in(viewer).get(url("sign_off", made.pk) + "?export=csv")
    lines = b"".join(response.streaming_content).decode().splitlines()
    assert lines[1:6] == [
        "Opening balance of the bank,2026-03-01,,,,,,0.00,USD",
        "Bank lines (1),,,,,,,97.00,USD",
        "Closing balance of the bank,2026-03-31,,,,,,97.00,USD",
        "Outstanding,,,,,,,2.50,USD",
        "Balance of the books,2026-03-31,,,,,,99.50,USD",
    ]
    assert lines[6].startswith("Receipts not at the bank yet,2026-03-02,Payout po_out,,")
    assert len(lines) == 7


def test_the_page_takes_as_many_queries_with_many_statements(
    bank: Account, approver: User, signed_in: SignedIn, django_assert_max_num_queries: Any
) -> None:
    for month in range(4, 11):
        make_statement(
            bank, opening=9_700, closing=9_700, start=dt.date(2026, month, 1), end=dt.date(2026, month, 28)
        )
        make_line(bank, 100 + month, date=dt.date(2026, month, 3))
    client = signed_in(approver)
    client.get(url("statements", bank.pk))
    with django_assert_max_num_queries(40):
        page = client.get(url("statements", bank.pk))
    assert len(page.context["rows"].object_list) == 8
