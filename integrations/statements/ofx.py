"""Statements, OFX step 2: the tree of an OFX or QFX file -> one statement a bank or card account."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal

from integrations.statements.amounts import decimal_mark, parse_amount
from integrations.statements.model import (
    ParsedLine,
    ParsedStatement,
    RowProblem,
    StatementError,
    repeated_ids,
)
from integrations.statements.ofx_sgml import Node, decode_ofx, parse
from ledgerhub.core.money import CURRENCIES

_STATEMENTS = ("STMTRS", "CCSTMTRS")
_MOVEMENTS = ("STMTTRN", "STMTTRNP")
_DATE = re.compile(r"\s*(\d{4})-?(\d{2})-?(\d{2})(?!\d(?!\d))")


def read_ofx(data: bytes, *, currency: str = "") -> list[ParsedStatement]:
    """Every bank and card statement of an OFX 1 or 2 file; `currency` where the file names none.

    Raises StatementError if there is no such statement, if the bank reports an error instead, or if no
    line of the file can be read.
    """
    text, note = decode_ofx(data)
    root = parse(text)
    found = [_statement(node, currency=currency) for node in _roots(root)]
    if not found:
        raise StatementError(_nothing(root))
    problems = [problem for statement in found for problem in statement.problems]
    if problems and not any(statement.lines for statement in found):
        raise StatementError(f"No line of this file could be read. The first: {problems[0]}")
    if note:
        found = [replace(statement, warnings=(note, *statement.warnings)) for statement in found]
    return found


def _roots(root: Node) -> list[Node]:
    """The statement aggregates that hold an account, a balance or movements; a bare list of movements too."""
    found = [
        node
        for node in root.all(*_STATEMENTS)
        if node.all(*_MOVEMENTS, "LEDGERBAL", "BANKTRANLIST", "ACCTID")
    ]
    if found or root.find("INVSTMTRS") or not root.find("STMTTRN"):
        return [
            node
            for node in found
            if node.value("ACCTID") or node.all(*_MOVEMENTS, "LEDGERBAL", "BANKTRANLIST")
        ]
    return [root]


def _nothing(root: Node) -> str:
    advice = "Download the account's statement as OFX or CSV from your bank."
    for status in root.all("STATUS"):
        if status.value("SEVERITY").upper() == "ERROR" or status.value("CODE") not in ("", "0"):
            said = status.value("MESSAGE") or "no reason given"
            code = status.value("CODE")
            return f"The bank answered with an error instead of a statement: {said} (code {code})."
    if root.find("INVSTMTRS"):
        return f"This OFX file holds an investment account only, no bank or card statement. {advice}"
    if root.find("ACCTINFO"):
        return f"This OFX file is a list of accounts without movements. {advice}"
    if root.find("SONRS") and not root.find("BANKMSGSRSV1"):
        return f"This OFX file holds a sign-in answer of the bank but no statement. {advice}"
    return f"This OFX file holds no statement; perhaps it is cut off or damaged. {advice}"


def _statement(node: Node, *, currency: str) -> ParsedStatement:
    code = _code(node.value("CURDEF")) or currency
    mark = _decimal(node)
    outcomes = [_line(item, mark=mark, currency=code) for item in node.all(*_MOVEMENTS)]
    lines = tuple(outcome for outcome in outcomes if isinstance(outcome, ParsedLine))
    problems = [outcome for outcome in outcomes if isinstance(outcome, RowProblem)]
    code = code or next((line.currency for line in lines if line.currency), "")
    ledger = node.find("LEDGERBAL")
    closing = _amount(ledger.value("BALAMT"), mark) if ledger else None
    listing = node.find("BANKTRANLIST") or Node("", 0)
    days = [line.date for line in lines]
    return ParsedStatement(
        account=_account(node),
        currency=code,
        opening=None,
        closing=closing,
        start=_day(listing.value("DTSTART")) or min(days, default=None),
        end=_day(listing.value("DTEND")) or max(days, default=None),
        lines=tuple(line if line.currency else replace(line, currency=code) for line in lines),
        warnings=_warnings(node, lines, currency=code),
        problems=tuple(problems),
    )


def _warnings(node: Node, lines: tuple[ParsedLine, ...], *, currency: str) -> tuple[str, ...]:
    found = []
    if not lines:
        found.append("The statement holds no movements.")
    if not currency:
        found.append("The file names no currency; say which one the account has.")
    if not _account(node):
        found.append("The file does not name the account.")
    if len({line.currency for line in lines if line.currency} | ({currency} - {""})) > 1:
        found.append("Some movements are in another currency than the account.")
    if repeated := repeated_ids(lines):
        some = next(iter(repeated))
        found.append(
            f"The bank gave the same id to several lines ('{some}' to {repeated[some]}); all were kept."
        )
    return tuple(found)


def _account(node: Node) -> str:
    for name in ("BANKACCTFROM", "CCACCTFROM"):
        holder = node.find(name)
        if holder and holder.value("ACCTID"):
            return holder.value("ACCTID")
    return next((item.text for item in node.children if item.name == "ACCTID"), "")


def _code(text: str) -> str:
    return text.upper() if text.upper() in CURRENCIES else ""


def _decimal(node: Node) -> str:
    """OFX allows point or comma and no thousands mark, so one mark with three digits is decimal too."""
    cells = [item.text for item in node.all("TRNAMT", "BALAMT") if item.text]
    mark, shown = decimal_mark(cells)
    if shown:
        return mark
    return "," if any("," in cell for cell in cells) and not any("." in cell for cell in cells) else "."


def _amount(text: str, mark: str) -> Decimal | None:
    other = "," if mark == "." else "."
    return (
        parse_amount(text, decimal=mark)
        if mark in text or other not in text
        else parse_amount(text, decimal=other)
    )


def _day(text: str) -> date | None:
    """The day as the bank wrote it: `20260115`, `20260115120000.000[-5:EST]`; the zone does not move it."""
    match = _DATE.match(text)
    if not match:
        return None
    try:
        return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return None


def _line(item: Node, *, mark: str, currency: str) -> ParsedLine | RowProblem:
    texts = item.texts()
    day = _booked(texts)
    amount = _amount(texts.get("TRNAMT", ""), mark)
    if day is None:
        return _problem(item, texts, "DTPOSTED", "date")
    if amount is None:
        return _problem(item, texts, "TRNAMT", "amount")
    name = texts.get("NAME", "") or texts.get("PAYEE", "")
    return ParsedLine(
        date=day,
        amount=amount,
        currency=_line_currency(item, currency),
        description=_described(name, _first(texts, "MEMO", "MEMO2")) or texts.get("TRNTYPE", ""),
        reference=_first(texts, "CHECKNUM", "CHKNUM", "REFNUM"),
        counterparty=name,
        provider_id=texts.get("FITID", ""),
        kind=texts.get("TRNTYPE", "").upper(),
        pending=item.name == "STMTTRNP",
        row=item.line,
    )


def _first(texts: dict[str, str], *names: str) -> str:
    return next((texts[name] for name in names if name in texts), "")


def _booked(texts: dict[str, str]) -> date | None:
    """The posting date; where the bank left it out, the date the user or the money moved."""
    days = (_day(texts.get(name, "")) for name in ("DTPOSTED", "DTUSER", "DTAVAIL", "DTTRAN"))
    return next((day for day in days if day), None)


def _problem(item: Node, texts: dict[str, str], tag: str, wanted: str) -> RowProblem:
    written = texts.get(tag)
    article = "an" if wanted == "amount" else "a"
    said = f"'{written}' is not {article} {wanted}" if written else f"there is no {wanted}"
    label = _first(texts, "NAME", "MEMO", "FITID") or "a movement without a name"
    return RowProblem(item.line, tag, f"{said} ({label})")


def _described(name: str, memo: str) -> str:
    """Name and memo, once where one repeats the other."""
    if not name or name.casefold() in memo.casefold():
        return memo
    return f"{name} {memo}" if memo and memo.casefold() not in name.casefold() else name


def _line_currency(item: Node, currency: str) -> str:
    """CURRENCY says the amount itself is in that currency; ORIGCURRENCY only tells what it was before."""
    other = next((child for child in item.children if child.name == "CURRENCY"), None)
    return (_code(other.value("CURSYM")) if other else "") or currency
