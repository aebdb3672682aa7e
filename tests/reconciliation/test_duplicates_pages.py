"""The pages of duplicates: who sees and decides what, each button, and what is said when it cannot."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.ledger import statement_lines
from ledgerhub.ledger.models import Account, LineExclusion, Source, StatementLine
from reconciliation import decisions, duplicates, verdicts
from reconciliation.models import MatchRun, Suspicion
from reconciliation.selection import Selection
from tests.ledger.drafts import DAY
from tests.reconciliation.factories import make_bank, make_bill, make_line, make_payout, make_statement

pytestmark = pytest.mark.django_db
SignedIn = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def bank(organization: Organization) -> Account:
    return make_bank(organization)


@pytest.fixture
def pair(bank: Account) -> Suspicion:
    """One payment by feed and by file."""
    feed = Source.objects.create(organization=bank.organization, key="feed", label="Bank feed")
    make_line(bank, -475, source=feed, description="BEAN & CO", reference="4411")
    make_line(bank, -475, description="Bean & Co Seattle")
    duplicates.look(bank)
    return Suspicion.objects.get()


def url(name: str, *args: Any) -> str:
    return reverse(f"reconciliation:{name}", args=["corner-shop", *args])


def words(response: Any) -> str:
    """What was said last."""
    return str(list(get_messages(response.wsgi_request))[-1])


def undo_of(response: Any) -> str:
    return (list(get_messages(response.wsgi_request))[-1].extra_tags or "").removeprefix("undo=")


def charge_twice(bank: Account) -> Suspicion:
    make_bill(bank.organization, 8900)
    for day in (0, 1):
        make_line(bank, -8900, date=DAY + dt.timedelta(days=day), description="HARBOR HOTEL")
    duplicates.look(bank)
    return Suspicion.objects.get(kind="twice")


ACTS = ["suspicion_verdict", "suspicion_reopening", "claim_credit", "duplicate_exclusions",
        "duplicate_reopenings", "inclusion", "parting"]  # fmt: skip


def address(name: str, bank: Account, pair: Suspicion) -> str:
    if name in ("duplicates", "duplicate_exclusions"):
        return url(name, bank.pk)
    if name == "duplicate_reopenings":
        return url(name, bank.pk, "2026-03-02T10:00:00+00:00")
    return url(name, bank.pk, pair.line_id) if name in ("inclusion", "parting") else url(name, pair.pk)


@pytest.mark.parametrize("show", ["", "claims", "pending", "decided"])
def test_members_see_each_list(
    bank: Account, pair: Suspicion, viewer: User, outsider: User, signed_in: SignedIn, show: str
) -> None:
    page = url("duplicates", bank.pk) + f"?show={show}"
    assert signed_in(viewer).get(page).status_code == 200
    assert signed_in(outsider).get(page).status_code == 404
    assert Client().get(page).status_code == 302
    assert signed_in(viewer).get(url("duplicates", bank.pk) + "?show=else").status_code == 404


@pytest.mark.parametrize("name", ACTS)
def test_acts_need_a_bookkeeper(
    bank: Account,
    pair: Suspicion,
    viewer: User,
    bookkeeper: User,
    outsider: User,
    signed_in: SignedIn,
    name: str,
) -> None:
    page = address(name, bank, pair)
    assert signed_in(viewer).post(page).status_code == 403
    assert signed_in(outsider).post(page).status_code == 404
    assert signed_in(bookkeeper).get(page).status_code == 405
    assert (Suspicion.objects.get().verdict, LineExclusion.objects.count()) == ("", 0)


def test_rows_of_another_organization_are_not_found(
    bank: Account, pair: Suspicion, outsider: User, signed_in: SignedIn
) -> None:
    other = outsider.memberships.get().organization
    make_bank(other)
    outsider.memberships.update(role="admin")
    client = signed_in(outsider)
    for name, args in (
        ("duplicates", [bank.pk]), ("suspicion_verdict", [pair.pk]), ("parting", [bank.pk, pair.line_id]),
    ):  # fmt: skip
        page = reverse(f"reconciliation:{name}", args=[other.slug, *args])
        answer = client.get(page) if name == "duplicates" else client.post(page, {"verdict": "duplicate"})
        assert answer.status_code == 404
    assert Suspicion.objects.get().verdict == ""


def test_both_lines_side_by_side(bank: Account, pair: Suspicion, viewer: User, signed_in: SignedIn) -> None:
    page = signed_in(viewer).get(url("duplicates", bank.pk))
    [card] = page.context["cards"]
    first, second = card.sides
    assert (first.role, first.line, first.goes) == ("Came first", pair.other, False)
    assert (second.role, second.line, second.goes) == ("Came later", pair.line, True)
    assert first.differs == {"description", "reference"}
    text = page.content.decode()
    assert "<mark>Bean &amp; Co Seattle</mark>" in text
    assert "Same name in the text" in text
    assert "data-key=" not in text.split("<article", 1)[1].split("</article>")[0]  # a viewer only looks


def test_verdicts_and_their_undo(
    bank: Account, pair: Suspicion, bookkeeper: User, signed_in: SignedIn
) -> None:
    client = signed_in(bookkeeper)
    page = url("duplicates", bank.pk)
    text = client.get(page).content.decode()
    assert all(f'data-key="{key}"' in text for key in "db")
    answer = client.post(url("suspicion_verdict", pair.pk), {"verdict": "duplicate", "next": page})
    assert (answer.status_code, answer["Location"]) == (302, page)
    assert words(answer) == "Excluded as a duplicate. It counts no more."
    assert undo_of(answer) == url("suspicion_reopening", pair.pk)
    assert LineExclusion.objects.get().line == pair.line
    assert "Nothing was changed" not in client.get(page).content.decode()
    answer = client.post(url("suspicion_verdict", pair.pk), {"verdict": "both_real"})
    assert "Somebody decided this meanwhile" in words(answer)
    answer = client.post(url("suspicion_reopening", pair.pk))
    assert words(answer) == "Undone. The pair is open again."
    assert (LineExclusion.objects.count(), MatchRun.objects.filter(account=bank).count()) == (0, 1)


@pytest.mark.parametrize("said", ["", "reported", "nonsense"])
def test_what_was_not_offered_changes_nothing(
    bank: Account, pair: Suspicion, bookkeeper: User, signed_in: SignedIn, said: str
) -> None:
    answer = signed_in(bookkeeper).post(url("suspicion_verdict", pair.pk), {"verdict": said})
    assert words(answer) == "Choose one of the answers that are offered."
    assert Suspicion.objects.get().verdict == ""


def test_a_verdict_by_htmx(bank: Account, pair: Suspicion, bookkeeper: User, signed_in: SignedIn) -> None:
    client = signed_in(bookkeeper)
    answer = client.post(url("suspicion_verdict", pair.pk), {"verdict": "both_real"}, headers=HTMX)
    text = answer.content.decode()
    assert 'id="duplicate-lists" hx-swap-oob="true"' in text
    assert "Both are kept. You will not be asked again." in text
    again = client.post(url("suspicion_verdict", pair.pk), {"verdict": "duplicate"}, headers=HTMX)
    assert again["HX-Retarget"] == ".alerts"


def test_a_month_at_once(bank: Account, bookkeeper: User, signed_in: SignedIn) -> None:
    feed = Source.objects.create(organization=bank.organization, key="feed", label="Bank feed")
    for source in ({"source": feed}, {}):
        for number in range(3):
            make_line(bank, -100 - number, description=f"SHOP {chr(65 + number)}", **source)
    duplicates.look(bank)
    client = signed_in(bookkeeper)
    page = client.get(url("duplicates", bank.pk))
    [offer] = page.context["offers"]
    assert "all 3 lines from Bank file are also among the 3 from Bank feed" in " ".join(
        page.content.decode().split()
    )
    answer = client.post(url("duplicate_exclusions", bank.pk), {"offer": offer.value})
    assert words(answer) == "3 lines excluded as duplicates."
    assert LineExclusion.objects.exclude(line__source=feed).count() == 3
    assert AuditEvent.objects.get(action="duplicates.excluded").actor == bookkeeper
    stale = client.post(url("duplicate_exclusions", bank.pk), {"offer": offer.value})
    assert "These lines are not as they were" in words(stale)
    undo = undo_of(answer)
    assert words(client.post(undo)) == "Undone. The lines count again."
    assert LineExclusion.objects.count() == 0
    assert client.post(url("duplicate_reopenings", bank.pk, "yesterday")).status_code == 404


def test_a_claim_and_its_credit(bank: Account, bookkeeper: User, signed_in: SignedIn) -> None:
    asked = charge_twice(bank)
    client = signed_in(bookkeeper)
    answer = client.post(url("suspicion_verdict", asked.pk), {"verdict": "reported"})
    assert words(answer) == "Kept as a claim until the bank gives it back."
    back = make_line(bank, 8900, date=DAY + dt.timedelta(days=5), description="SOMETHING")
    page = client.get(url("duplicates", bank.pk) + "?show=claims")
    assert [claim.credits for claim in page.context["claims"]] == [[back]]
    assert page.context["claimed"] == "89.00 USD"
    refused = client.post(url("claim_credit", asked.pk), {"line": asked.line_id})
    assert words(refused) == "That line is not a credit of the same amount on this account."
    assert client.post(url("claim_credit", asked.pk), {"line": "x"}).status_code == 404
    answer = client.post(url("claim_credit", asked.pk), {"line": back.pk})
    assert words(answer) == "The claim is settled."
    text = client.get(url("duplicates", bank.pk) + "?show=decided").content.decode()
    assert "Given back" in text


def test_a_pending_line_its_booking_and_the_way_back(
    bank: Account, bookkeeper: User, signed_in: SignedIn
) -> None:
    pending = make_line(bank, -4000, pending=True, description="BISTRO")
    make_line(bank, -4600, date=DAY + dt.timedelta(days=1), description="BISTRO 4411")
    duplicates.look(bank)
    client = signed_in(bookkeeper)
    assert client.get(url("duplicates", bank.pk) + "?show=pending").context["pending"] == [pending]
    answer = client.post(url("suspicion_verdict", Suspicion.objects.get().pk), {"verdict": "duplicate"})
    assert words(answer) == "One line now; what it said before is kept with it."
    page = client.get(url("line", bank.pk, pending.pk))
    assert [event["title"] for event in page.context["events"]] == ["Booked", "Announced as pending"]
    assert "Before: −40.00 USD on 2026-03-02, BISTRO" in page.content.decode()
    answer = client.post(undo_of(answer))
    assert words(answer) == "Parted: the pending line and its booking are two lines again."
    assert StatementLine.objects.count() == 2
    answer = client.post(url("parting", bank.pk, pending.pk))
    assert words(answer) == "This line was not pending before, so there is nothing to part."


def test_an_excluded_line_says_so_and_comes_back(
    bank: Account, pair: Suspicion, bookkeeper: User, signed_in: SignedIn
) -> None:
    verdicts.decide(pair, "duplicate", user=bookkeeper)
    client = signed_in(bookkeeper)
    text = client.get(url("line", bank.pk, pair.line_id)).content.decode()
    assert "Excluded as a duplicate" in text
    assert "Count it again" in text
    listed = client.get(f"/o/corner-shop/accounts/{bank.pk}/statement/").content.decode()
    assert '<span class="struck">Bean &amp; Co Seattle</span>' in listed
    assert words(client.post(url("inclusion", bank.pk, pair.line_id))) == "The line counts again."
    assert words(client.post(url("inclusion", bank.pk, pair.line_id))) == "This line counts already."


def test_taken_back_but_matched(bank: Account, approver: User, signed_in: SignedIn) -> None:
    line = make_line(bank, 9700, identity="b1", description="STRIPE")
    posting = make_payout(bank, 9700)
    decisions.match_by_hand(Selection(bank, [line], [posting]), user=approver)
    statement_lines.withdraw(bank, ["b1"])
    client = signed_in(approver)
    assert (
        "Taken back by the bank, but matched: STRIPE"
        in client.get(url("duplicates", bank.pk)).content.decode()
    )
    assert "Taken back by the bank" in client.get(url("line", bank.pk, line.pk)).content.decode()


def test_accounts_workspace_and_dashboard_tell(
    bank: Account, pair: Suspicion, viewer: User, signed_in: SignedIn
) -> None:
    make_statement(bank, opening=1000, closing=525, start=DAY, end=DAY + dt.timedelta(days=20))
    client = signed_in(viewer)
    row = next(row for row in client.get(url("accounts")).context["rows"] if row.account == bank)
    assert row.duplicates == 1
    page = client.get(url("workspace", bank.pk))
    assert [tab["count"] for tab in page.context["tabs"] if tab["label"] == "Duplicates"] == [1]
    assert (
        "One line that may be a duplicate comes to exactly what opening plus lines miss"
        in page.content.decode()
    )
    assert "possible duplicates on" in client.get("/o/corner-shop/").content.decode()


def test_empty_lists_say_what_to_do_next(bank: Account, viewer: User, signed_in: SignedIn) -> None:
    client = signed_in(viewer)
    for show, title in (
        ("", "No possible duplicates"), ("claims", "No claims"),
        ("pending", "Nothing is pending"), ("decided", "Nothing decided yet"),
    ):  # fmt: skip
        assert title in client.get(url("duplicates", bank.pk) + f"?show={show}").content.decode()
    text = client.get(url("duplicates", bank.pk) + "?q=zzz").content.decode()
    assert "No pair fits" in text


@pytest.mark.parametrize("show", ["", "claims", "decided"])
def test_a_full_page_is_a_handful_of_queries(
    bank: Account,
    viewer: User,
    bookkeeper: User,
    signed_in: SignedIn,
    django_assert_max_num_queries: Any,
    show: str,
) -> None:
    feed = Source.objects.create(organization=bank.organization, key="feed", label="Bank feed")
    for number in range(30):
        for source in ({"source": feed}, {}):
            make_line(bank, -1000 - number, description="SHOP", **source)
    duplicates.look(bank)
    verdict = {"": "", "claims": "reported", "decided": "both_real"}[show]
    Suspicion.objects.update(verdict=verdict, decided_by=bookkeeper)
    client = signed_in(viewer)
    with django_assert_max_num_queries(36):
        page = client.get(url("duplicates", bank.pk) + f"?show={show}")
    assert len(page.context["table"].rows) == 25


def test_the_list_as_a_file(bank: Account, pair: Suspicion, viewer: User, signed_in: SignedIn) -> None:
    answer = signed_in(viewer).get(url("duplicates", bank.pk) + "?export=csv")
    rows = b"".join(answer).decode("utf-8-sig").splitlines()
    assert len(rows) == 2
    assert "Same name in the text" in rows[1]
