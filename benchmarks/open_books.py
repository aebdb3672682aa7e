"""Books of one bank account in which all is open: a workload's rows as statement lines and postings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.workloads import Workload
from ledgerhub.access.models import Organization
from ledgerhub.core import bulk
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Account, Contact, Document, Entry, Posting, Source, StatementLine

CHUNK = 10_000
Row = dict[str, Any]


@dataclass
class OpenBooks:
    """The bank account, and what its rows hang on."""

    bank: Account
    other: Account
    source: Source
    contacts: dict[str, int]
    written: int = 0

    @classmethod
    def found(cls, work: Workload) -> OpenBooks:
        organization = Organization.objects.create(name="Open Books", slug="open-books", base_currency="EUR")
        install_chart(organization)
        accounts = Account.objects.select_related("organization").filter(organization=organization)
        source = Source.objects.create(organization=organization, key="open", label="Open")
        names = sorted({str(row["counterparty"]) for row in work.entries} - {""})
        people = [
            Contact(organization=organization, name=name, is_customer=True, is_supplier=False)
            for name in names
        ]
        bulk.stamp(people, "created_at")
        for chunk in chunks(people):
            bulk.insert(chunk)
        return cls(
            accounts.get(role="bank", qualifier=""),
            accounts.get(role="sales", qualifier=""),
            source,
            {person.name: person.pk for person in people},
        )

    def add_lines(self, rows: Sequence[Row]) -> list[int]:
        """Statement lines; gives their numbers."""
        made = [self._line(row) for row in rows]
        bulk.stamp(made, "created_at")
        for chunk in chunks(made):
            bulk.insert(chunk)
        return [line.pk for line in made]

    def _line(self, row: Row) -> StatementLine:
        self.written += 1
        return StatementLine(
            organization=self.bank.organization, account=self.bank, source=self.source, identity=row["id"],
            date=row["date"], amount=row["amount"], currency="EUR", description=row["description"],
            counterparty=row["counterparty"], reference=row["reference"], position=self.written,
        )  # fmt: skip

    def add_entries(self, rows: Sequence[Row]) -> None:
        """A document, its entry and two postings each."""
        for chunk in chunks(rows):
            documents = [self._document(row) for row in chunk]
            bulk.stamp(documents, "created_at", "updated_at")
            bulk.insert(documents)
            entries = [self._entry(row, document) for row, document in zip(chunk, documents, strict=True)]
            bulk.stamp(entries, "created_at")
            bulk.insert(entries)
            bulk.insert(
                [
                    self._posting(entry, account, sign * row["amount"])
                    for row, entry in zip(chunk, entries, strict=True)
                    for account, sign in ((self.bank, 1), (self.other, -1))
                ]
            )

    def _document(self, row: Row) -> Document:
        return Document(
            organization=self.bank.organization, source=self.source, output="payment", external_id=row["id"],
            kind="payment", number=row["reference"], date=row["date"], currency="EUR", total=row["amount"],
            status="paid", contact_id=self.contacts.get(row["counterparty"]), data={},
        )  # fmt: skip

    def _entry(self, row: Row, document: Document) -> Entry:
        return Entry(
            organization=self.bank.organization, document=document, part="payment", revision=1,
            date=row["date"], currency="EUR", rate=1, memo=row["description"],
        )  # fmt: skip

    def _posting(self, entry: Entry, account: Account, amount: int) -> Posting:
        return Posting(
            organization=self.bank.organization, entry=entry, account=account, date=entry.date,
            currency="EUR", amount=amount, base_amount=amount, memo=entry.memo,
        )  # fmt: skip


def chunks(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), CHUNK):
        yield rows[start : start + CHUNK]
