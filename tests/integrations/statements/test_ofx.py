"""OFX 1 and 2: what banks send, right and wrong, becomes statements or words; nothing is expanded."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from integrations.statements import ParsedLine, StatementError, read

HEADER = "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nENCODING:USASCII\nCHARSET:1252\n\n"
MOVE = (
    "<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260115120000[-5:EST]<TRNAMT>-10.00"
    "<FITID>T1<NAME>Café<MEMO>Lunch</STMTTRN>"
)


def _bank(moves: str = MOVE, *, currency: str = "USD", after: str = "") -> str:
    return (
        f"{HEADER}<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>{currency}<BANKACCTFROM><BANKID>1<ACCTID>42"
        f"<ACCTTYPE>CHECKING</BANKACCTFROM><BANKTRANLIST><DTSTART>20260101<DTEND>20260131{moves}</BANKTRANLIST>"
        f"<LEDGERBAL><BALAMT>90.00<DTASOF>20260131</LEDGERBAL>{after}</STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>"
    )


def test_sgml_without_end_tags() -> None:
    [statement] = read(_bank().encode("cp1252"))

    assert statement.lines == (
        ParsedLine(
            date=date(2026, 1, 15),
            amount=Decimal("-10.00"),
            currency="USD",
            description="Café Lunch",
            counterparty="Café",
            provider_id="T1",
            kind="DEBIT",
            row=7,
        ),
    )
    assert (statement.account, statement.closing) == ("42", Decimal("90.00"))
    assert (statement.start, statement.end) == (date(2026, 1, 1), date(2026, 1, 31))


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16", "utf-8-sig"])
def test_the_bytes_count_more_than_the_header(encoding: str) -> None:
    assert read(_bank().encode(encoding))[0].lines[0].counterparty == "Café"


@pytest.mark.parametrize(
    ("header", "letter"),
    [("CHARSET:1250\n", "č"), ("CHARSET:8859-1\n", "è"), ("CHARSET:NONE\n", "è"), ("", "è")],
)
def test_header_charset_decides_for_bytes_that_are_not_utf8(header: str, letter: str) -> None:
    text = _bank().replace("CHARSET:1252\n", header)
    assert read(text.encode("cp1252").replace(b"\xe9", b"\xe8"))[0].lines[0].counterparty == f"Caf{letter}"


def test_absent_and_one_line_headers() -> None:
    bare = _bank().removeprefix(HEADER)
    one_line = HEADER.replace("\n", "") + bare

    assert read(bare.encode())[0].lines == read(one_line.encode())[0].lines


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("-2000,00", "-2000.00"),
        ("+5", "5"),
        (" 1.500,25 ", "1500.25"),
        ("-.50", "-0.50"),
        ("12.345", "12.345"),
    ],
)
def test_amounts(written: str, amount: str) -> None:
    text = _bank(MOVE.replace("-10.00", written)).replace("<BALAMT>90.00", "<BALAMT>")
    assert read(text.encode())[0].lines[0].amount == Decimal(amount)


def test_entities_and_cdata_are_text_and_formulas_stay_text() -> None:
    moves = MOVE.replace("Café", "A &amp; B &lt;&#233;&gt;").replace("Lunch", "<![CDATA[=1+1 <b>]]>")
    line = read(_bank(moves).encode())[0].lines[0]

    assert (line.counterparty, line.description) == ("A & B <é>", "A & B <é> =1+1 <b>")


@pytest.mark.parametrize(
    "declaration", ['<!DOCTYPE x [<!ENTITY a "b">]>', '<!ENTITY a SYSTEM "file:///etc/passwd">']
)
def test_declarations_are_refused(declaration: str) -> None:
    with pytest.raises(StatementError, match="of its own"):
        read(f'<?xml version="1.0"?>{declaration}{_bank().removeprefix(HEADER)}'.encode())


def test_endless_nesting_is_refused() -> None:
    with pytest.raises(StatementError, match="nested without end"):
        read(("<OFX>" + "<A>" * 100_000).encode())


def test_several_statements_bank_and_card() -> None:
    card = (
        "<CREDITCARDMSGSRSV1><CCSTMTTRNRS><CCSTMTRS><CURDEF>EUR<CCACCTFROM><ACCTID>4111</CCACCTFROM><BANKTRANLIST>"
        f"{MOVE}</BANKTRANLIST></CCSTMTRS></CCSTMTTRNRS></CREDITCARDMSGSRSV1></OFX>"
    )
    statements = read(_bank().replace("</OFX>", card).encode())

    assert [(s.account, s.currency, len(s.lines)) for s in statements] == [
        ("42", "USD", 1),
        ("4111", "EUR", 1),
    ]


def test_forgotten_end_tags_and_empty_leaves() -> None:
    first = "<STMTTRN><TRNTYPE><DTPOSTED>20260102<TRNAMT>1<FITID><NAME></NAME><MEMO>one"
    moves = f"{first}<STMTTRN><DTPOSTED>20260103<TRNAMT>2<MEMO>two"
    lines = read(_bank(moves).replace("</BANKTRANLIST>", "").encode())[0].lines

    assert [(line.description, str(line.amount)) for line in lines] == [("one", "1"), ("two", "2")]


def test_a_bad_movement_does_not_lose_the_others() -> None:
    bad = MOVE.replace("20260115120000[-5:EST]", "00000000") + MOVE.replace("-10.00", "ten")
    [statement] = read(_bank(bad + MOVE).encode("utf-8"))

    assert len(statement.lines) == 1
    assert [str(problem) for problem in statement.problems] == [
        "line 7, DTPOSTED: '00000000' is not a date (Café)",
        "line 7, TRNAMT: 'ten' is not an amount (Café)",
    ]


def test_date_falls_back_to_the_users_date() -> None:
    moves = MOVE.replace("<DTPOSTED>20260115120000[-5:EST]", "<DTPOSTED>00000000<DTUSER>20260114")
    assert read(_bank(moves).encode())[0].lines[0].date == date(2026, 1, 14)


def test_currency_of_a_line_and_of_an_original_amount() -> None:
    moves = MOVE.replace("</STMTTRN>", "<CURRENCY><CURRATE>1.1<CURSYM>EUR</CURRENCY></STMTTRN>")
    original = moves.replace("CURRENCY>", "ORIGCURRENCY>")
    assert [line.currency for line in read(_bank(moves + original).encode())[0].lines] == ["EUR", "USD"]


def test_payee_aggregate_and_references() -> None:
    moves = MOVE.replace("<NAME>Café", "<CHECKNUM>77<REFNUM>R8<PAYEE><NAME>Ann Lee<CITY>Rome</PAYEE>")
    line = read(_bank(moves).encode())[0].lines[0]
    assert (line.counterparty, line.reference) == ("Ann Lee", "77")


def test_ids_the_bank_repeats_lose_no_line() -> None:
    [statement] = read(_bank(MOVE + MOVE.replace("-10.00", "-11.00")).encode())

    assert len(statement.lines) == 2
    assert statement.warnings == ("The bank gave the same id to several lines ('T1' to 2); all were kept.",)


def test_missing_currency_is_asked_for() -> None:
    data = _bank(currency="").encode()
    assert read(data)[0].currency == ""
    assert read(data, currency="chf")[0].lines[0].currency == "CHF"
