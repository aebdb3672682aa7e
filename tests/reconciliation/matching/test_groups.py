"""Groups of several lines and several entries, sums with something taken off, and lines that cancel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from reconciliation.matching import netting
from reconciliation.matching.engine import match
from reconciliation.matching.proposals import Result
from reconciliation.matching.tables import Table

DAY = date(2026, 3, 10)
Row = Mapping[str, Any]


def _row(identity: str, amount: int, days: int = 0, **texts: str) -> Row:
    return {"id": identity, "amount": amount, "date": DAY + timedelta(days=days), **texts}


def _match(lines: Sequence[Row], entries: Sequence[Row]) -> Result:
    return match(Table.from_rows(lines), Table.from_rows(entries))


def _groups(result: Result) -> list[tuple[str, str, str]]:
    return sorted(
        (one.kind, " ".join(sorted(one.line_ids)), " ".join(sorted(one.entry_ids)))
        for one in result.proposals
    )


def _invoices(*amounts: int, payer: str = "Oakford Motors") -> list[Row]:
    return [
        _row(f"E{i}", amount, -i, reference=f"INV-70{i}", counterparty=payer)
        for i, amount in enumerate(amounts, 1)
    ]


def test_two_transfers_pay_three_invoices_and_neither_a_part_of_them_exactly() -> None:
    lines = [
        _row("L1", 50000, 2, description="OAKFORD MOTORS"),
        _row("L2", 20368, 4, description="OAKFORD MOTORS"),
    ]
    found = _match(lines, _invoices(12345, 23456, 34567))
    assert _groups(found) == [("many to many", "L1 L2", "E1 E2 E3")]
    assert (found.proposals[0].difference, found.limits_reached) == (0, [])


def test_lines_that_name_one_set_of_invoices_pay_it_together() -> None:
    lines = [_row("L1", 30000, 2, description="INV-701 INV-702"), _row("L2", 5801, 4, reference="INV-702")]
    assert _groups(_match(lines, _invoices(12345, 23456))) == [("many to many", "L1 L2", "E1 E2")]


def test_a_batch_settled_in_two_bank_lines_one_of_which_names_it() -> None:
    entries = [_row(f"E{i}", 1000 * i + 7, batch="po_1a2b3c") for i in range(1, 6)]
    for second in ("STRIPE PO_1A2B3C", "STRIPE PAYMENTS"):
        lines = [
            _row("L1", 9000, 2, description="STRIPE PO_1A2B3C"),
            _row("L2", 6035, 3, description=second),
        ]
        assert _groups(_match(lines, entries)) == [("many to many", "L1 L2", "E1 E2 E3 E4 E5")]


def test_two_payouts_netted_in_one_bank_line() -> None:
    batches = [_row(f"A{i}", 5000 + i, batch="po_1a2b3c") for i in range(3)]
    batches += [_row("B1", -700, batch="po_9z8y7x"), _row("B2", -155, batch="po_9z8y7x")]
    for text in ("STRIPE PO_1A2B3C PO_9Z8Y7X", "STRIPE PO_1A2B3C"):
        found = _groups(_match([_row("L1", 14148, 2, description=text)], batches))
        assert found == [("one to many", "L1", "A0 A1 A2 B1 B2")]


def test_payouts_that_are_single_rows_net_too() -> None:
    entries = [
        _row("E1", 8100, reference="po_1a2b3c4d", counterparty="stripe", kind="payout"),
        _row("E2", -631, reference="po_9z8y7x6w", counterparty="stripe", kind="payout"),
    ]
    found = _match([_row("L1", 7469, 2, description="STRIPE PO_1A2B3C4D")], entries)
    assert _groups(found) == [("one to many", "L1", "E1 E2")]


def test_a_credit_note_is_taken_off_the_invoices_paid() -> None:
    entries = [
        *_invoices(12345, 23456),
        _row("E9", -2950, -1, reference="CN-77", counterparty="Oakford Motors"),
    ]
    found = _match([_row("L1", 32851, 3, description="OAKFORD MOTORS")], entries)
    assert _groups(found) == [("one to many", "L1", "E1 E2 E9")]


def test_a_rest_that_has_a_line_of_its_own_is_left_to_it() -> None:
    lines = [_row("L1", 35801, 2, description="INV-701"), _row("L2", 23456, 2, description="CASH")]
    assert ("one to many", "L1", "E1 E2") not in _groups(_match(lines, _invoices(12345, 23456)))


def test_a_payment_and_its_return_cancel_without_an_entry() -> None:
    lines = [
        _row("L1", -8000, 0, description="DIRECT DEBIT LAKESIDE SYSTEMS MANDATE 88123"),
        _row("L2", 8000, 3, description="RETURNED DIRECT DEBIT LAKESIDE SYSTEMS 88123"),
        _row("L3", -450, 3, description="LAKESIDE SYSTEMS"),
    ]
    [made] = _match(lines, [_row("E1", 99)]).proposals
    assert (made.kind, made.line_ids, made.entry_ids, made.difference) == (
        "lines that cancel", ("L1", "L2"), (), 0
    )  # fmt: skip
    assert made.reason == (
        "Opposite amounts cancel; one is worded as a return; same reference in both; same name in both"
    )
    assert made.probability > 0.9


def test_lines_the_ledger_knows_are_not_cancelled() -> None:
    lines = [_row("L1", -8000, description="LAKESIDE 88123"), _row("L2", 8000, 3, description="RETURN 88123")]
    entries = [_row("E1", -8000, counterparty="Lakeside"), _row("E2", 8000, 3, counterparty="Lakeside")]
    assert _groups(_match(lines, entries)) == [("one to one", "L1", "E1"), ("one to one", "L2", "E2")]


def test_opposite_amounts_of_strangers_do_not_cancel() -> None:
    lines = [
        _row("L1", -8000, description="LAKESIDE SYSTEMS"),
        _row("L2", 8000, 3, description="HAZEL DESIGN"),
    ]
    assert _match(lines, [_row("E1", 99)]).proposals == []


def test_sums_on_both_sides_are_bounded_and_the_result_says_so() -> None:
    draw = np.random.default_rng(4)
    amounts = draw.integers(10_000, 99_999, 60).tolist()
    lines = [_row(f"L{i}", int(amount), i, description="OAKFORD MOTORS") for i, amount in enumerate(amounts)]
    entries = _invoices(*(int(amount) + 3001 for amount in amounts))
    entries += [_row(f"S{i}", 100 + i, counterparty=f"Stranger{i} Design") for i in range(900)]
    found = _match(lines, entries)
    assert any("too many open rows to try every sum of several lines" in one for one in found.limits_reached)
    assert (netting.MOST_LINES, netting.MOST_ENTRIES) == (8, 12)
