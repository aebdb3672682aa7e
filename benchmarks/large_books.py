"""Large books for the page benchmark: rows made by the database itself, many a second, sound to the cent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from django.core.management import call_command
from django.db import connection
from django.urls import NoReverseMatch, reverse

from integrations.models import Integration, MappingVersion, Stream, SyncRun
from ledgerhub.access.models import Membership, Organization, Role, User
from ledgerhub.ledger.founding import found_organization
from ledgerhub.ledger.models import Account, Contact, Document, Entry, Source, StatementLine

DAYS = 720
END = dt.date(2026, 3, 31)
CONTACTS = 20_000
LINES = 20_000
RECORDS = 200_000
_START = END - dt.timedelta(days=DAYS)


@dataclass
class Books:
    """The organization that was made, and the person who looks at it."""

    organization: Organization
    user: User

    def pages(self) -> Iterator[tuple[str, str]]:
        """(name, address) of every page that stands."""
        entry = Entry.objects.filter(organization=self.organization).order_by("-id")[100]
        account = Account.objects.get(organization=self.organization, role="sales")
        bank = Account.objects.get(organization=self.organization, role="bank")
        clearing = Account.objects.get(organization=self.organization, role="clearing")
        contact = Contact.objects.filter(organization=self.organization).order_by("id")[10]
        wanted = [
            ("dashboard", [], ""),
            ("ledger:accounts", [], ""),
            ("ledger:account", [account.pk], ""),
            ("ledger:account", [clearing.pk], ""),
            ("ledger:account", [account.pk], "?on=2025-03-31"),
            ("ledger:statement_lines", [bank.pk], ""),
            ("ledger:journal", [], ""),
            ("ledger:journal", [], f"?account={account.pk}"),
            ("ledger:journal", [], "?kind=payout"),
            ("ledger:journal", [], "?q=5000"),
            ("ledger:entry", [entry.pk], ""),
            ("ledger:documents", [], ""),
            ("ledger:documents", [], "?kind=payout"),
            ("ledger:documents", [], "?q=5000"),
            ("ledger:document", [entry.document_id], ""),
            ("ledger:trial_balance", [], ""),
            ("ledger:trial_balance", [], "?on=2025-06-17"),
            ("ledger:profit_and_loss", [], "?start=2025-01-01&end=2025-12-31"),
            ("ledger:balance_sheet", [], "?on=2025-12-31"),
            ("ledger:clearing", [], ""),
            ("ledger:clearing_account", [clearing.pk], ""),
            ("ledger:contacts", [], ""),
            ("ledger:contact", [contact.pk], ""),
            ("ledger:rates", [], ""),
            ("search", [], "?q=%235000"),
            ("search", [], "?q=108.50"),
            ("search", [], "?q=customer"),
            ("integrations:integrations", [], ""),
            ("integrations:runs", [], ""),
            ("integrations:errors", [], ""),
            ("integrations:mappings", [], ""),
            ("reconciliation:accounts", [], ""),
            ("access:people", [], ""),
            ("access:audit", [], ""),
        ]
        for name, arguments, query in wanted:
            try:
                address = reverse(name, args=[self.organization.slug, *arguments])
            except NoReverseMatch:
                continue
            yield name + query, address + query


def fill(orders: int) -> Books:
    """An organization with `orders` paid orders, a payout a day and bank lines."""
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    user = User.objects.create_user("reader@example.com", "not used", name="Rita Reader")
    organization = found_organization("Large Books", timezone="America/New_York")
    Membership.objects.create(user=user, organization=organization, role=Role.ADMIN)
    stream = _stream(organization)
    _rows(organization, stream, orders)
    return Books(organization, user)


def _stream(organization: Organization) -> Stream:
    integration = Integration.objects.create(
        organization=organization, connector="shopify", name="Shop", state="active", health="ok"
    )
    source = Source.objects.create(organization=organization, key="shop:orders", label="Shop orders")
    stream = Stream.objects.create(integration=integration, key="orders", source=source)
    stream.mapping = MappingVersion.objects.create(stream=stream, number=1, state="published", rules=[])
    stream.save()
    SyncRun.objects.bulk_create(
        SyncRun(
            stream=stream,
            state=SyncRun.State.SUCCEEDED,
            read=20,
            new=15,
            posted=15,
            created_at=dt.datetime.now(dt.UTC) - dt.timedelta(hours=hour),
            finished_at=dt.datetime.now(dt.UTC) - dt.timedelta(hours=hour),
        )
        for hour in range(720)
    )
    return stream


def _rows(organization: Organization, stream: Stream, orders: int) -> None:
    clearing = Account.objects.create(
        organization=organization,
        code="1100",
        name="Shopify Payments clearing",
        type="asset",
        role="clearing",
        qualifier="shopify_payments",
    )
    accounts = dict(Account.objects.filter(organization=organization).values_list("role", "id"))
    values = {
        "organization": organization.pk,
        "source": stream.source_id,
        "stream": stream.pk,
        "mapping": stream.mapping_id,
        "orders": orders,
        "payouts": DAYS,
        "contacts": CONTACTS,
        "lines": LINES,
        "records": min(RECORDS, orders),
        "start": _START,
        "days": DAYS,
        "clearing": clearing.pk,
        "sales": accounts["sales"],
        "tax": accounts["tax_payable"],
        "shipping": accounts["shipping"],
        "receivable": accounts["receivable"],
        "bank": accounts["bank"],
    }
    with connection.cursor() as cursor:
        for statement in _STATEMENTS:
            cursor.execute(statement, values)
        cursor.execute("ANALYZE")
    assert Document.objects.count() == orders + DAYS
    assert StatementLine.objects.count() == LINES


# Order n: 100.00 + n mod 90 of sales, 8.50 tax, 5.00 shipping; every tenth is unpaid.
_STATEMENTS = (
    """INSERT INTO ledger_contact (organization_id, name, email, phone, tax_number, country, is_customer,
         is_supplier, created_at)
       SELECT %(organization)s, 'Customer ' || n, 'customer' || n || '@example.com', '', '', '', true,
         false, now()
       FROM generate_series(1, %(contacts)s) n""",
    """INSERT INTO integrations_rawrecord (stream_id, external_id, version, latest, content_hash, payload,
         fetched_at, origin)
       SELECT %(stream)s, (n + 1000000)::text, 1, true, md5(n::text),
         jsonb_build_object('id', n, 'name', '#' || n, 'total_price', '113.50'), now(), ''
       FROM generate_series(1, %(records)s) n""",
    """INSERT INTO ledger_document (organization_id, source_id, output, external_id, kind, number, date,
         currency,
         total, status, gateway, reference, contact_id, data, content_hash, raw_record_id, mapping_version_id,
         created_at, updated_at)
       SELECT %(organization)s, %(source)s, 'invoice', (n + 1000000)::text, 'invoice', '#' || n,
         %(start)s::date + (n %% %(days)s), 'USD', 11350 + n %% 90,
         CASE WHEN n %% 10 = 0 THEN 'open' ELSE 'paid' END,
         '', '', (SELECT min(id) FROM ledger_contact) + n %% %(contacts)s, '{}', md5(n::text),
         CASE WHEN n <= %(records)s THEN (SELECT min(id) FROM integrations_rawrecord) + n - 1 END,
         %(mapping)s, now(), now()
       FROM generate_series(1, %(orders)s) n""",
    """INSERT INTO ledger_document (organization_id, source_id, output, external_id, kind, number, date,
         currency,
         total, status, gateway, reference, data, content_hash, created_at, updated_at)
       SELECT %(organization)s, %(source)s, 'payout', 'po_' || n, 'payout', '', %(start)s::date + n, 'USD',
         3500000 + n, 'paid', 'shopify_payments', '', '{}', md5(n::text), now(), now()
       FROM generate_series(1, %(payouts)s) n""",
    "ANALYZE",
    """INSERT INTO ledger_documentline (document_id, section, position, external_id, description, category,
         source_ref, sku, amount, tax, fee, net)
       SELECT id, 'lines', 0, '', 'Mug', '', '', 'M1', total - 1350, 850, 0, 0
       FROM ledger_document WHERE kind = 'invoice'""",
    """INSERT INTO ledger_documentline (document_id, section, position, external_id, description, category,
         source_ref, sku, amount, tax, fee, net)
       SELECT id, 'tenders', 0, 't' || external_id, '', 'shopify_payments', '', '', total, 0, 0, 0
       FROM ledger_document WHERE kind = 'invoice' AND status = 'paid'""",
    # What was sold up to two days before the end is paid out, as one item of that day's payout each.
    """INSERT INTO ledger_documentline (document_id, section, position, external_id, description, category,
         source_ref, sku, amount, tax, fee, net)
       SELECT p.id, 'items', row_number() OVER (PARTITION BY p.id), 'i' || d.external_id, '', 'charge',
         't' || d.external_id, '', d.total, 0, 0, d.total
       FROM ledger_document d JOIN ledger_document p ON p.kind = 'payout' AND p.date = d.date + 2
       WHERE d.kind = 'invoice' AND d.status = 'paid'""",
    """INSERT INTO ledger_entry (organization_id, document_id, part, revision, date, currency, rate, memo,
         content_hash, reason, created_at)
       SELECT organization_id, id, CASE kind WHEN 'invoice' THEN 'sale' ELSE 'payout' END, 1, date,
         currency, 1,
         CASE kind WHEN 'invoice' THEN 'Invoice ' || number ELSE 'Payout ' || external_id END,
         content_hash, '', now()
       FROM ledger_document ORDER BY date, id""",
    """INSERT INTO ledger_posting (organization_id, entry_id, account_id, contact_id, date, currency, amount,
         base_amount, memo)
       SELECT %(organization)s, e.id, side.account,
         CASE WHEN side.account = %(receivable)s THEN d.contact_id END,
         e.date, 'USD', side.amount, side.amount, ''
       FROM ledger_entry e JOIN ledger_document d ON d.id = e.document_id,
       LATERAL (VALUES
         (CASE d.status WHEN 'open' THEN %(receivable)s ELSE %(clearing)s END, d.total),
         (%(sales)s, 1350 - d.total), (%(tax)s, -850), (%(shipping)s, -500)) side(account, amount)
       WHERE d.kind = 'invoice'""",
    """INSERT INTO ledger_posting (organization_id, entry_id, account_id, date, currency, amount,
         base_amount, memo)
       SELECT %(organization)s, e.id, side.account, e.date, 'USD', side.amount, side.amount, ''
       FROM ledger_entry e JOIN ledger_document d ON d.id = e.document_id,
       LATERAL (VALUES (%(bank)s, d.total), (%(clearing)s, -d.total)) side(account, amount)
       WHERE d.kind = 'payout'""",
    """INSERT INTO ledger_dailytotal (account_id, date, currency, amount, base_amount)
       SELECT account_id, date, currency, sum(amount), sum(base_amount) FROM ledger_posting
       GROUP BY account_id, date, currency""",
    """INSERT INTO ledger_statementline (organization_id, account_id, source_id, identity, date, amount,
         currency,
         description, counterparty, reference, kind, pending, position, created_at)
       SELECT %(organization)s, %(bank)s, %(source)s, 'line' || n, %(start)s::date + n %% %(days)s,
         1000 + n, 'USD',
         'TRANSFER ' || n, 'Customer ' || n, '', '', false, n, now()
       FROM generate_series(1, %(lines)s) n""",
)
