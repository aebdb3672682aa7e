"""Pages of syncs: the list, one run, cancel, resume, undo, one API call."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings
from pytest_django.fixtures import DjangoAssertNumQueries

from integrations import run_words, sync, undo
from integrations.models import ApiCall, Quarantine, RawRecord, Stream, SyncRun
from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.ledger.models import Account, Allocation, Document, Entry, Posting, StatementLine
from reconciliation.models import Match, MatchLine
from tests.integrations.syncing import connect, sync_charges
from tests.jobs import drain

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


@pytest.fixture(autouse=True)
def _loopback(settings: Settings) -> None:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True


@pytest.fixture
def stream(organization: Organization) -> Stream:
    """Charges that were never synced."""
    return connect(organization, streams=["charges"]).streams.get()


def url(name: str, organization: Organization, *args: object) -> str:
    return reverse(f"integrations:{name}", args=[organization.slug, *args])


# ── the list ────────────────────────────────────────────────────────────────────────────────────────


def test_list_shows_and_narrows(
    organization: Organization, stream: Stream, viewer: User, signed_in: SignIn
) -> None:
    done = SyncRun.objects.create(stream=stream, state="succeeded", read=12, new=3, posted=2)
    failed = SyncRun.objects.create(stream=stream, state="failed", error="No.")
    page = signed_in(viewer).get(url("runs", organization))
    assert [run.pk for run, _, _ in page.context["rows"]] == [failed.pk, done.pk]
    assert [label for _, label, _ in page.context["rows"]] == ["Charges", "Charges"]
    page = signed_in(viewer).get(url("runs", organization), {"state": "failed"})
    assert [run.pk for run, _, _ in page.context["rows"]] == [failed.pk]
    assert [chip.value for chip in page.context["table"].chips] == ["Failed"]
    page = signed_in(viewer).get(url("runs", organization), {"since": "2999-01-01"})
    assert page.context["rows"] == []
    assert "No sync fits" in page.content.decode()


def test_list_refreshes_itself_only_while_something_runs(
    organization: Organization, stream: Stream, viewer: User, signed_in: SignIn
) -> None:
    run = SyncRun.objects.create(stream=stream, state="running")
    client = signed_in(viewer)
    assert b"every 3s" in client.get(url("runs", organization)).content
    SyncRun.objects.filter(pk=run.pk).update(state="succeeded")
    fragment = client.get(url("runs", organization), headers={"HX-Request": "true"}).content
    assert b"every 3s" not in fragment
    assert b"<html" not in fragment


def test_list_is_exported(
    organization: Organization, stream: Stream, viewer: User, signed_in: SignIn
) -> None:
    SyncRun.objects.create(stream=stream, state="succeeded", read=12, new=3)
    answer = signed_in(viewer).get(url("runs", organization), {"export": "csv"})
    head, row = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()  # type: ignore[attr-defined]
    assert head == "Started,Stream,State,Duration,Read,New,Changed,Posted,Need you"
    assert row.endswith("Stripe (sandbox) charges,Succeeded,,12,3,0,0,0")


def test_list_says_what_to_do_when_empty(organization: Organization, viewer: User, signed_in: SignIn) -> None:
    assert b"Connect a system" in signed_in(viewer).get(url("runs", organization)).content


def test_list_takes_few_queries(
    organization: Organization,
    stream: Stream,
    viewer: User,
    signed_in: SignIn,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    SyncRun.objects.bulk_create([SyncRun(stream=stream, state="succeeded") for _ in range(120)])
    client = signed_in(viewer)
    client.get(url("runs", organization))
    with django_assert_max_num_queries(14):
        client.get(url("runs", organization))


# ── one run ─────────────────────────────────────────────────────────────────────────────────────────


def test_run_tells_its_story(organization: Organization, viewer: User, signed_in: SignIn) -> None:
    stream = sync_charges(organization, spoiled=1)
    run = SyncRun.objects.get(stream=stream)
    page = signed_in(viewer).get(url("run", organization, run.pk))
    assert page.context["story"] == (
        f"{run.read} records read, {run.new} new, 0 changed, {run.posted} entries posted, 1 needs you."
    )
    [group] = page.context["causes"]
    assert group["cause"].label == "Currency is required, but the record has nothing at currency"
    held = Quarantine.objects.get()
    assert group["mend"] == (
        url("mapping", organization, stream.pk) + f"?record={held.record_id}",
        "Open the mapping",
    )
    assert [call.pk for call, _ in page.context["calls"]] == list(
        ApiCall.objects.filter(run=run).order_by("-pk").values_list("pk", flat=True)
    )
    assert b"every 2s" not in page.content


def test_run_that_goes_on_refreshes_its_head(
    organization: Organization, stream: Stream, viewer: User, signed_in: SignIn
) -> None:
    run = SyncRun.objects.create(stream=stream, state="running", read=500, pages=5, expected=2000)
    client = signed_in(viewer)
    assert b"every 2s" in client.get(url("run", organization, run.pk)).content
    fragment = client.get(url("run", organization, run.pk), headers={"HX-Request": "true"})
    assert b"<html" not in fragment.content
    assert fragment.context["progress"].share == 25
    SyncRun.objects.filter(pk=run.pk).update(state="succeeded")
    over = client.get(url("run", organization, run.pk) + "?open=1", headers={"HX-Request": "true"}).content
    assert b"every 2s" not in over
    assert b"Show everything" in over


def test_run_of_a_stranger_is_not_found(
    organization: Organization, stream: Stream, outsider: User, signed_in: SignIn
) -> None:
    run = SyncRun.objects.create(stream=stream)
    for page in ("runs", "run", "run_reversal"):
        args = [] if page == "runs" else [run.pk]
        assert signed_in(outsider).get(url(page, organization, *args)).status_code == 404
    own = outsider.memberships.get().organization
    assert signed_in(outsider).get(url("run", own, run.pk)).status_code == 404


def test_cancel(organization: Organization, stream: Stream, bookkeeper: User, signed_in: SignIn) -> None:
    run = SyncRun.objects.create(stream=stream, state="running")
    signed_in(bookkeeper).post(url("run_cancellation", organization, run.pk))
    run.refresh_from_db()
    assert run.state == "canceled"
    event = AuditEvent.objects.get(action="sync.canceled")
    assert (event.before, event.after) == ({"state": "running"}, {"state": "canceled"})
    answer = signed_in(bookkeeper).post(url("run_cancellation", organization, run.pk), follow=True)
    assert "was over already" in answer.content.decode()
    assert AuditEvent.objects.filter(action="sync.canceled").count() == 1


def test_resume_goes_on_where_it_stopped(
    organization: Organization, stream: Stream, bookkeeper: User, signed_in: SignIn
) -> None:
    run = SyncRun.objects.create(stream=stream, state="failed", trigger="schedule", checkpoint={"page": "p9"})
    answer = signed_in(bookkeeper).post(url("run_continuation", organization, run.pk))
    fresh = SyncRun.objects.latest("pk")
    assert answer["Location"] == url("run", organization, fresh.pk)
    assert (fresh.pk != run.pk, fresh.checkpoint, fresh.state) == (True, {"page": "p9"}, "queued")
    again = signed_in(bookkeeper).post(url("run_continuation", organization, run.pk))
    assert again["Location"] == url("run", organization, fresh.pk)
    assert SyncRun.objects.count() == 2


def test_only_what_stopped_is_resumed(
    organization: Organization, stream: Stream, bookkeeper: User, signed_in: SignIn
) -> None:
    run = SyncRun.objects.create(stream=stream, state="succeeded")
    answer = signed_in(bookkeeper).post(url("run_continuation", organization, run.pk), follow=True)
    assert "Only a sync that failed or was canceled can be resumed." in answer.content.decode()
    assert SyncRun.objects.count() == 1


@pytest.mark.parametrize("name", ["run_cancellation", "run_continuation", "run_reversal"])
def test_viewers_change_nothing(
    organization: Organization, stream: Stream, viewer: User, signed_in: SignIn, name: str
) -> None:
    run = SyncRun.objects.create(stream=stream, state="running")
    assert signed_in(viewer).post(url(name, organization, run.pk)).status_code == 403
    assert SyncRun.objects.get().state == "running"


# ── undo ────────────────────────────────────────────────────────────────────────────────────────────


def standing(organization: Organization) -> int:
    return Entry.objects.filter(
        organization=organization, reverses__isnull=True, reversed_by__isnull=True
    ).count()


def test_undo_reverses_what_the_sync_posted(
    organization: Organization, approver: User, signed_in: SignIn
) -> None:
    stream = sync_charges(organization)
    run = SyncRun.objects.get()
    posted = standing(organization)
    page = signed_in(approver).get(url("run_reversal", organization, run.pk))
    plan = page.context["plan"]
    assert (plan.entries, plan.kept, sum(shift.base for shift in plan.shifts)) == (posted, [], 0)
    answer = signed_in(approver).post(url("run_reversal", organization, run.pk))
    assert answer["Location"] == url("run", organization, run.pk)
    assert standing(organization) == 0
    totals: dict[int, int] = {}
    for account, amount in Posting.objects.values_list("account", "base_amount"):
        totals[account] = totals.get(account, 0) + amount
    assert set(totals.values()) == {0}
    assert {entry.reason for entry in Entry.objects.filter(reverses__isnull=False)} == {
        f"Sync {run.pk} undone"
    }
    run.refresh_from_db()
    assert run.undone_at is not None
    event = AuditEvent.objects.get(action="sync.undone")
    assert (event.actor, event.after["entries_reversed"]) == (approver, posted)
    sync.replay(stream)
    drain()
    assert standing(organization) == 0, "what a person took out stays out until its record changes"
    again = signed_in(approver).post(url("run_reversal", organization, run.pk), follow=True)
    assert "There is nothing to undo" in again.content.decode()


def test_undo_keeps_what_is_matched_settled_or_older(organization: Organization, approver: User) -> None:
    stream = sync_charges(organization)
    run = SyncRun.objects.get()
    posted = standing(organization)
    documents = list(Document.objects.filter(entries__isnull=False).distinct().order_by("pk"))
    matched, settled, changed = documents[:3]
    _match(organization, matched)
    account = Account.objects.filter(organization=organization).first()
    Allocation.objects.create(
        organization=organization, document=documents[-1], by=settled, account=account, amount=1
    )
    RawRecord.objects.filter(pk=changed.raw_record_id).update(version=2)
    plan = undo.plan(run)
    assert {group.reason: [one.pk for one in group.examples] for group in plan.kept} == {
        undo.MATCHED: [matched.pk],
        undo.SETTLED: [settled.pk, documents[-1].pk],
        undo.CHANGED: [changed.pk],
    }
    assert plan.documents == len(documents) - 4
    assert plan.entries == posted - 4
    assert stream.source_id == matched.source_id


def _match(organization: Organization, document: Document) -> None:
    posting = Posting.objects.filter(entry__document=document).first()
    assert posting is not None
    line = StatementLine.objects.create(
        organization=organization, account=posting.account, source=document.source, identity="x",
        date=document.date, amount=posting.amount, currency=document.currency,
    )  # fmt: skip
    match = Match.objects.create(
        organization=organization, account=posting.account, state="confirmed", fingerprint="x"
    )
    MatchLine.objects.create(match=match, posting=posting, amount=posting.amount, confirmed=True)
    MatchLine.objects.create(match=match, statement_line=line, amount=posting.amount, confirmed=True)


def test_large_undo_goes_in_steps(
    organization: Organization, approver: User, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync_charges(organization)
    run, posted = SyncRun.objects.get(), standing(organization)
    monkeypatch.setattr(undo, "MOST_AT_ONCE", posted - 2)
    first = signed_in(approver).post(url("run_reversal", organization, run.pk), follow=True)
    assert first.redirect_chain[0][0] == url("run_reversal", organization, run.pk)
    assert f"{posted - 2} entries reversed, 2 are left: go on below." in first.content.decode()
    signed_in(approver).post(url("run_reversal", organization, run.pk))
    assert standing(organization) == 0
    assert AuditEvent.objects.filter(action="sync.undone").count() == 2


def test_undo_waits_for_the_end(
    organization: Organization, stream: Stream, approver: User, signed_in: SignIn
) -> None:
    run = SyncRun.objects.create(stream=stream, state="running")
    answer = signed_in(approver).post(url("run_reversal", organization, run.pk), follow=True)
    assert "Cancel it first, then undo it." in answer.content.decode()


def test_undo_takes_an_approver(
    organization: Organization, stream: Stream, bookkeeper: User, signed_in: SignIn
) -> None:
    run = SyncRun.objects.create(stream=stream, state="succeeded", posted=3)
    assert signed_in(bookkeeper).get(url("run_reversal", organization, run.pk)).status_code == 403


# ── a call ──────────────────────────────────────────────────────────────────────────────────────────


def test_call_page(organization: Organization, viewer: User, signed_in: SignIn) -> None:
    sync_charges(organization)
    call = ApiCall.objects.exclude(records=None).first()
    assert call is not None
    page = signed_in(viewer).get(url("call", organization, call.pk))
    assert page.status_code == 200
    assert [one.pk for one in page.context["records"]] == list(
        RawRecord.objects.filter(api_call=call).values_list("pk", flat=True)[:20]
    )
    assert "sk_test" not in page.content.decode()
    assert "[hidden]" in page.content.decode()


def test_call_of_another_organization(
    organization: Organization, stream: Stream, outsider: User, signed_in: SignIn
) -> None:
    call = ApiCall.objects.create(integration=stream.integration, method="GET", url="https://api.example/x")
    assert signed_in(outsider).get(url("call", organization, call.pk)).status_code == 404
    own = outsider.memberships.get().organization
    assert signed_in(outsider).get(url("call", own, call.pk)).status_code == 404


# ── words ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.01, "< 0.1 s"), (4.25, "4.2 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_spans(seconds: float, words: str) -> None:
    assert run_words.span(seconds) == words


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"state": "queued"}, "Waits for a free worker; it begins within a minute."),
        ({"state": "running", "read": 1250, "pages": 5}, "1,250 records read in 5 pages so far."),
        (
            {"state": "waiting", "error": "Stripe is busy."},
            "It did not work yet and will be tried again. Stripe is busy.",
        ),
        ({"state": "failed", "error": "No key."}, "Stopped at once. No key."),
        ({"state": "failed", "pages": 2, "error": "No."}, "Stopped after 2 pages, which are kept. No."),
        ({"state": "succeeded"}, "Nothing new at the source."),
        (
            {"state": "succeeded", "trigger": "replay", "read": 2, "changed": 1, "posted": 1},
            "2 records read, 1 document changed, 1 entry posted, 0 need you.",
        ),
    ],
)
def test_stories(fields: dict[str, object], words: str) -> None:
    assert run_words.story(SyncRun(**fields)) == words


def test_origins() -> None:
    assert run_words.origin("upload:4 may.csv") == "the file may.csv"
    assert run_words.origin("charge.updated evt_1") == "webhook charge.updated evt_1"
    assert run_words.origin("") == ""
