"""The exported journal: third-party programs accept it and show the same balances, to the minor unit."""

from __future__ import annotations

import csv
import datetime as dt
import json
import shutil
import subprocess
import sys
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from ledgerhub.access.models import Organization, User
from ledgerhub.core.money import from_minor
from ledgerhub.ledger import posting, revaluation
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.export import account_names
from ledgerhub.ledger.models import Account, ExchangeRate
from ledgerhub.ledger.queries import currency_balances, trial_balance
from tests.ledger.books import book, make_document
from tests.ledger.drafts import DAY, document, invoice, journal, payment, payout, tender

# Beancount tolerates a cent in a transaction, so the balances are compared exactly, not only the errors.
_BEANCOUNT = """
import json, sys
from collections import defaultdict
from decimal import Decimal
from beancount import loader
from beancount.core import convert, data
entries, errors, _ = loader.load_file(sys.argv[1])
units, base = defaultdict(Decimal), defaultdict(Decimal)
for entry in entries:
    if isinstance(entry, data.Transaction):
        for posting in entry.postings:
            units[f"{posting.account} {posting.units.currency}"] += posting.units.number
            base[posting.account] += convert.get_weight(posting).number
json.dump({"errors": [error.message for error in errors],
           "units": {name: str(number) for name, number in units.items()},
           "base": {name: str(round(number, 6)) for name, number in base.items()}}, sys.stdout)
"""


@pytest.fixture
def shop() -> Organization:
    """Every awkward thing: odd names, other currencies and decimals, reversals, quotes in memos."""
    shop = Organization.objects.create(name='Ann\'s "Shop"; & Söhne', slug="shop")
    install_chart(shop)
    for code, name in (
        ("8000", 'Café: "odd"; (x)  [y]'),
        ("8001", "Cafe odd x y"),
        ("8002", "税金"),
        ("8003", "3 * 4"),
    ):
        Account.objects.create(organization=shop, code=code, name=name, type="expense")
    for currency, rate in (("EUR", "1.0837"), ("JPY", "0.006679"), ("KWD", "3.2519")):
        ExchangeRate.objects.create(organization=shop, currency=currency, date=DAY, rate=Decimal(rate))
    drafts = [
        invoice(),
        invoice(
            external_id="2",
            currency="EUR",
            tenders=[tender(3333), tender(7517, gateway="gift_card", id="t2")],
        ),
        invoice(external_id="3", currency="JPY", total=10853, tenders=[]),
        invoice(external_id="4", currency="KWD", tenders=[tender(10849)]),
        payment(external_id="5", currency="EUR", settlement_currency="USD", settlement_total=1201),
        payout(external_id="6", total=777, gateway="Shopify Payments"),
        journal(
            ("8000", 101),
            ("8001", 33),
            ("8002", 7),
            ("8003", 5),
            ("1000", -146),
            memo='A "quoted" \\ memo; two\nlines | x',
        ),
        document("fee", external_id="8", total=-31, gateway="stripe"),
    ]
    rows = book(shop, *drafts)
    posting.post_document(rows[1], {**drafts[1], "number": "#2-A"})
    posting.post_document(
        make_document(shop, invoice(external_id="9")), invoice(external_id="9", date=dt.date(2026, 3, 9))
    )
    return shop


def export(shop: Organization, *, format: str, path: Path) -> str:
    call_command("export_journal", organization=shop.slug, format=format, output=path)
    return path.read_text(encoding="utf-8")


def expected(shop: Organization, *, beancount: bool) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """(account and currency -> amount, account -> base amount) as our own queries have it."""
    names = account_names(shop, beancount=beancount)
    units = {
        f"{names[row.account.pk]} {row.currency}": from_minor(row.amount, row.currency)
        for row in currency_balances(shop)
        if row.amount
    }
    base = {names[row.account.pk]: from_minor(row.base, "USD") for row in trial_balance(shop).rows}
    return units, base


def numbers(found: dict[str, str]) -> dict[str, Decimal]:
    return {name: Decimal(text) for name, text in found.items() if Decimal(text)}


