"""Mapping pages where several people meet: conflicts, publishing, going back, roles, outsiders, speed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from integrations import versions
from integrations.models import MappingVersion, Quarantine, Stream, SyncRun
from ledgerhub.access.models import Organization, User
from tests.integrations.mapped import hold, make_stream, order, request_of
from tests.integrations.mapping_browser import Editor, changes, form_of, prefix_of, publish

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], Client]


@pytest.fixture
def stream(organization: Organization) -> Stream:
    made = make_stream(organization)
    hold(made, order(1), order(2), order(3, note="Thanks"))
    return made


@pytest.fixture
def editor(stream: Stream, bookkeeper: User, signed_in: SignIn) -> Editor:
    return Editor(signed_in(bookkeeper), stream)


@pytest.fixture
def publisher(stream: Stream, approver: User, signed_in: SignIn) -> Editor:
    return Editor(signed_in(approver), stream)


# ── two people ──────────────────────────────────────────────────────────────────────────────────────


def test_two_people_on_one_draft_lose_nothing(editor: Editor, publisher: Editor) -> None:
    mine, theirs = editor.begin(), publisher.begin()
    theirs[f"{prefix_of(theirs, 'invoice.total')}-source"] = "subtotal_price"
    assert publisher.save(theirs).status_code == 302
    mine[f"{prefix_of(mine, 'invoice.number')}-source"] = "id"
    response = editor.save(mine)
    assert response.status_code == 409
    assert "Ann Approver" in response.context["editing"].conflict
    assert [(each.target, each.before, each.after) for each in response.context["editing"].theirs] == [
        ("Number", "name", "id"),
        ("Total", "subtotal_price", "total_price"),
    ]
    assert changes(editor) == [("Total", "total_price", "subtotal_price")]
    again = form_of(response)
    assert again[f"{prefix_of(again, 'invoice.number')}-source"] == "id"
    assert editor.save(again).status_code == 302
    assert changes(editor) == [("Number", "name", "id")]


def test_other_tabs_stay_as_others_saved_them(editor: Editor, publisher: Editor) -> None:
    mine, theirs = editor.begin(), publisher.begin(output="refund")
    theirs[f"{prefix_of(theirs, 'refund.memo')}-source"] = "^note"
    publisher.save(theirs)
    mine[f"{prefix_of(mine, 'invoice.number')}-source"] = "id"
    editor.save(form_of(editor.save(mine)))
    assert changes(editor) == [("Number", "name", "id"), ("Memo", "note", "^note")]


def test_a_draft_published_meanwhile_goes_on_as_a_new_one(editor: Editor, publisher: Editor) -> None:
    mine = editor.begin()
    mine[f"{prefix_of(mine, 'invoice.number')}-source"] = "id"
    publish(publisher, note="first")
    response = editor.save(mine)
    assert response.status_code == 409
    assert response.context["editing"].conflict == "The draft has been published in the meantime."
    assert editor.save(form_of(response)).status_code == 302
    assert changes(editor) == [("Number", "name", "id")]


# ── publishing ──────────────────────────────────────────────────────────────────────────────────────


def test_review_and_publish(publisher: Editor) -> None:
    data = publisher.begin()
    data[f"{prefix_of(data, 'invoice.reference')}-source"] = "id"
    publisher.save(data)
    page = publisher.client.get(publisher.url("mapping_publication"))
    assert page.context["preview"].sentence == (
        "Of all 3 records, 3 change, most often Invoice: Reference (3)."
    )
    assert publish(publisher, note="").status_code == 422
    assert publish(publisher, note="The bank quotes the id", replay="on").url == publisher.url("mapping")
    publisher.stream.refresh_from_db()
    assert publisher.stream.mapping is not None
    assert (publisher.stream.mapping.number, publisher.stream.mapping.note) == (2, "The bank quotes the id")
    assert SyncRun.objects.get().trigger == "replay"


def test_a_draft_with_problems_cannot_be_published(publisher: Editor) -> None:
    data = publisher.begin()
    data[f"{prefix_of(data, 'invoice.total')}-source"] = "a..b"
    publisher.save(data)
    page = publisher.client.get(publisher.url("mapping_publication"))
    assert (len(page.context["problems"]), page.context["preview"]) == (1, None)
    assert publish(publisher, note="x").status_code == 409
    publisher.stream.refresh_from_db()
    assert publisher.stream.mapping is not None
    assert publisher.stream.mapping.number == 1


def test_the_author_does_not_publish_under_the_two_person_rule(publisher: Editor, admin: User) -> None:
    organization = publisher.stream.integration.organization
    organization.two_person_rule = True
    organization.save()
    publisher.begin()
    page = publisher.client.get(publisher.url("mapping_publication"))
    assert page.context["refusal"] != ""
    assert publish(publisher, note="mine").status_code == 409
    other = Editor(Client(), publisher.stream)
    other.client.force_login(admin)
    assert publish(other, note="checked").status_code == 302


def test_go_back_to_an_old_version(publisher: Editor) -> None:
    data = publisher.begin()
    data[f"{prefix_of(data, 'invoice.reference')}-source"] = "id"
    publisher.save(data)
    publish(publisher, note="x")
    page = publisher.client.get(publisher.url("mapping_version", 1))
    assert page.context["preview"].changed_records == 3
    assert publisher.client.post(publisher.url("mapping_restoration", 1)).status_code == 422
    response = publisher.client.post(publisher.url("mapping_restoration", 1), {"note": "It was better"})
    assert response.url == publisher.url("mapping")
    assert list(publisher.stream.mappings.order_by("number").values_list("number", "state")) == [
        (1, "superseded"),
        (2, "superseded"),
        (3, "published"),
    ]
    again = publisher.client.post(publisher.url("mapping_restoration", 3), {"note": "x"}, follow=True)
    assert "Only a version that was published before" in again.content.decode()


def test_two_people_go_back_through_a_draft(publisher: Editor) -> None:
    publisher.begin()
    publish(publisher, note="x")
    organization = publisher.stream.integration.organization
    organization.two_person_rule = True
    organization.save()
    publisher.client.post(publisher.url("mapping_restoration", 1), {"note": "alone"})
    assert versions.draft_of(publisher.stream) is None
    publisher.client.post(publisher.url("mapping_drafts"), {"from": "1"})
    draft = versions.draft_of(publisher.stream)
    assert draft is not None
    assert draft.note == "Back to version 1"


def test_discard_and_replay(publisher: Editor) -> None:
    publisher.begin()
    assert publisher.client.post(publisher.url("mapping_removal")).status_code == 302
    assert versions.draft_of(publisher.stream) is None
    assert publisher.client.post(publisher.url("mapping_removal")).status_code == 302
    assert publisher.client.get(publisher.url("mapping_draft")).url == publisher.url("mapping")
    assert publisher.client.get(publisher.url("mapping_publication")).url == publisher.url("mapping")
    assert publisher.client.post(publisher.url("mapping_replays")).status_code == 302
    assert SyncRun.objects.get().trigger == "replay"
    SyncRun.objects.update(trigger="schedule")
    response = publisher.client.post(publisher.url("mapping_replays"), follow=True)
    assert "A sync of this stream is under way" in response.content.decode()


# ── lists, roles, outsiders, speed ──────────────────────────────────────────────────────────────────


def test_the_list_says_what_needs_somebody(editor: Editor, viewer: User, signed_in: SignIn) -> None:
    hold(editor.stream, order(9, financial_status="odd"))
    editor.begin()
    url = reverse("integrations:mappings", args=[editor.slug])
    page = signed_in(viewer).get(url)
    rows = {stream.key: stream for stream, _ in page.context["rows"]}
    assert sorted(rows) == ["balance_transactions", "customers", "orders", "payouts"]
    assert (rows["orders"].waiting, rows["orders"].draft_number, rows["orders"].draft_by) == (
        1,
        2,
        "Bo Books",
    )
    assert (page.context["drafts"], page.context["waiting"]) == (1, 1)
    assert [s.key for s, _ in signed_in(viewer).get(url, {"draft": "open"}).context["rows"]] == ["orders"]
    assert [s.key for s, _ in signed_in(viewer).get(url, {"errors": "some"}).context["rows"]] == ["orders"]
    assert signed_in(viewer).get(url, {"export": "csv"}).headers["Content-Type"].startswith("text/csv")


def test_without_streams_the_list_says_what_to_do(
    organization: Organization, viewer: User, signed_in: SignIn
) -> None:
    page = signed_in(viewer).get(reverse("integrations:mappings", args=[organization.slug]))
    assert "Connect a system" in page.content.decode()


PAGES = [
    ("get", "mapping", [], "viewer"),
    ("get", "mapping_version", [1], "viewer"),
    ("post", "mapping_drafts", [], "bookkeeper"),
    ("get", "mapping_draft", [], "bookkeeper"),
    ("post", "mapping_draft", [], "bookkeeper"),
    ("post", "mapping_form", [], "bookkeeper"),
    ("post", "mapping_removal", [], "bookkeeper"),
    ("get", "mapping_publication", [], "bookkeeper"),
    ("post", "mapping_publication", [], "approver"),
    ("post", "mapping_restoration", [1], "approver"),
    ("post", "mapping_replays", [], "approver"),
]


@pytest.mark.parametrize(("method", "name", "args", "needed"), PAGES)
def test_who_may_what(
    stream: Stream,
    method: str,
    name: str,
    args: list[int],
    needed: str,
    viewer: User,
    bookkeeper: User,
    outsider: User,
    signed_in: SignIn,
) -> None:
    organization = stream.integration.organization
    versions.open_draft(stream, request=request_of(bookkeeper, organization))
    url = reverse(f"integrations:{name}", args=[organization.slug, stream.pk, *args])
    assert getattr(signed_in(outsider), method)(url).status_code == 404
    denied = {"viewer": [], "bookkeeper": [viewer], "approver": [viewer, bookkeeper]}[needed]
    assert [getattr(signed_in(user), method)(url).status_code for user in denied] == [403] * len(denied)
    theirs = outsider.memberships.get().organization
    foreign = reverse(f"integrations:{name}", args=[theirs.slug, stream.pk, *args])
    outsider.memberships.update(role="admin")
    assert getattr(signed_in(outsider), method)(foreign).status_code == 404


def test_posts_only_where_something_changes(editor: Editor) -> None:
    for name in ("mapping_drafts", "mapping_form", "mapping_removal", "mapping_replays"):
        assert editor.client.get(editor.url(name)).status_code == 405


def test_a_handful_of_queries_whatever_the_number_of_records(
    editor: Editor, publisher: Editor, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    hold(editor.stream, *(order(number) for number in range(10, 110)))
    editor.begin()
    with django_assert_max_num_queries(20):
        editor.client.get(editor.url("mapping"))
    with django_assert_max_num_queries(20):
        editor.open()
    with django_assert_max_num_queries(25):
        publisher.client.get(publisher.url("mapping_publication"))
    with django_assert_max_num_queries(15):
        editor.client.get(reverse("integrations:mappings", args=[editor.slug]))


def test_hostile_names_in_the_form_are_ignored(editor: Editor) -> None:
    data = editor.begin()
    odd = {"rule": "x", "rule--1": "x", "rule-999999999-target": "x", "rule-0": "x", "when-0": "y", "a-": "z"}
    odd |= {"rule-0-step-0": "x", "each": "\0", f"rule-{'9' * 500}-target": "x"}
    assert editor.client.post(editor.url("mapping_form"), {**odd, **data}).status_code == 200
    assert editor.save({"output": "invoice", "seen": data["seen"]}).status_code == 422


def test_markup_in_records_and_rules_is_text(editor: Editor) -> None:
    hold(editor.stream, order(8, name='<script>alert("1")</script>'))
    data = editor.begin()
    data[f"{prefix_of(data, 'invoice.reference')}-source"] = '"><script>x</script>'
    text = editor.client.post(editor.url("mapping_form"), data).content.decode()
    assert "<script>" not in text.replace("<script src", "")


def test_the_stored_versions_are_never_written_again(stream: Stream, publisher: Editor) -> None:
    before = MappingVersion.objects.get(stream=stream, number=1).rules
    data = publisher.begin()
    data[f"{prefix_of(data, 'invoice.reference')}-source"] = "id"
    publisher.save(data)
    publish(publisher, note="x")
    assert MappingVersion.objects.get(stream=stream, number=1).rules == before
    assert Quarantine.objects.count() == 0
