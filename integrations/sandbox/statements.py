"""Bank lines -> downloadable statement files: CSV in three national styles, OFX 1.0.2 and 2.1.1."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable
from typing import NamedTuple
from xml.sax.saxutils import escape

from integrations.sandbox.events import Account, BankLine


class Period(NamedTuple):
    """What one file shows: lines with the balance after each (minor units), oldest first."""

    account: Account
    start: dt.date
    end: dt.date
    lines: tuple[tuple[BankLine, int], ...]
    closing: int


class Style(NamedTuple):
    suffix: str
    content_type: str
    render: Callable[[Period], bytes]


def _plain(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def _grouped(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100:,}.{abs(cents) % 100:02d}"


def _german(cents: int) -> str:
    return _grouped(cents).translate(str.maketrans(",.", ".,"))


def _table(
    rows: list[list[str]], *, delimiter: str = ",", encoding: str = "utf-8", quote: bool = False
) -> bytes:
    text = io.StringIO()
    csv.writer(
        text,
        delimiter=delimiter,
        lineterminator="\r\n",
        quoting=csv.QUOTE_ALL if quote else csv.QUOTE_MINIMAL,
    ).writerows(rows)
    return text.getvalue().encode(encoding, errors="replace")


def us_csv(period: Period) -> bytes:
    """Newest first, one signed amount, as most American banks export."""
    rows = [["Posting Date", "Description", "Amount", "Type", "Balance", "Check or Slip #"]]
    for line, balance in reversed(period.lines):
        kind = "ACH_CREDIT" if line.amount > 0 else "ACH_DEBIT"
        rows.append(
            [f"{line.date:%m/%d/%Y}", line.description, _plain(line.amount), kind, _plain(balance), ""]
        )
    return _table(rows)


def debit_credit_csv(period: Period) -> bytes:
    """Oldest first under a preamble, money in and out in two columns, thousands separated."""
    rows = [
        ["Account", f"{period.account.name} ...{period.account.number[-4:]}"],
        ["Period", f"{period.start:%d %b %Y} to {period.end:%d %b %Y}"],
        [],
        ["Date", "Payee", "Details", "Debit", "Credit", "Balance"],
    ]
    for line, balance in period.lines:
        debit, credit = (_grouped(-line.amount), "") if line.amount < 0 else ("", _grouped(line.amount))
        rows.append(
            [f"{line.date:%Y-%m-%d}", line.counterparty, line.description, debit, credit, _grouped(balance)]
        )
    rows.append(["Closing balance", "", "", "", "", _grouped(period.closing)])
    return _table(rows, quote=True)


def german_csv(period: Period) -> bytes:
    """Semicolons, decimal comma, latin-1, newest first."""
    number = period.account.number
    rows = [
        ["Kontonummer", number],
        ["Zeitraum", f"{period.start:%d.%m.%Y} - {period.end:%d.%m.%Y}"],
        [f"Kontostand vom {period.end:%d.%m.%Y}", f"{_german(period.closing)} USD"],
        [],
        [
            "Buchungstag",
            "Wertstellung",
            "Auftraggeber / Empfänger",
            "Verwendungszweck",
            "Betrag",
            "Währung",
            "Saldo",
        ],
    ]
    for line, balance in reversed(period.lines):
        day = f"{line.date:%d.%m.%Y}"
        rows.append(
            [day, day, line.counterparty, line.description, _german(line.amount), "USD", _german(balance)]
        )
    return _table(rows, delimiter=";", encoding="latin-1", quote=True)


def ofx1(period: Period) -> bytes:
    """OFX 1.0.2: SGML, leaf tags without an end tag, cp1252."""
    header = (
        "OFXHEADER:100\r\nDATA:OFXSGML\r\nVERSION:102\r\nSECURITY:NONE\r\nENCODING:USASCII\r\nCHARSET:1252\r\n"
        "COMPRESSION:NONE\r\nOLDFILEUID:NONE\r\nNEWFILEUID:NONE\r\n\r\n"
    )
    return (header + _ofx_body(period, lambda tag, value: f"<{tag}>{escape(value)}\r\n")).encode(
        "cp1252", "replace"
    )


def ofx2(period: Period) -> bytes:
    """OFX 2.1.1: XML, UTF-8."""
    header = (
        '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n'
        '<?OFX OFXHEADER="200" VERSION="211" SECURITY="NONE" OLDFILEUID="NONE" NEWFILEUID="NONE"?>\n'
    )
    return (header + _ofx_body(period, lambda tag, value: f"<{tag}>{escape(value)}</{tag}>\n")).encode()


def _ofx_body(period: Period, leaf: Callable[[str, str], str]) -> str:
    card = period.account.kind == "CREDITCARD"
    outer, middle, inner = ("CREDITCARDMSGSRSV1", "CCSTMTTRNRS", "CCSTMTRS") if card else (
        "BANKMSGSRSV1", "STMTTRNRS", "STMTRS")  # fmt: skip
    status = "<STATUS>" + leaf("CODE", "0") + leaf("SEVERITY", "INFO") + "</STATUS>"
    stamp = f"{period.end:%Y%m%d}"
    transactions = "".join(_ofx_line(line, leaf) for line, _ in period.lines)
    return (
        f"<OFX><SIGNONMSGSRSV1><SONRS>{status}{leaf('DTSERVER', stamp)}{leaf('LANGUAGE', 'ENG')}"
        f"<FI>{leaf('ORG', 'Harbor First')}{leaf('FID', '4417')}</FI></SONRS></SIGNONMSGSRSV1>"
        f"<{outer}><{middle}>{leaf('TRNUID', '1')}{status}<{inner}>{leaf('CURDEF', 'USD')}"
        f"{_ofx_account(period.account, leaf)}<BANKTRANLIST>{leaf('DTSTART', f'{period.start:%Y%m%d}')}"
        f"{leaf('DTEND', stamp)}{transactions}</BANKTRANLIST>"
        f"<LEDGERBAL>{leaf('BALAMT', _plain(period.closing))}{leaf('DTASOF', stamp)}</LEDGERBAL>"
        f"</{inner}></{middle}></{outer}></OFX>"
    )


def _ofx_account(account: Account, leaf: Callable[[str, str], str]) -> str:
    if account.kind == "CREDITCARD":
        return f"<CCACCTFROM>{leaf('ACCTID', account.number)}</CCACCTFROM>"
    return (
        f"<BANKACCTFROM>{leaf('BANKID', '021000021')}{leaf('ACCTID', account.number)}"
        f"{leaf('ACCTTYPE', 'CHECKING')}</BANKACCTFROM>"
    )


def _ofx_line(line: BankLine, leaf: Callable[[str, str], str]) -> str:
    return (
        "<STMTTRN>"
        + leaf("TRNTYPE", "CREDIT" if line.amount > 0 else "DEBIT")
        + leaf("DTPOSTED", f"{line.date:%Y%m%d}120000[-5:EST]")
        + leaf("TRNAMT", _plain(line.amount))
        + leaf("FITID", line.id)
        + leaf("NAME", line.counterparty[:32])
        + leaf("MEMO", line.description)
        + "</STMTTRN>"
    )


STYLES: dict[str, Style] = {
    "us": Style("csv", "text/csv; charset=utf-8", us_csv),
    "columns": Style("csv", "text/csv; charset=utf-8", debit_credit_csv),
    "german": Style("csv", "text/csv; charset=iso-8859-1", german_csv),
    "ofx1": Style("ofx", "application/x-ofx", ofx1),
    "ofx2": Style("ofx", "application/x-ofx", ofx2),
}
