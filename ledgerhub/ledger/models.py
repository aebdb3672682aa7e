"""The books' tables: accounts, contacts, documents, entries and postings, statements and their lines."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from ledgerhub.access.models import Organization, check_currency
from ledgerhub.ledger.revaluation_models import RevaluedBalance as RevaluedBalance


class OrganizationOwned(models.Model):
    """Belongs to one organization."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")

    class Meta:
        abstract = True


class Account(OrganizationOwned):
    """An account of the chart; the accounting finds it by role and qualifier."""

    class Type(models.TextChoices):
        ASSET = "asset", "Asset"
        LIABILITY = "liability", "Liability"
        EQUITY = "equity", "Equity"
        INCOME = "income", "Income"
        EXPENSE = "expense", "Expense"

    code = models.CharField(max_length=20)
    name = models.CharField(max_length=120)
    type = models.CharField(max_length=10, choices=Type)
    role = models.CharField(max_length=30, blank=True)
    qualifier = models.CharField(max_length=60, blank=True, help_text="Which gateway, which bank account")
    currency = models.CharField(max_length=3, blank=True, validators=[check_currency])
    description = models.CharField(max_length=240, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "code"], name="one_account_a_code"),
            models.UniqueConstraint(
                fields=["organization", "role", "qualifier"],
                condition=~Q(role=""),
                name="one_account_a_role",
            ),
        ]
        ordering: ClassVar = ["code"]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"

    def get_role_label(self) -> str:
        """ "tax_payable" -> "Tax payable"."""
        return self.role.replace("_", " ").capitalize()


class Source(OrganizationOwned):
    """Where documents and statement lines come from: one stream of one integration, or a person."""

    key = models.CharField(max_length=120)
    label = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "key"], name="one_source_a_key"),
        ]

    def __str__(self) -> str:
        return self.label


class Contact(OrganizationOwned):
    """A customer or a supplier."""

    name = models.CharField(max_length=200)
    email = models.CharField(max_length=254, blank=True)
    phone = models.CharField(max_length=60, blank=True)
    tax_number = models.CharField(max_length=60, blank=True)
    country = models.CharField(max_length=60, blank=True)
    is_customer = models.BooleanField(default=False)
    is_supplier = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["organization", "email"], name="contact_email"),
            models.Index(fields=["organization", "name"], name="contact_name"),
        ]

    def __str__(self) -> str:
        return self.name or self.email


class ContactIdentity(models.Model):
    """The id an outside system knows a contact by; `merged_into` another over there, whose contact it is."""

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="identities")
    scope = models.CharField(max_length=120, help_text="Which integration's ids these are")
    external_id = models.CharField(max_length=120)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    merged_into = models.CharField(max_length=120, blank=True, default="", db_default="")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization", "scope", "external_id"], name="one_contact_an_external_id"
            ),
        ]

    def __str__(self) -> str:
        return self.external_id


class Item(OrganizationOwned):
    """Something sold or bought, known by its SKU."""

    sku = models.CharField(max_length=120)
    name = models.CharField(max_length=240)
    currency = models.CharField(max_length=3, blank=True)
    price = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    cost = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "sku"], name="one_item_a_sku"),
        ]

    def __str__(self) -> str:
        return self.name


class Document(OrganizationOwned):
    """What happened in business terms; `data` is the validated draft, money in minor units."""

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="documents", db_index=False)
    output = models.CharField(max_length=60, help_text="Which output of the mapping made it")
    external_id = models.CharField(max_length=120)
    kind = models.CharField(max_length=20)
    number = models.CharField(max_length=120, blank=True)
    date = models.DateField()
    occurred_at = models.DateTimeField(null=True, blank=True)
    due_date = models.DateField(null=True, blank=True)
    currency = models.CharField(max_length=3)
    total = models.BigIntegerField(default=0)
    status = models.CharField(max_length=20, blank=True)
    gateway = models.CharField(max_length=60, blank=True)
    reference = models.CharField(max_length=240, blank=True)
    contact = models.ForeignKey(
        Contact, on_delete=models.PROTECT, null=True, related_name="documents", db_index=False
    )
    data = models.JSONField()
    content_hash = models.CharField(max_length=64)
    # Rows of the integrations app, which the ledger does not know: ids only.
    raw_record_id = models.BigIntegerField(null=True, blank=True, db_index=True)
    mapping_version_id = models.BigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "output", "external_id"], name="one_document_an_id"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["organization", "kind", "-date", "-id"], name="document_kind_date"),
            models.Index(fields=["organization", "-date", "-id"], name="document_date"),
            models.Index(fields=["organization", "number"], name="document_number"),
            models.Index(fields=["organization", "external_id"], name="document_external_id"),
            models.Index(fields=["organization", "total"], name="document_total"),
            models.Index(fields=["contact", "-date"], name="document_contact"),
            models.Index(fields=["source", "reference"], name="document_reference"),
        ]

    def __str__(self) -> str:
        return f"{self.get_label()} {self.number or self.external_id}"

    def get_label(self) -> str:
        return self.kind.replace("_", " ").capitalize()

    def get_status_label(self) -> str:
        """ "in_transit" -> "In transit"."""
        return self.status.replace("_", " ").capitalize()

    def get_gateway_label(self) -> str:
        """ "shopify_payments" -> "Shopify payments"."""
        return self.gateway.replace("_", " ").capitalize()


