"""The pages of matching: who sees what, what each button does, and what is said when it cannot."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from integrations.models import Integration
from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.ledger.models import Account, Posting, StatementLine
from reconciliation import decisions, runs
from reconciliation.models import Confirmation, Match, MatchLine, MatchRun
from reconciliation.selection import Selection
from tests.jobs import drain
from tests.ledger.drafts import DAY
from tests.reconciliation.factories import (
    account,
    balances,
    make_bank,
    make_invoice,
    make_line,
    make_payout,
    make_statement,
)

SignedIn = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def bank(organization: Organization) -> Account:
    make_bank(organization)
    return account(organization, "bank")


def url(name: str, *args: Any) -> str:
    return reverse(f"reconciliation:{name}", args=["corner-shop", *args])


def words(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def proposal(bank: Account, amount: int = 9700, **fields: Any) -> Match:
    make_payout(bank, amount)
    line = make_line(bank, amount, **fields)
    runs.propose(bank)
    return Match.objects.get(rows__statement_line=line)


# ── who may ─────────────────────────────────────────────────────────────────────────────────────────────


PAGES = ["accounts", "queue", "workspace", "header", "decided", "recent", "line", "match"]
ACTS = {
    "passes": "bookkeeper",
    "rejection": "bookkeeper",
    "notes": "bookkeeper",
    "line_preparation": "bookkeeper",
    "confirmation": "approver",
    "reversal": "approver",
    "confirmations": "approver",
    "last_reversal": "approver",
    "bulk": "approver",
    "line_confirmation": "approver",
}


def address(name: str, bank: Account, made: Match) -> str:
    line = made.rows.filter(statement_line__isnull=False).get().statement_line
    assert line is not None
    if name == "queue":
        return url(name) + "?show="
    if name in ("accounts", "confirmations", "last_reversal"):
        return url(name)
    if name in ("match", "confirmation", "rejection", "reversal"):
        return url(name, made.pk)
    if name in ("line", "notes", "line_preparation", "line_confirmation"):
        return url(name, bank.pk, line.pk)
    return url(name, bank.pk)


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_for_members(
    bank: Account, viewer: User, outsider: User, signed_in: SignedIn, name: str
) -> None:
    page = address(name, bank, proposal(bank))
    assert signed_in(viewer).get(page).status_code == 200
    assert signed_in(outsider).get(page).status_code == 404
    assert Client().get(page).status_code == 302


@pytest.mark.parametrize(("name", "role"), ACTS.items())
def test_acts_need_their_role(
    bank: Account, viewer: User, bookkeeper: User, outsider: User, signed_in: SignedIn, name: str, role: str
) -> None:
    made = proposal(bank)
    page = address(name, bank, made)
    weaker = viewer if role == "bookkeeper" else bookkeeper
    assert signed_in(weaker).post(page).status_code == 403
    assert signed_in(outsider).post(page).status_code == 404
    assert signed_in(weaker).get(page).status_code in (403, 405)
    made.refresh_from_db()
    assert (made.state, Confirmation.objects.count()) == ("proposed", 0)


def test_rows_of_another_organization_are_not_found(
    bank: Account, outsider: User, signed_in: SignedIn, approver: User
) -> None:
    other = outsider.memberships.get().organization
    theirs = make_bank(other)
    line = make_line(theirs, 500)
    client = signed_in(approver)
    assert client.get(url("workspace", theirs.pk)).status_code == 404
    assert client.get(url("line", bank.pk, line.pk)).status_code == 404
    row = make_payout(theirs, 500)
    mine = make_line(bank, 500)
    response = client.post(url("line_confirmation", bank.pk, mine.pk), {"row": f"P{row.pk}"})
    assert response.status_code == 422
    assert "1 of the ticked rows can no longer be matched" in response.content.decode()


# ── lists ───────────────────────────────────────────────────────────────────────────────────────────────


def test_accounts_say_what_is_open(bank: Account, viewer: User, signed_in: SignedIn) -> None:
    proposal(bank)
    make_line(bank, -300)
    make_statement(bank, opening=0, closing=9400, start=DAY, end=DAY)
    response = signed_in(viewer).get(url("accounts"))
    [row] = response.context["rows"]
    assert (row.account, row.open_lines, row.proposals, row.books, row.bank_balance) == (
        bank,
        2,
        1,
        9700,
        9400,
    )
    assert "2 bank lines to explain" in response.content.decode()


def test_without_a_statement_the_next_step_is_said(bank: Account, viewer: User, signed_in: SignedIn) -> None:
    text = signed_in(viewer).get(url("accounts")).content.decode()
    assert "Nothing to reconcile yet" in text
    text = signed_in(viewer).get(url("workspace", bank.pk)).content.decode()
    assert "No statement yet" in text


def test_filters_of_the_workspace(bank: Account, viewer: User, signed_in: SignedIn) -> None:
    made = proposal(bank, 9700, description="STRIPE")
    Match.objects.filter(pk=made.pk).update(probability=0.97, tie=False)
    plain = make_line(bank, -12345, description="RENT", date=DAY + dt.timedelta(days=5))
    client = signed_in(viewer)

    def found(query: str) -> list[str]:
        response = client.get(url("workspace", bank.pk) + query)
        return [card.line.description for card in response.context["cards"]]

    assert found("") == ["STRIPE", "RENT"]
    assert found("?sort=-date") == ["RENT", "STRIPE"]
    assert found("?show=ready") == ["STRIPE"]
    assert found("?show=none") == ["RENT"]
    assert found("?show=person") == ["RENT"]
    assert found("?amount=123.45") == ["RENT"]
    assert found("?amount=90..100") == ["STRIPE"]
    assert found("?q=ren") == ["RENT"]
    assert found(f"?since={plain.date}") == ["RENT"]
    assert "cannot be used here" in client.get(url("workspace", bank.pk) + "?amount=x").content.decode()


def test_a_page_of_many_lines_is_a_handful_of_queries(
    bank: Account, approver: User, signed_in: SignedIn, django_assert_max_num_queries: Any
) -> None:
    for amount in range(100, 170):
        make_payout(bank, amount)
    source = make_line(bank, 1).source
    StatementLine.objects.bulk_create(
        StatementLine(
            organization=bank.organization, account=bank, source=source, identity=f"x{n}", date=DAY,
            amount=100 + n if n < 70 else 10**6 + n, currency="USD", description=f"TRANSFER {n}",
        )
        for n in range(10_000)
    )  # fmt: skip
    runs.propose(bank)
    assert Match.objects.count() == 70
    client = signed_in(approver)
    client.get(url("workspace", bank.pk))
    with django_assert_max_num_queries(34):
        response = client.get(url("workspace", bank.pk))
    assert len(response.context["cards"]) == 50
    with django_assert_max_num_queries(34):
        client.get(url("workspace", bank.pk) + "?show=ready")
    with django_assert_max_num_queries(26):
        response = client.get(url("queue") + "?show=")
    assert len(response.context["cards"]) == 50
    with django_assert_max_num_queries(26):
        client.get(url("bulk", bank.pk) + "?least=50")


# ── approve, reject, undo ───────────────────────────────────────────────────────────────────────────────


def test_approve_and_undo_without_a_script(bank: Account, approver: User, signed_in: SignedIn) -> None:
    made = proposal(bank)
    client = signed_in(approver)
    back = url("workspace", bank.pk) + "?show=ready"
    response = client.post(url("confirmation", made.pk), {"next": back})
    assert (response.status_code, response["Location"]) == (302, back)
    page = client.get(back)
    [message] = page.context["messages"]
    undo = message.extra_tags.removeprefix("undo=")
    assert undo.startswith(url("reversal", made.pk))
    made.refresh_from_db()
    assert made.state == "confirmed"
    response = client.post(undo)
    assert response["Location"] == back
    made.refresh_from_db()
    assert made.state == "undone"
    assert Match.objects.filter(state="proposed").count() == 1
    actions = AuditEvent.objects.filter(action__startswith="match.").order_by("pk")
    assert [event.action for event in actions] == ["match.confirmed", "match.undone"]
    assert {event.actor for event in actions} == {approver}


def test_the_way_back_is_ours_only(bank: Account, approver: User, signed_in: SignedIn) -> None:
    made = proposal(bank)
    response = signed_in(approver).post(url("confirmation", made.pk), {"next": "https://evil.example/"})
    assert response["Location"] == url("workspace", bank.pk)


def test_approve_by_htmx_answers_with_what_changed(
    bank: Account, approver: User, signed_in: SignedIn
) -> None:
    made = proposal(bank)
    line = made.rows.get(statement_line__isnull=False).statement_line
    response = signed_in(approver).post(url("confirmation", made.pk), headers=HTMX)
    text = response.content.decode()
    assert response.status_code == 200
    assert json.loads(response["HX-Trigger-After-Swap"]) == {"decided": {"lines": [line and line.pk]}}
    assert url("reversal", made.pk) in text
    again = signed_in(approver).post(url("confirmation", made.pk), headers=HTMX)
    assert (again["HX-Retarget"], again["HX-Reswap"]) == (".alerts", "innerHTML show:top")
    assert "somebody decided it" in again.content.decode()


def test_reject(bank: Account, bookkeeper: User, signed_in: SignedIn) -> None:
    made = proposal(bank)
    response = signed_in(bookkeeper).post(url("rejection", made.pk), {"note": "not ours"})
    assert words(response) == ["Rejected. It will not be proposed again."]
    made.refresh_from_db()
    assert (made.state, made.confirmations.get().note) == ("rejected", "not ours")


def test_bulk_tells_what_was_and_what_was_not_approved(
    bank: Account, approver: User, signed_in: SignedIn
) -> None:
    first, second = proposal(bank, 100), proposal(bank, 250)
    Match.objects.filter(pk=second.pk).update(difference=5)
    MatchLine.objects.filter(match=second, posting__isnull=False).update(amount=245)
    Posting.objects.filter(match_rows__match=second).update(amount=245)
    response = signed_in(approver).post(url("confirmations"), {"selected": [str(first.pk), str(second.pk)]})
    told = words(response)
    assert told[0] == "1 match approved, 1.00 USD in all."
    assert told[1].startswith("Not approved: 2026-03-02 LINE")
    assert told[1].endswith("0.05 USD is left: choose what it is, or book it.")


def test_what_was_decided_is_listed(bank: Account, approver: User, signed_in: SignedIn) -> None:
    made = decisions.confirm(proposal(bank, description="STRIPE X"), user=approver, note="seen")
    client = signed_in(approver)
    [(shown, lines, entries)] = client.get(url("decided", bank.pk)).context["shown"]
    assert (shown, shown.decided_by, shown.decided_note) == (made, "Ann Approver", "seen")
    assert [part.title for part in lines] == ["STRIPE X"]
    assert [part.amount for part in entries] == [9700]
    assert client.get(url("decided", bank.pk) + "?text=nothing").context["shown"] == []
    assert client.get(url("decided", bank.pk) + "?state=rejected").context["shown"] == []
    page = client.get(url("match", made.pk))
    assert [event["title"] for event in page.context["events"]] == ["Confirmed", "Proposed by the engine"]
    export = client.get(url("decided", bank.pk) + "?export=csv")
    assert b"STRIPE X" in b"".join(export.streaming_content)


# ── passes ──────────────────────────────────────────────────────────────────────────────────────────────


def test_match_now(bank: Account, bookkeeper: User, signed_in: SignedIn) -> None:
    make_payout(bank, 9700)
    make_line(bank, 9700)
    client = signed_in(bookkeeper)
    text = client.post(url("passes", bank.pk), headers=HTMX).content.decode()
    assert ", every 2s" in text
    assert "Matching" in text
    run = MatchRun.objects.get()
    assert run.requested_by == bookkeeper
    MatchRun.objects.update(state="running", stage="Matching equal amounts", percent=35)
    text = client.get(url("header", bank.pk), headers=HTMX).content.decode()
    assert '<progress aria-label="Matching" value="35" max="100">' in text
    assert "<span>Matching equal amounts</span><span>35%</span>" in text
    MatchRun.objects.update(state="queued")
    drain()
    text = client.get(url("header", bank.pk) + f"?seen={run.pk}", headers=HTMX).content.decode()
    assert "1 proposal: show them" in text
    assert "every 2s" not in text
    assert client.post(url("passes", bank.pk))["Location"] == url("workspace", bank.pk)


# ── the page of a line ──────────────────────────────────────────────────────────────────────────────────


def codings(*rows: tuple[Account, str]) -> dict[str, str]:
    data = {"coding-TOTAL_FORMS": str(len(rows)), "coding-INITIAL_FORMS": "0"}
    for number, (target, amount) in enumerate(rows):
        data |= {f"coding-{number}-account": str(target.pk), f"coding-{number}-amount": amount}
    return data


def test_several_terms_find_several_rows(bank: Account, viewer: User, signed_in: SignedIn) -> None:
    for number in ("INV-1", "INV-2", "INV-3"):
        make_invoice(bank.organization, 1000, number=number)
    line = make_line(bank, 2000)
    client = signed_in(viewer)
    page = client.get(url("line", bank.pk, line.pk), {"q": "INV-1|INV-2"})
    assert [c.part.title for c in page.context["candidates"]] == ["Invoice INV-1", "Invoice INV-2"]
    page = client.get(url("line", bank.pk, line.pk), {"q": "ann lee"})
    assert len(page.context["candidates"]) == 3
    page = client.get(url("line", bank.pk, line.pk), {"q": "10.00"})
    assert len(page.context["candidates"]) == 3
    page = client.get(url("line", bank.pk, line.pk), {"q": "nothing such"})
    assert page.context["candidates"] == []


def test_looking_changes_nothing_and_shows_the_entry(
    bank: Account, bookkeeper: User, signed_in: SignedIn
) -> None:
    invoice = make_invoice(bank.organization, 10000, number="INV-1")
    line = make_line(bank, 9700)
    fees = account(bank.organization, "bank_fees")
    data = {"row": f"D{invoice.pk}"}
    client = signed_in(bookkeeper)
    page = client.post(url("line", bank.pk, line.pk), data, headers={**HTMX, "HX-Target": "panel"})
    text = page.content.decode()
    assert text.lstrip().startswith("<aside")
    assert "−3.00" in text
    assert "Will be posted" not in text
    page = client.post(url("line", bank.pk, line.pk), {**data, "difference_to": str(fees.pk)})
    [entry] = page.context["entries"]
    assert [(side.account.code, side.amount) for side in entry.lines] == [
        ("1000", 9700),
        ("1200", -10000),
        ("6030", 300),
    ]
    page = client.post(url("line", bank.pk, line.pk), {**data, f"amount-D{invoice.pk}": "97"})
    assert page.context["ready"]
    assert (Match.objects.count(), Posting.objects.count()) == (0, 2)


def test_find_and_match_in_part(bank: Account, approver: User, signed_in: SignedIn) -> None:
    invoice = make_invoice(bank.organization, 10000, number="INV-1")
    line = make_line(bank, 4000)
    response = signed_in(approver).post(
        url("line_confirmation", bank.pk, line.pk),
        {"row": f"D{invoice.pk}", f"amount-D{invoice.pk}": "40.00"},
    )
    assert response["Location"] == url("workspace", bank.pk)
    assert balances(bank.organization) == {"1000": 4000, "1200": 6000, "4000": -10000}
    assert Match.objects.get().method == "person"


def test_a_line_is_split_over_accounts(bank: Account, approver: User, signed_in: SignedIn) -> None:
    line = make_line(bank, -10001)
    rent, supplies, software = (account(bank.organization, r) for r in ("rent", "supplies", "software"))
    client = signed_in(approver)
    data = {**codings((rent, "50%"), (supplies, "20.00"), (software, "")), "contact": "Landlord"}
    client.post(url("line_confirmation", bank.pk, line.pk), data)
    made = Match.objects.select_related("document__contact").get()
    assert made.method == "coded"
    assert made.document is not None
    assert made.document.contact is not None
    assert made.document.contact.name == "Landlord"
    found = balances(bank.organization)
    assert found == {"1000": -10001, rent.code: 5000 + 1 * (found[rent.code] == 5001), supplies.code: 2000,
                     software.code: 10001 - 2000 - found[rent.code]}  # fmt: skip
    client.post(url("reversal", made.pk))
    assert balances(bank.organization) == {}


@pytest.mark.parametrize(
    ("amounts", "words_"),
    [
        (("x", ""), "&#x27;x&#x27; is not an amount."),
        (("", ""), "Only one part can take the rest"),
        (("60%", "50%"), "more than 100%"),
        (("1.005", ""), "more decimals than USD allows"),
        (("10.00", "10.00"), "is left: choose what it is, or book it."),
    ],
)
def test_bad_splits_are_refused_in_words(
    bank: Account, approver: User, signed_in: SignedIn, amounts: tuple[str, str], words_: str
) -> None:
    line = make_line(bank, -10000)
    rent, supplies = account(bank.organization, "rent"), account(bank.organization, "supplies")
    data = codings(*zip((rent, supplies), amounts, strict=True))
    response = signed_in(approver).post(url("line_confirmation", bank.pk, line.pk), data)
    assert response.status_code == 422
    assert words_ in response.content.decode()
    assert (Match.objects.count(), Posting.objects.count()) == (0, 0)


def test_the_lock_date_is_said_before(bank: Account, approver: User, signed_in: SignedIn) -> None:
    Organization.objects.update(lock_date=DAY)
    line = make_line(bank, -500)
    data = codings((account(bank.organization, "rent"), ""))
    text = signed_in(approver).post(url("line", bank.pk, line.pk), data).content.decode()
    assert "lies in a locked period" in text
    assert "2026-03-03" in text


def test_a_bookkeeper_prepares_for_the_approver(
    bank: Account, bookkeeper: User, approver: User, signed_in: SignedIn
) -> None:
    row, line = make_payout(bank, 700), make_line(bank, 700)
    page = url("line_preparation", bank.pk, line.pk)
    response = signed_in(bookkeeper).post(page, {"row": f"P{row.pk}"})
    assert response.status_code == 302
    made = Match.objects.get()
    assert (made.state, made.method) == ("proposed", "person")
    signed_in(approver).post(url("confirmation", made.pk))
    made.refresh_from_db()
    assert made.state == "confirmed"


def test_two_lines_of_one_entry(bank: Account, approver: User, signed_in: SignedIn) -> None:
    row = make_payout(bank, 1000)
    lines = [make_line(bank, 400), make_line(bank, 600)]
    data = {"row": [f"P{row.pk}", f"L{lines[1].pk}"]}
    signed_in(approver).post(url("line_confirmation", bank.pk, lines[0].pk), data)
    assert Match.objects.get().rows.filter(confirmed=True).count() == 3


def test_a_tie_shows_both(bank: Account, approver: User, signed_in: SignedIn) -> None:
    make_payout(bank, 12345)
    make_payout(bank, 12345)
    line = make_line(bank, 12345)
    runs.propose(bank)
    made = Match.objects.get()
    assert made.tie
    [card] = signed_in(approver).get(url("workspace", bank.pk)).context["cards"]
    assert card.line == line
    [other] = card.proposal.alternatives
    assert other.value != card.proposal.parts[0].row_id
    page = signed_in(approver).get(url("line", bank.pk, line.pk), {"choice": other.value})
    assert page.context["ready"]


@pytest.mark.parametrize("row", ["P0", "D99999999999999999999", "L-1", "P1;drop", "X1", "P", "\0"])
def test_forged_rows_are_refused(bank: Account, approver: User, signed_in: SignedIn, row: str) -> None:
    line = make_line(bank, 500)
    response = signed_in(approver).post(url("line_confirmation", bank.pk, line.pk), {"row": row, "q": "\0"})
    assert response.status_code == 422
    assert Match.objects.count() == 0


def test_a_matched_line_cannot_be_matched_again(bank: Account, approver: User, signed_in: SignedIn) -> None:
    row, line = make_payout(bank, 500), make_line(bank, 500)
    decisions.match_by_hand(Selection(bank, [line], [row]), user=approver)
    other = make_payout(bank, 500)
    response = signed_in(approver).post(url("line_confirmation", bank.pk, line.pk), {"row": f"P{other.pk}"})
    assert response.status_code == 422
    assert "matched by somebody else" in response.content.decode()


# ── no statement yet ────────────────────────────────────────────────────────────────────────────────────


def test_who_may_upload_is_led_to_the_files_of_the_bank(
    organization: Organization, bank: Account, bookkeeper: User, viewer: User, signed_in: SignedIn
) -> None:
    files = Integration.objects.create(
        organization=organization, connector="bank_file", name="Bank files", state="active"
    )
    address = reverse("integrations:uploads", args=["corner-shop", files.pk]).encode()
    pages = [url("accounts"), url("workspace", bank.pk)]
    assert [address in signed_in(bookkeeper).get(page).content for page in pages] == [True, True]
    assert [address in signed_in(viewer).get(page).content for page in pages] == [False, False]


def test_only_an_admin_is_led_to_a_new_integration(
    bank: Account, bookkeeper: User, admin: User, signed_in: SignedIn
) -> None:
    address = reverse("integrations:new_integration", args=["corner-shop", "bank_file"]).encode()
    pages = [url("accounts"), url("workspace", bank.pk)]
    assert [address in signed_in(bookkeeper).get(page).content for page in pages] == [False, False]
    assert [address in signed_in(admin).get(page).content for page in pages] == [True, True]
