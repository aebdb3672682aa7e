"""Mapping again what we hold: what is not made any more is reversed, what people put aside stays aside."""

from __future__ import annotations

import pytest
from django.utils import timezone

from integrations import sync, versions
from integrations.models import Quarantine, Stream, SyncRun
from integrations.rules import outputs_from_dict
from ledgerhub.access.models import Organization, User
from ledgerhub.ledger.models import Document, Entry
from tests.integrations.mapped import hold, make_stream, order, request_of
from tests.jobs import drain

pytestmark = pytest.mark.django_db


@pytest.fixture
def stream(organization: Organization) -> Stream:
    return make_stream(organization)


def publish_without_invoices(stream: Stream, user: User) -> None:
    """A new version in force that makes no invoices of orders."""
    request = request_of(user, stream.integration.organization)
    draft = versions.open_draft(stream, request=request)
    rest = tuple(each for each in outputs_from_dict(draft.rules) if each.key != "invoice")
    versions.save(draft, rest, seen=versions.token(draft), request=request)
    draft.refresh_from_db()
    versions.publish(draft, note="No invoices", seen=versions.token(draft), request=request)


def standing() -> int:
    return Entry.objects.filter(reverses__isnull=True, reversed_by__isnull=True).count()


def test_a_document_that_is_not_made_any_more_is_reversed(stream: Stream, approver: User) -> None:
    hold(stream, order(1), order(2))
    assert standing() == 2
    publish_without_invoices(stream, approver)
    run = sync.replay(Stream.objects.get(pk=stream.pk))
    drain()
    run.refresh_from_db()
    assert (run.state, standing()) == ("succeeded", 0)
    assert list(Document.objects.values_list("status", flat=True)) == ["void", "void"]


def test_a_slice_does_not_write_under_a_mapping_that_is_out_of_date(stream: Stream, approver: User) -> None:
    hold(stream, order(1))
    run = sync.claim(sync.request_run(stream, trigger="replay").pk)
    assert run is not None
    publish_without_invoices(stream, approver)
    with pytest.raises(sync.MappingChanged):
        sync._work(run)
    assert standing() == 1


def test_a_dismissed_failure_stays_dismissed(stream: Stream) -> None:
    hold(stream, order(1, currency="XXX"))
    Quarantine.objects.update(state="dismissed", closed_at=timezone.now())
    sync.replay(stream)
    drain()
    assert list(Quarantine.objects.values_list("state", flat=True)) == ["dismissed"]


def test_a_dismissed_record_that_changes_is_looked_at_again(stream: Stream) -> None:
    hold(stream, order(1, currency="XXX"))
    Quarantine.objects.update(state="dismissed", closed_at=timezone.now())
    hold(stream, order(1, currency="XXY"))
    assert sorted(Quarantine.objects.values_list("state", flat=True)) == ["dismissed", "open"]


def test_an_open_run_is_left_as_it_is(stream: Stream) -> None:
    waiting = SyncRun.objects.create(stream=stream, trigger="schedule", checkpoint={"page": 3})
    assert sync.replay(stream, only=["1"]) == waiting
    waiting.refresh_from_db()
    assert (waiting.trigger, waiting.checkpoint) == ("schedule", {"page": 3})
