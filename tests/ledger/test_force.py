"""Entries in force: which they are, and that looking for those of a document does not read the journal."""

from __future__ import annotations

import pytest
from django.db import connection

from ledgerhub.access.models import Organization
from ledgerhub.ledger import documents, posting
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.documents import Incoming
from ledgerhub.ledger.force import in_force, originals
from ledgerhub.ledger.models import Entry, Posting, Source
from tests.ledger.drafts import invoice

pytestmark = pytest.mark.django_db


def test_what_is_reversed_and_what_reverses_are_not_in_force(organization: Organization) -> None:
    install_chart(organization)
    source = Source.objects.create(organization=organization, key="shop", label="Shop")
    for total in (10850, 9900):
        draft = invoice(total=total, tax=0, lines=[{"description": "Mug", "amount": total}], tenders=[])
        [stored] = documents.store(organization, source, [Incoming("invoice", draft)], scope="shop")
        posting.post_document(stored.document, draft)
    first, second, reversal = Entry.objects.order_by("pk")
    assert reversal.reverses == first
    assert list(Entry.objects.filter(originals()).order_by("pk")) == [first, second]
    assert list(Entry.objects.filter(in_force())) == [second]
    postings = Posting.objects.filter(in_force("entry__"))
    assert set(postings.values_list("entry", flat=True)) == {second.pk}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the plan is SQLite's")
def test_those_of_a_document_are_found_by_the_document() -> None:
    for rows in (
        Entry.objects.filter(in_force(), document=1),
        Entry.objects.filter(originals(), document__in=[1, 2]),
        Posting.objects.filter(in_force("entry__"), entry__document=1),
    ):
        assert "SEARCH ledger_entry USING INDEX ledger_entry_document_id" in rows.explain()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="the plan is PostgreSQL's")
def test_what_reverses_them_is_looked_for_as_a_set() -> None:
    for rows in (Entry.objects.filter(in_force()), Posting.objects.filter(in_force("entry__"))):
        assert "Anti Join" in rows.explain()
