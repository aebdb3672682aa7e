"""A month that comes as CSV by one way and as OFX by another: found whole, excluded in one act, proved."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from integrations import files, register
from integrations.models import Stream
from integrations.register import Choice
from integrations.statements import CsvLayout
from ledgerhub.access.models import Organization, User
from ledgerhub.ledger.models import LineExclusion, StatementLine
from ledgerhub.ledger.statement_lines import COUNTS
from reconciliation import duplicates, verdicts
from reconciliation.models import Suspicion
from tests.integrations.bank_files import AUGUST, bank_files, checking, period, statement_file

pytestmark = pytest.mark.django_db


def give(stream: Stream, organization: Organization, file: SimpleUploadedFile) -> None:
    upload, _ = files.receive(stream, checking(organization), file, user=None)
    asked = files.question(upload)
    if asked is not None and asked.kind == "columns":
        files.agree_layout(upload, CsvLayout.from_dict(upload.layout))
        assert files.question(upload) is None
    files.start(upload, user=None)


def test_a_month_by_two_ways(organization: Organization, approver: User) -> None:
    first = bank_files(organization)
    account = checking(organization)
    other = register.create(
        organization, "bank_file", name="The bank's own feed", settings={}, bank_account=account
    )
    second = register.activate(other, [Choice("statements")])[0]
    give(first, organization, statement_file("us", AUGUST))
    give(second, organization, statement_file("ofx1", AUGUST))
    amounts = sorted(line.amount for line, _ in period(AUGUST).lines)
    assert StatementLine.objects.count() == 2 * len(amounts)
    duplicates.look(account)
    pairs = Suspicion.objects.filter(kind="same")
    assert pairs.count() == len(amounts)
    assert all(pair.line.amount == pair.other.amount for pair in pairs.select_related("line", "other"))
    for offer in verdicts.offers(account):
        assert offer.whole
        verdicts.exclude_month(account, offer.month, offer.source, user=approver)
    counting = StatementLine.objects.filter(COUNTS, account=account)
    assert sorted(counting.values_list("amount", flat=True)) == amounts
    assert set(counting.values_list("source", flat=True)) == {first.source_id}
    assert LineExclusion.objects.count() == len(amounts)
