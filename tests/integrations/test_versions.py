"""Mapping versions: drafts, publishing, the two-person rule, rolling back, and what a preview says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import IntegrityError, transaction

from integrations import journal_diff, versions
from integrations.models import MappingVersion, Quarantine, Stream, SyncRun
from integrations.rule_words import RuleChange, diff
from integrations.rules import Output, Rule, outputs_from_dict, rule, step
from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.core.errors import ConfigError
from ledgerhub.ledger.models import Document, Entry
from tests.integrations.mapped import hold, make_stream, order, request_of
from tests.jobs import drain

pytestmark = pytest.mark.django_db


@pytest.fixture
def stream(organization: Organization) -> Stream:
    return make_stream(organization)


def with_rule(outputs: tuple[Output, ...], changed: Rule, *, output: str = "invoice") -> tuple[Output, ...]:
    """The outputs with the rule of the same target replaced, or added."""

    def rules(each: Output) -> tuple[Rule, ...]:
        found = tuple(changed if held.target == changed.target else held for held in each.rules)
        return found if changed in found else (*found, changed)

    return tuple(replace(each, rules=rules(each)) if each.key == output else each for each in outputs)


def edited(stream: Stream, user: User, changed: Rule) -> MappingVersion:
    """A saved draft in which one rule is another."""
    request = request_of(user, stream.integration.organization)
    draft = versions.open_draft(stream, request=request)
    outputs = with_rule(outputs_from_dict(draft.rules), changed)
    versions.save(draft, outputs, seen=versions.token(draft), request=request)
    draft.refresh_from_db()
    return draft


def states(stream: Stream) -> list[tuple[int, str]]:
    return list(stream.mappings.order_by("number").values_list("number", "state"))


MEMO = rule("invoice.memo", "name")


# ── drafts ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_draft_begins_with_the_published_rules(stream: Stream, bookkeeper: User) -> None:
    request = request_of(bookkeeper, stream.integration.organization)
    draft = versions.open_draft(stream, request=request)
    assert draft.rules == stream.mapping.rules  # type: ignore[union-attr]
    assert versions.open_draft(stream, request=request).pk == draft.pk
    assert states(stream) == [(1, "published"), (2, "draft")]
    assert versions.changes(stream, draft) == []


def test_saving_says_what_changed_and_records_it(stream: Stream, bookkeeper: User) -> None:
    draft = edited(stream, bookkeeper, rule("invoice.total", "subtotal_price"))
    change = RuleChange("Invoice", "changed", "Total", "total_price", "subtotal_price")
    assert versions.changes(stream, draft) == [change]
    event = AuditEvent.objects.get(action="mapping.saved")
    assert (event.before, event.after) == (
        {"Invoice: Total": "total_price"},
        {"Invoice: Total": "subtotal_price"},
    )


def test_saving_the_same_is_no_change(stream: Stream, bookkeeper: User) -> None:
    request = request_of(bookkeeper, stream.integration.organization)
    draft = versions.open_draft(stream, request=request)
    seen = versions.token(draft)
    assert versions.save(draft, outputs_from_dict(draft.rules), seen=seen, request=request) == []
    assert versions.token(draft) == seen
    assert not AuditEvent.objects.filter(action="mapping.saved").exists()


def test_who_saves_over_somebody_else_is_told(stream: Stream, bookkeeper: User, approver: User) -> None:
    organization = stream.integration.organization
    draft = versions.open_draft(stream, request=request_of(bookkeeper, organization))
    seen = versions.token(draft)
    edited(stream, approver, MEMO)
    mine = with_rule(outputs_from_dict(draft.rules), rule("invoice.total", "subtotal_price"))
    with pytest.raises(versions.Outdated, match=r"Ann Approver .* saved this draft after you opened it"):
        versions.save(draft, mine, seen=seen, request=request_of(bookkeeper, organization))
    draft.refresh_from_db()
    assert [each.target for each in versions.changes(stream, draft)] == ["Memo"]


# ── publishing ──────────────────────────────────────────────────────────────────────────────────────


def test_publishing_makes_it_the_streams_mapping(stream: Stream, approver: User) -> None:
    draft = edited(stream, approver, MEMO)
    request = request_of(approver, stream.integration.organization)
    versions.publish(draft, note="Memo for the bank", seen=versions.token(draft), request=request)
    stream.refresh_from_db()
    draft.refresh_from_db()
    assert stream.mapping == draft
    assert (draft.note, draft.published_by) == ("Memo for the bank", approver)
    assert states(stream) == [(1, "superseded"), (2, "published")]
    hold(stream, order(1))
    assert Document.objects.get().data["memo"] == "#1001"
    assert Document.objects.get().mapping_version_id == draft.pk
    event = AuditEvent.objects.get(action="mapping.published")
    assert (event.before, event.after) == ({"version": 1}, {"version": 2, "note": "Memo for the bank"})


def test_publishing_twice_at_once_publishes_once(stream: Stream, approver: User, admin: User) -> None:
    draft = edited(stream, approver, MEMO)
    seen = versions.token(draft)
    other = MappingVersion.objects.get(pk=draft.pk)
    organization = stream.integration.organization
    versions.publish(draft, note="first", seen=seen, request=request_of(approver, organization))
    with pytest.raises(versions.Outdated, match="has been published in the meantime"):
        versions.publish(other, note="second", seen=seen, request=request_of(admin, organization))
    assert states(stream) == [(1, "superseded"), (2, "published")]
    assert MappingVersion.objects.get(number=2).note == "first"


def test_what_was_not_looked_at_is_not_published(stream: Stream, approver: User, admin: User) -> None:
    draft = edited(stream, approver, MEMO)
    seen = versions.token(draft)
    edited(stream, admin, rule("invoice.total", "subtotal_price"))
    request = request_of(approver, stream.integration.organization)
    with pytest.raises(versions.Outdated, match="Ada Admin"):
        versions.publish(draft, note="blind", seen=seen, request=request)
    assert states(stream) == [(1, "published"), (2, "draft")]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (rule("invoice.total", "a..b"), "has an empty step"),
        (rule("invoice.total", ""), "Pick a source"),
        (rule("invoice.number", "name", step("extract", pattern="(")), "is not a pattern we can use"),
        (rule("invoice.nonsense", "name"), "is not a field of Invoice"),
        (rule("invoice.memo", "name", step("replace", find="x" * 10_000)), "at most 1000 characters"),
        (rule("invoice.memo", "x" * 10_000), "at most 500 characters"),
        (rule("invoice.memo", "name", step("run_code", code="1")), "is not a step we know"),
    ],
)
def test_rules_with_problems_are_not_published(
    stream: Stream, approver: User, changed: Rule, words: str
) -> None:
    draft = edited(stream, approver, changed)
    request = request_of(approver, stream.integration.organization)
    with pytest.raises(ConfigError, match=f"One rule cannot be used yet.*{words}"):
        versions.publish(draft, note="x", seen=versions.token(draft), request=request)
    assert states(stream) == [(1, "published"), (2, "draft")]


def test_a_mapping_without_documents_is_a_problem(stream: Stream) -> None:
    assert [each.message for each in versions.problems(stream, ())] == [
        "The mapping makes no document. Add one."
    ]


def test_two_people_are_needed_where_the_organization_says_so(
    stream: Stream, approver: User, admin: User
) -> None:
    organization = stream.integration.organization
    organization.two_person_rule = True
    organization.save()
    draft = edited(stream, approver, MEMO)
    seen = versions.token(draft)
    with pytest.raises(ConfigError, match="somebody else has to publish it"):
        versions.publish(draft, note="mine", seen=seen, request=request_of(approver, organization))
    assert versions.authors(draft) == {approver.pk}
    versions.publish(draft, note="checked", seen=seen, request=request_of(admin, organization))
    assert states(stream) == [(1, "superseded"), (2, "published")]


def test_who_only_edited_may_not_publish_either(stream: Stream, bookkeeper: User, approver: User) -> None:
    organization = stream.integration.organization
    organization.two_person_rule = True
    organization.save()
    versions.open_draft(stream, request=request_of(bookkeeper, organization))
    draft = edited(stream, approver, MEMO)
    assert versions.authors(draft) == {bookkeeper.pk, approver.pk}
    assert versions.may_not_publish(draft, approver) != ""


def test_the_database_holds_one_draft_and_one_published(stream: Stream) -> None:
    for state in ("published", "published"):
        with pytest.raises(IntegrityError), transaction.atomic():
            MappingVersion.objects.create(stream=stream, number=9, state=state, rules={})


# ── discarding, rolling back, replaying ─────────────────────────────────────────────────────────────


def test_a_discarded_draft_stays_readable(stream: Stream, approver: User) -> None:
    draft = edited(stream, approver, MEMO)
    request = request_of(approver, stream.integration.organization)
    versions.discard(draft, request=request)
    assert states(stream) == [(1, "published"), (2, "discarded")]
    fresh = versions.open_draft(stream, request=request)
    assert (fresh.number, versions.changes(stream, fresh)) == (3, [])
    with pytest.raises(versions.Outdated, match="has been discarded"):
        versions.discard(draft, request=request)


def test_rolling_back_is_a_new_version(stream: Stream, approver: User) -> None:
    first = stream.mapping
    assert first is not None
    request = request_of(approver, stream.integration.organization)
    draft = edited(stream, approver, MEMO)
    versions.publish(draft, note="x", seen=versions.token(draft), request=request)
    pending = edited(stream, approver, rule("invoice.total", "subtotal_price"))
    first.refresh_from_db()
    fresh, run = versions.roll_back(first, note="The memo was wrong", request=request)
    stream.refresh_from_db()
    assert (stream.mapping, fresh.number, fresh.rules, run) == (fresh, 4, first.rules, None)
    assert states(stream) == [(1, "superseded"), (2, "superseded"), (3, "draft"), (4, "published")]
    versions.publish(pending, note="y", seen=versions.token(pending), request=request)
    assert states(stream)[-1] == (5, "published")


def test_only_what_was_in_force_can_be_gone_back_to(stream: Stream, approver: User) -> None:
    draft = edited(stream, approver, MEMO)
    with pytest.raises(versions.Outdated, match="published before"):
        versions.roll_back(draft, note="x", request=request_of(approver, stream.integration.organization))


def test_replay_books_what_changed_anew(stream: Stream, approver: User) -> None:
    hold(stream, order(1), order(2))
    assert Entry.objects.count() == 2
    draft = edited(stream, approver, rule("lines[].line_kind", "", step("constant", value="gift_card")))
    shown = journal_diff.preview(stream, draft)
    assert (shown.consequence.reversed, shown.consequence.posted) == (2, 2)
    request = request_of(approver, stream.integration.organization)
    run = versions.publish(draft, note="x", seen=versions.token(draft), request=request, replay=True)
    assert run is not None
    drain()
    run.refresh_from_db()
    assert (run.state, run.read, run.posted) == ("succeeded", 2, 2)
    assert Entry.objects.filter(reverses__isnull=False).count() == 2
    standing = Entry.objects.filter(reverses__isnull=True, reversed_by__isnull=True)
    roles = sorted(standing.values_list("postings__account__role", flat=True))
    assert roles == ["clearing"] * 2 + ["gift_cards"] * 2 + ["tax_payable"] * 2


def test_no_replay_while_a_sync_is_under_way(stream: Stream, approver: User) -> None:
    SyncRun.objects.create(stream=stream, trigger="schedule")
    request = request_of(approver, stream.integration.organization)
    assert versions.replay_past(stream, request=request) is None
    assert not AuditEvent.objects.filter(action="stream.replayed").exists()


# ── the preview ─────────────────────────────────────────────────────────────────────────────────────


def test_a_preview_without_changes(stream: Stream, bookkeeper: User) -> None:
    hold(stream, order(1), order(2))
    request = request_of(bookkeeper, stream.integration.organization)
    shown = journal_diff.preview(stream, versions.open_draft(stream, request=request))
    assert shown.sentence == "Of all 2 records, none changes."
    assert (shown.consequence.reversed, shown.consequence.posted) == (0, 0)


def test_a_preview_names_fields_entries_and_accounts(stream: Stream, bookkeeper: User) -> None:
    hold(stream, order(1), order(2, financial_status="pending"), order(3))
    draft = edited(stream, bookkeeper, rule("lines[].line_kind", "", step("constant", value="gift_card")))
    shown = journal_diff.preview(stream, draft)
    assert (shown.records, shown.changed_records, shown.changed, shown.entries) == (3, 3, 3, 2)
    assert [(each.label, each.documents, each.before, each.after) for each in shown.fields] == [
        ("Invoice: Lines: Kind of line", 3, "product", "gift_card")
    ]
    assert [(each.account, each.before, each.after, each.change) for each in shown.accounts] == [
        ("2200 Gift cards outstanding", 0, -20000, -20000),
        ("4000 Sales", -20000, 0, 20000),
    ]
    assert shown.sentence == (
        "Of all 3 records, 3 change, most often Invoice: Lines: Kind of line (3), "
        "2 journal entries with them."
    )
    assert shown.examples[0].rows == [
        {"field": "Lines: Kind of line 1", "before": "product", "after": "gift_card"}
    ]


def test_a_preview_tells_new_failures_from_changes(stream: Stream, bookkeeper: User) -> None:
    hold(stream, order(1), order(2))
    draft = edited(stream, bookkeeper, rule("invoice.total", "nowhere"))
    shown = journal_diff.preview(stream, draft)
    assert (shown.changed_records, shown.newly_failing, shown.newly_mended) == (0, 2, 0)
    assert [(each.label, each.records) for each in shown.failing] == [
        ("Total is required, but the record has nothing at nowhere", 2)
    ]
    assert shown.accounts == []
    assert (shown.consequence.reversed, shown.consequence.posted) == (0, 0)
    assert shown.sentence == "Of all 2 records, none changes, 2 would go to quarantine."


def test_a_preview_counts_what_is_mended(stream: Stream, bookkeeper: User) -> None:
    hold(stream, order(1), order(2, financial_status="odd"))
    assert Quarantine.objects.filter(state="open").count() == 1
    published = stream.mapping
    assert published is not None
    values = {"paid": "paid", "odd": "paid"}
    draft = edited(
        stream, bookkeeper, rule("invoice.status", "financial_status", step("map_values", values=values))
    )
    shown = journal_diff.preview(stream, draft)
    assert (shown.newly_failing, shown.newly_mended) == (0, 1)
    assert [(each.label, each.record.external_id) for each in shown.mended] == [
        ("… is not in the list of …", "5002")
    ]
    assert (shown.consequence.reversed, shown.consequence.posted) == (0, 1)


def test_a_preview_shows_documents_that_are_no_longer_made(stream: Stream, bookkeeper: User) -> None:
    hold(stream, order(1))
    request = request_of(bookkeeper, stream.integration.organization)
    draft = versions.open_draft(stream, request=request)
    rest = tuple(each for each in outputs_from_dict(draft.rules) if each.key != "invoice")
    versions.save(draft, rest, seen=versions.token(draft), request=request)
    shown = journal_diff.preview(stream, draft)
    assert (shown.gone, shown.entries, shown.consequence.reversed) == (1, 1, 1)
    assert shown.examples[0].rows == [
        {"field": "Invoice #1001", "before": "made", "after": "not made any more"}
    ]


def test_a_shadow_stream_posts_nothing(stream: Stream, bookkeeper: User) -> None:
    hold(stream, order(1))
    stream.mode = Stream.Mode.SHADOW
    stream.save()
    shown = journal_diff.preview(stream, edited(stream, bookkeeper, MEMO))
    assert (shown.changed, shown.consequence.posted) == (1, 0)


def test_an_empty_stream_says_so(stream: Stream, bookkeeper: User) -> None:
    shown = journal_diff.preview(stream, edited(stream, bookkeeper, MEMO))
    assert shown.sentence == "There are no records yet, so nothing can be compared."


# ── rules in words ──────────────────────────────────────────────────────────────────────────────────


def test_a_difference_in_words() -> None:
    old = Output("a", "invoice", (rule("invoice.total", "total"), rule("invoice.memo", "note")))
    new = Output(
        "a",
        "invoice",
        (rule("invoice.number", "name", "upper"), rule("invoice.total", "total", step("round", decimals=0))),
        each="orders[]",
    )
    fresh = Output("b", "fee", (rule("fee.total", "fee"),))
    assert diff([old], [new, fresh]) == [
        RuleChange("Invoice", "changed", "One document for each", "record", "orders[]"),
        RuleChange("Invoice", "added", "Number", "", "name, then Upper case"),
        RuleChange("Invoice", "changed", "Total", "total", "total, then Round (decimals '0')"),
        RuleChange("Invoice", "removed", "Memo", "note", ""),
        RuleChange("Fee", "added", "The whole document", "", "1 rule"),
    ]
    assert diff([fresh], []) == [RuleChange("Fee", "removed", "The whole document", "made", "")]
