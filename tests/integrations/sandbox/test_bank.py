"""The simulated bank: balances, files in several styles, periods that overlap."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from xml.etree import ElementTree

import pytest

from integrations.sandbox import truth
from integrations.sandbox.business import simulate
from integrations.sandbox.events import Business
from integrations.sandbox.statements import STYLES
from integrations.sandbox.systems import bank
from integrations.sandbox.web import Request, Response, State


@pytest.fixture(scope="module")
def business() -> Business:
    return simulate(7, orders=200)


def ask(business: Business, path: str, token: str = bank.TOKEN) -> Response:
    request = Request("GET", path, (), {"authorization": f"Bearer {token}"})
    return bank.respond(business, State(business.clock), request)


def amounts(business: Business, account: str, month: dt.date) -> list[int]:
    owner = next(a for a in business.accounts if a.id == account)
    return [line.amount for line, _ in bank.period(business, owner, month, business.clock).lines]


def cents(text: str) -> int:
    return int(text.replace(",", "").replace(".", ""))


def test_token_and_unknown_pages(business: Business) -> None:
    assert ask(business, "/accounts", token="wrong").status == 401
    for path in ("/nothing", "/accounts/nope/balance", "/statements/checking-2026-13-us.csv",
                 "/statements/checking-1999-01-us.csv", "/statements/checking-2026-08-us.ofx"):  # fmt: skip
        assert ask(business, path).status == 404


def test_balance_is_opening_plus_lines(business: Business) -> None:
    closing = truth.closing_balances(business, clock=business.clock)
    for account in business.accounts:
        value = json.loads(ask(business, f"/accounts/{account.id}/balance").body)
        assert (cents(value["balance"]), value["date"]) == (closing[account.id], "2026-10-31")


def test_every_listed_file_can_be_downloaded(business: Business) -> None:
    listing = json.loads(ask(business, "/statements").body)["statements"]
    assert len(listing) == 2 * 4 * len(STYLES)
    assert {ask(business, item["url"].removeprefix("/bank")).status for item in listing} == {200}


def test_files_of_neighbouring_months_overlap(business: Business) -> None:
    account = business.accounts[0]
    first, second = (bank.period(business, account, dt.date(2026, m, 1), business.clock) for m in (8, 9))
    assert second.start == first.end - dt.timedelta(days=4)
    both = {line.id for line, _ in first.lines} & {line.id for line, _ in second.lines}
    assert both == {line.id for line, _ in first.lines if line.date >= second.start}
    assert both


def test_closing_is_the_balance_after_the_last_line(business: Business) -> None:
    for account in business.accounts:
        for month in bank.months(business, business.clock):
            period = bank.period(business, account, month, business.clock)
            balances = [balance for _, balance in period.lines]
            for (line, balance), before in zip(period.lines[1:], balances, strict=False):
                assert balance == before + line.amount
            if balances:
                assert period.closing == balances[-1]


def test_american_csv(business: Business) -> None:
    text = ask(business, "/statements/checking-2026-08-us.csv").body.decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [cents(row["Amount"]) for row in reversed(rows)] == amounts(
        business, "checking", dt.date(2026, 8, 1)
    )


def test_two_column_csv(business: Business) -> None:
    text = ask(business, "/statements/card-2026-08-columns.csv").body.decode()
    rows = list(csv.reader(io.StringIO(text)))[4:-1]
    found = [cents(row[4]) if row[4] else -cents(row[3]) for row in rows]
    assert found == amounts(business, "card", dt.date(2026, 8, 1))


def test_german_csv(business: Business) -> None:
    response = ask(business, "/statements/checking-2026-08-german.csv")
    rows = list(csv.reader(io.StringIO(response.body.decode("latin-1")), delimiter=";"))
    header = rows.index(next(row for row in rows if row and row[0] == "Buchungstag"))
    found = [cents(row[4].replace(".", "").replace(",", ".")) for row in reversed(rows[header + 1 :])]
    assert found == amounts(business, "checking", dt.date(2026, 8, 1))
    assert b"Empf\xe4nger" in response.body


def test_both_kinds_of_ofx(business: Business) -> None:
    old = ask(business, "/statements/card-2026-09-ofx1.ofx").body.decode("cp1252")
    new = ask(business, "/statements/card-2026-09-ofx2.ofx").body.decode()
    expected = amounts(business, "card", dt.date(2026, 9, 1))
    assert [cents(text) for text in re.findall(r"<TRNAMT>([^\r<]+)\r\n", old)] == expected
    tree = ElementTree.fromstring(new)
    assert [cents(node.text or "") for node in tree.iter("TRNAMT")] == expected
    ids = [node.text for node in tree.iter("FITID")]
    assert len(ids) == len(set(ids))