class DocumentLine(models.Model):
    """One line of a document's lists: invoice lines, tenders, payout items."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="lines")
    section = models.CharField(max_length=12)
    position = models.PositiveIntegerField()
    external_id = models.CharField(max_length=120, blank=True)
    description = models.CharField(max_length=500, blank=True)
    category = models.CharField(max_length=60, blank=True, help_text="Payout item category, tender gateway")
    source_ref = models.CharField(max_length=120, blank=True, help_text="Charge or refund it belongs to")
    sku = models.CharField(max_length=120, blank=True)
    quantity = models.DecimalField(max_digits=20, decimal_places=6, null=True)
    unit_price = models.DecimalField(max_digits=20, decimal_places=6, null=True)
    amount = models.BigIntegerField(default=0)
    tax = models.BigIntegerField(default=0)
    fee = models.BigIntegerField(default=0)
    net = models.BigIntegerField(default=0)
    date = models.DateField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["document", "section", "position"], name="one_line_a_position"),
        ]
        indexes: ClassVar = [
            # Whole: SQLite takes a partial index only where the query repeats its condition literally.
            models.Index(fields=["source_ref"], name="line_source_ref"),
            models.Index(fields=["external_id"], name="line_external_id"),
        ]
        ordering: ClassVar = ["section", "position"]

    def __str__(self) -> str:
        return self.description or self.external_id

    def get_category_label(self) -> str:
        """ "dispute_withdrawal" -> "Dispute withdrawal"."""
        return self.category.replace("_", " ").capitalize()

    def get_quantity_text(self) -> str:
        """Without the zeros of the column: 2, 0.5."""
        return "" if self.quantity is None else f"{self.quantity.normalize():f}"

    def get_price_text(self) -> str:
        return "" if self.unit_price is None else f"{self.unit_price.normalize():f}"


class Entry(OrganizationOwned):
    """A balanced journal entry; append-only, corrected by a reversing entry."""

    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="entries")
    part = models.CharField(max_length=140)
    revision = models.PositiveIntegerField(default=1)
    date = models.DateField()
    original_date = models.DateField(null=True, blank=True, help_text="Where the lock date moved it from")
    currency = models.CharField(max_length=3)
    rate = models.DecimalField(max_digits=24, decimal_places=12, default=1, help_text="Base per unit")
    memo = models.CharField(max_length=300, blank=True)
    content_hash = models.CharField(max_length=64)
    reverses = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="reversed_by"
    )
    reason = models.CharField(max_length=240, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        constraints: ClassVar = [
            # A part has one entry a revision; its reversal carries the same revision and `reverses`.
            models.UniqueConstraint(
                fields=["document", "part", "revision"],
                condition=Q(reverses__isnull=True),
                name="one_entry_a_part_and_revision",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["organization", "-date", "-id"], name="entry_date"),
        ]
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return f"Entry {self.pk}: {self.memo}"


class Posting(models.Model):
    """One debit (positive) or credit (negative) of an entry; amounts in minor units."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+", db_index=False)
    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="postings")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="postings", db_index=False)
    contact = models.ForeignKey(
        Contact, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    date = models.DateField()
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField()
    base_amount = models.BigIntegerField()
    memo = models.CharField(max_length=240, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(amount=0) | ~Q(base_amount=0), name="posting_is_a_debit_or_a_credit"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["account", "date", "id"],
                include=["amount", "base_amount", "currency"],
                name="posting_account_date",
            ),
            models.Index(fields=["contact"], name="posting_contact", condition=Q(contact__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"

    @property
    def side(self) -> int:
        return self.amount or self.base_amount

    @property
    def credit(self) -> int:
        """The amount as a credit is written: without its sign."""
        return -self.amount

    @property
    def base_credit(self) -> int:
        return -self.base_amount


class DailyTotal(models.Model):
    """Sums of postings by account, day and currency, so that balances are read fast from large books.

    Written with the postings; several rows may share a day, their sum is what counts (see totals.py).
    """

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="daily_totals", db_index=False
    )
    date = models.DateField()
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField()
    base_amount = models.BigIntegerField()

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["account", "date"],
                include=["currency", "amount", "base_amount"],
                name="daily_total_account_date",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.date}: {self.amount} {self.currency}"


class ExchangeRate(OrganizationOwned):
    """Base currency per unit of `currency` on a day."""

    currency = models.CharField(max_length=3, validators=[check_currency])
    date = models.DateField()
    rate = models.DecimalField(max_digits=24, decimal_places=12)
    origin = models.CharField(max_length=60, default="entered by hand")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "currency", "date"], name="one_rate_a_day"),
            models.CheckConstraint(condition=Q(rate__gt=0), name="rate_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.currency} {self.date}: {self.rate}"

    def get_rate_text(self) -> str:
        """Without the zeros of the column: 1.08."""
        return f"{self.rate.normalize():f}"


class Statement(OrganizationOwned):
    """What a bank says of a period: its balances bound the lines."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="statements")
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=200)
    currency = models.CharField(max_length=3)
    start = models.DateField(null=True)
    end = models.DateField(null=True)
    opening = models.BigIntegerField(null=True)
    closing = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class StatementLine(OrganizationOwned):
    """One line of a bank, card or processor statement; money in is positive."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="statement_lines")
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="+")
    statement = models.ForeignKey(Statement, on_delete=models.PROTECT, null=True, related_name="lines")
    identity = models.CharField(max_length=160, help_text="Provider id, else an occurrence-aware hash")
    date = models.DateField()
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    description = models.CharField(max_length=1000, blank=True)
    counterparty = models.CharField(max_length=240, blank=True)
    reference = models.CharField(max_length=240, blank=True)
    kind = models.CharField(max_length=40, blank=True)
    balance = models.BigIntegerField(null=True)
    pending = models.BooleanField(default=False)
    position = models.BigIntegerField(default=0, help_text="Order within the statement")
    raw_record_id = models.BigIntegerField(null=True, blank=True)
    # The bank took it back. Excluded at once, or as soon as it is no longer matched.
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "identity"], name="one_line_an_identity"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "-date", "-position"], name="statement_line_date"),
            models.Index(fields=["account", "amount", "date"], name="statement_line_amount_day"),
            # Few lines of many, asked for by every page and every pass.
            models.Index(fields=["account", "date"], name="line_pending", condition=Q(pending=True)),
            models.Index(fields=["account"], name="line_withdrawn", condition=Q(withdrawn_at__isnull=False)),
            models.Index(
                fields=["account", "date", "position"],
                name="line_balance",
                condition=Q(balance__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.date} {self.description}"


class LineVersion(models.Model):
    """What a statement line said before the bank changed it: a pending amount, an earlier identity."""

    line = models.ForeignKey(StatementLine, on_delete=models.CASCADE, related_name="history")
    source = models.ForeignKey(Source, on_delete=models.PROTECT, null=True, related_name="+")
    identity = models.CharField(max_length=160)
    date = models.DateField()
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    description = models.CharField(max_length=1000, blank=True)
    counterparty = models.CharField(max_length=240, blank=True)
    reference = models.CharField(max_length=240, blank=True)
    kind = models.CharField(max_length=40, blank=True)
    balance = models.BigIntegerField(null=True)
    pending = models.BooleanField(default=False)
    raw_record_id = models.BigIntegerField(null=True, blank=True)
    replaced_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["identity"], name="line_version_identity")]

    def __str__(self) -> str:
        return f"{self.date} {self.description}"


class LineExclusion(models.Model):
    """A statement line that counts no more: `duplicate_of` is the same payment, or the bank withdrew it.

    The row is the state: deleting it (audited) lets the line count again.
    """

    class Reason(models.TextChoices):
        DUPLICATE = "duplicate", "Duplicate"
        WITHDRAWN = "withdrawn", "Withdrawn by the bank"

    line = models.OneToOneField(StatementLine, on_delete=models.CASCADE, related_name="exclusion")
    reason = models.CharField(max_length=9, choices=Reason)
    duplicate_of = models.ForeignKey(
        StatementLine, on_delete=models.PROTECT, null=True, related_name="copies"
    )
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    note = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"{self.line}: {self.get_reason_display()}"


class Allocation(OrganizationOwned):
    """How much of an invoice or bill another document (payment, coded bank line, credit note) settles."""

    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="settled_by")
    by = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="settles")
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="+", help_text="In which account it was open"
    )
    amount = models.BigIntegerField(help_text="Minor units, positive")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["document", "by"], name="one_allocation_a_pair"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="allocation_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.by} settles {self.amount} of {self.document}"