@pytest.mark.django_db
def test_beancount_shows_the_same_balances(shop: Organization, tmp_path: Path) -> None:
    path = tmp_path / "books.beancount"
    export(shop, format="beancount", path=path)
    run = subprocess.run(
        [sys.executable, "-c", _BEANCOUNT, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    found = json.loads(run.stdout)
    assert found["errors"] == []
    assert (numbers(found["units"]), numbers(found["base"])) == expected(shop, beancount=True)


def base_in_hledger(path: Path) -> dict[str, Decimal]:
    hledger = shutil.which("hledger")
    if hledger is None:
        pytest.skip("hledger is not installed (Debian: apt-get install hledger)")
    command = [hledger, "-f", str(path), "--strict", "balance", "--flat", "--no-total", "-B", "-O", "csv"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    rows = csv.reader(run.stdout.splitlines()[1:])
    return {name: Decimal(amount.split()[0]) for name, amount, *_ in rows}


@pytest.mark.conformance
@pytest.mark.django_db
def test_a_revaluation_stands_in_the_same_balances(shop: Organization, tmp_path: Path) -> None:
    """Nothing of another currency moves, and its base amount does: no price could say that."""
    end = dt.date(2026, 3, 31)
    for currency, rate in (("EUR", "1.1"), ("JPY", "0.0071"), ("KWD", "3.3")):
        ExchangeRate.objects.create(organization=shop, currency=currency, date=end, rate=Decimal(rate))
    revaluation.post(shop, end, user=User.objects.create_user("ann@example.com"))
    path = tmp_path / "books.journal"
    names = account_names(shop, beancount=False)
    for day in (end, None):
        call_command("export_journal", organization=shop.slug, format="hledger", output=path, end=day)
        rows = trial_balance(shop, on=day).rows
        assert base_in_hledger(path) == {names[row.account.pk]: from_minor(row.base, "USD") for row in rows}


@pytest.mark.conformance
@pytest.mark.django_db
def test_hledger_shows_the_same_balances(shop: Organization, tmp_path: Path) -> None:
    hledger = shutil.which("hledger")
    if hledger is None:
        pytest.skip("hledger is not installed (Debian: apt-get install hledger)")
    path = tmp_path / "books.journal"
    export(shop, format="hledger", path=path)

    def balances(*options: str) -> dict[str, Decimal]:
        run = subprocess.run(
            [hledger, "-f", str(path), "--strict", "balance", "--flat", "--no-total", "-O", "json", *options],
            capture_output=True, text=True, timeout=60, env={"LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        assert run.stderr == ""
        return {
            f"{row[0]} {amount['acommodity']}": Decimal(amount["aquantity"]["decimalMantissa"]).scaleb(
                -amount["aquantity"]["decimalPlaces"]
            )
            for row in json.loads(run.stdout)[0]
            for amount in row[3]
        }

    units, base = expected(shop, beancount=False)
    assert balances() == units
    assert balances("-B") == {f"{name} USD": amount for name, amount in base.items()}


@pytest.mark.django_db
def test_the_text_of_one_entry_in_each_format(organization: Organization) -> None:
    install_chart(organization)
    book(organization, invoice(tenders=[tender(10850, gateway="shopify_payments")]))
    book(organization, invoice(external_id="2", date=dt.date(2026, 4, 1), tenders=[]))
    out = StringIO()
    march = ["--from=2026-03-01", "--to=2026-03-31", "--organization=corner-shop"]
    call_command("export_journal", *march, "--format=beancount", stdout=out)
    entry = out.getvalue().split("\n\n")[1]
    assert entry.splitlines()[0] == '2026-03-02 * "Invoice #1001"'
    assert entry.splitlines()[2:] == [
        "  Assets:Clearing:Shopify-Payments  108.50 USD",
        "  Income:Sales  -100.00 USD",
        "  Liabilities:Sales-tax-payable  -8.50 USD",
    ]
    out = StringIO()
    call_command("export_journal", *march, "--format=hledger", stdout=out)
    [header, entry] = out.getvalue().split("\n\n")
    assert "account Assets:Clearing:Shopify Payments" in header.splitlines()
    assert entry.splitlines()[1:] == [
        "  Assets:Clearing:Shopify Payments  108.50 USD",
        "  Income:Sales  -100.00 USD",
        "  Liabilities:Sales tax payable  -8.50 USD",
    ]
