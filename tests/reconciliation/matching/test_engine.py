"""What the engine proposes, case by case, and what it must never do."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from benchmarks import foreign
from benchmarks.matching import quality
from benchmarks.workloads import Noise, generate
from reconciliation.matching.engine import match
from reconciliation.matching.proposals import Proposal, Result
from reconciliation.matching.tables import Table

DAY = date(2026, 3, 10)
Row = Mapping[str, Any]


def _row(identity: str, amount: int, days: int = 0, **texts: str) -> Row:
    return {"id": identity, "amount": amount, "date": DAY + timedelta(days=days), **texts}


def _match(lines: Sequence[Row], entries: Sequence[Row]) -> Result:
    return match(Table.from_rows(lines), Table.from_rows(entries))


def _pairs(result: Result) -> set[tuple[tuple[str, ...], tuple[str, ...]]]:
    return {(tuple(sorted(one.line_ids)), tuple(sorted(one.entry_ids))) for one in result.proposals}


def test_one_to_one_with_its_reasons() -> None:
    result = _match(
        [_row("L1", 10000, 2, description="SEPA ACME TRADING INV-1042")],
        [_row("E1", 10000, counterparty="Acme Trading Ltd", reference="INV-1042")],
    )
    proposal = result.proposals[0]
    assert (proposal.line_ids, proposal.entry_ids, proposal.kind) == (("L1",), ("E1",), "one to one")
    assert proposal.reason == (
        "Exact amount, seen once; reference INV-1042 in the bank text; same payer; 2 days apart"
    )
    assert (proposal.probability > 0.99, proposal.tie, proposal.difference) == (True, False, 0)


def test_the_reference_decides_among_equal_amounts() -> None:
    lines = [_row("L1", 5000, description="INV-2002"), _row("L2", 5000, description="CHECK #4831")]
    entries = [
        _row("E1", 5000, reference="INV-2001"), _row("E2", 5000, -9, reference="INV-2002"),
        _row("E3", 5000, reference="CHK-4830"), _row("E4", 5000, -30, reference="CHK-4831"),
    ]  # fmt: skip
    assert _pairs(_match(lines, entries)) == {(("L1",), ("E2",)), (("L2",), ("E4",))}


@pytest.mark.parametrize(
    "text",
    [
        "NORHTWOOD LOGISTICS",
        "NORTHWOOD LOGIS",
        "NORTHWOODLOGISTICS",
        "PAYMENT NORTHWOOD LOGISTICS GMBH",
        "NRTHWD LOGISTICS",
    ],
)
def test_a_mangled_payer_is_recognised(text: str) -> None:
    entries = [
        _row("E1", 5000, counterparty="Northwood Logistics"),
        _row("E2", 5000, counterparty="Southgate Foods"),
        _row("E3", 5000, counterparty="Northgate Catering"),
        _row("E4", 5000, counterparty="Eastwood Security"),
    ]  # fmt: skip
    assert _pairs(_match([_row("L1", 5000, description=text)], entries)) == {(("L1",), ("E1",))}


def test_a_line_without_a_payer_speaks_against_none() -> None:
    lines = [_row("L1", -700, description="CHECK #301"), _row("L2", 800, description="DEPOSIT")]
    entries = [
        _row("E1", -700, -20, reference="CHK-301", counterparty="Hazel Design"),
        _row("E2", 800, counterparty="Oakford Motors"),
    ]
    result = _match(lines, entries)
    assert _pairs(result) == {(("L1",), ("E1",)), (("L2",), ("E2",))}
    assert [one.evidence[2].label for one in result.proposals] == ["", ""]


def test_each_row_is_used_once_by_the_best_whole() -> None:
    lines = [_row("L1", 700, 1), _row("L2", 700, 5)]
    assert _pairs(_match(lines, [_row("E1", 700, 0), _row("E2", 700, 4)])) == {
        (("L1",), ("E1",)),
        (("L2",), ("E2",)),
    }


def test_twins_are_a_tie_with_the_other_shown() -> None:
    entries = [_row("E1", 900, counterparty="Ann Lee"), _row("E2", 900, counterparty="Ann Lee")]
    proposal = _match([_row("L1", 900, description="ANN LEE")], entries).proposals[0]
    assert proposal.tie
    assert {*proposal.entry_ids, *proposal.alternatives[0].entry_ids} == {"E1", "E2"}
    assert proposal.reason.endswith("another match is nearly as likely")
    assert proposal.probability < 0.6


def test_a_payout_is_matched_with_its_charges_refunds_and_fees() -> None:
    entries = [
        _row("E1", 5000, batch="po_1a2b3c"), _row("E2", 7000, batch="po_1a2b3c"),
        _row("E3", -1000, batch="po_1a2b3c"),
        _row("E4", -340, batch="po_1a2b3c"), _row("E5", 5000, batch="po_9z8y7x"), _row("E6", 10660),
    ]  # fmt: skip
    for line in (
        _row("L1", 10660, 2, batch="po_1a2b3c"),
        _row("L1", 10660, 2, description="STRIPE PO_1A2B3C"),
    ):
        proposal = _match([line], entries).proposals[0]
        assert sorted(proposal.entry_ids) == ["E1", "E2", "E3", "E4"]
        assert "The amounts of 4 rows add up exactly" in proposal.reason
        assert proposal.probability > 0.99


def test_two_payouts_netted_in_one_line_that_ends_in_letters_of_one_id() -> None:
    lines = [_row("L1", 669545, description="STRIPE TRANSFER SWBBGWYP HARBOR COFFEE")]
    entries = [
        _row("E1", 690560, reference="po_1HDL2d6T2RvnF1ZaSwBbgwyP", counterparty="stripe"),
        _row("E2", -21015, reference="po_18KJPmYmAE0sgzCoRojyVJEY", counterparty="stripe"),
        _row("E3", 31800, reference="po_1QT1hgQMZk3VH8knqZANwBHR", counterparty="stripe"),
    ]
    assert _pairs(_match(lines, entries)) == {(("L1",), ("E1", "E2"))}


def test_one_transfer_for_several_invoices_named_or_not() -> None:
    entries = [
        _row("E1", 12345, reference="INV-501", counterparty="Oakford Motors"),
        _row("E2", 23456, reference="INV-502", counterparty="Oakford Motors"),
        _row("E3", 34567, reference="INV-503", counterparty="Oakford Motors"),
        _row("E4", 99999, reference="INV-504", counterparty="Oakford Motors"),
    ]
    for text in ("INV-501 INV-503", "OAKFORD MOTORS", "OAKFORD INV-503"):
        assert _pairs(_match([_row("L1", 46912, 3, description=text)], entries)) == {(("L1",), ("E1", "E3"))}


def test_instalments_make_up_one_invoice() -> None:
    lines = [_row(f"L{i}", 4000 + i, 7 * i, description="HAZEL DESIGN INV-77001") for i in range(3)]
    entry = _row("E1", 12003, reference="INV-77001", counterparty="Hazel Design")
    assert _pairs(_match(lines, [entry])) == {(("L0", "L1", "L2"), ("E1",))}
    unfinished = _match(lines[:2], [entry]).proposals[0]
    assert (sorted(unfinished.line_ids), unfinished.difference) == (["L0", "L1"], -4002)


@pytest.mark.parametrize(
    ("paid", "words"),
    [
        (9971, "Amount differs by what a fee may be (0.29 USD)"),
        (9999, "Amount differs by cents (0.01 USD)"),
        (19900, None),
        (1500, "Part of the amount (85.00 USD open)"),
    ],
)
def test_differences_are_explained(paid: int, words: str | None) -> None:
    entry = _row("E1", 10000, reference="INV-3003", counterparty="Sage Foods", currency="USD")
    proposals = _match([_row("L1", paid, 1, description="SAGE FOODS INV-3003")], [entry]).proposals
    assert [one.evidence[0].label for one in proposals] == ([words] if words else [])


def test_a_voided_cheque_and_its_void_cancel_and_the_reissue_is_paid() -> None:
    entries = [
        _row("E1", -8000, -9, reference="CHK-700", description="Lakeside Systems - repairs"),
        _row("E2", 8000, -4, reference="CHK-700-V", description="VOID - Check #700 to Lakeside Systems"),
        _row(
            "E3",
            -8000,
            -3,
            reference="CHK-701",
            description="Lakeside Systems - reissued, replaces voided #700",
        ),
    ]
    result = _match([_row("L1", -8000, description="CHECK #701")], entries)
    assert _pairs(result) == {(("L1",), ("E3",))}
    assert [one.entry_ids for one in result.offsetting] == [("E1", "E2")]
    assert result.offsetting[0].reason == "Opposite amounts cancel; same reference; same name"


def test_currencies_accounts_and_signs_never_mix() -> None:
    assert _pairs(_match([_row("L1", 500, currency="USD")], [_row("E1", 500, currency="EUR")])) == set()
    assert _pairs(_match([_row("L1", 500)], [_row("E1", -500)])) == set()
    lines = [_row("L1", 500, account="1200"), _row("L2", 500, account="1210")]
    entries = [_row("E1", 500, account="1210"), _row("E2", 500, account="1200")]
    assert _pairs(_match(lines, entries)) == {(("L1",), ("E2",)), (("L2",), ("E1",))}


def test_nothing_fits_nothing_is_proposed() -> None:
    for lines, entries in (
        ([], []),
        ([_row("L1", 1)], []),
        ([], [_row("E1", 1)]),
        ([_row("L1", 0)], [_row("E1", 0)]),
    ):
        assert _match(lines, entries).proposals == []
    assert _match([_row("L1", 100, -40_000)], [_row("E1", 100)]).proposals == []


def test_thousands_of_equal_rows_are_paired_in_order_as_ties() -> None:
    size = 20_000
    lines = [_row(f"L{i}", 1999, description="COFFEE") for i in range(size)]
    result = _match(lines, [_row(f"E{i}", 1999, description="coffee") for i in range(size)])
    assert len(result.proposals) > size * 0.99
    assert all(one.tie and one.probability < 0.5 for one in result.proposals)
    assert result.limits_reached == [
        "some equal amounts were too many to weigh together: the likeliest were taken first"
    ]


def test_absurd_rows_do_no_harm() -> None:
    lines = [
        _row("L1", 500, description="x" * 10_000 + " INV-1"),
        _row("L2", 9 * 10**17, description="שלום 😀 INV-77"),
        {"id": "L3", "amount": 5, "date": date.min}, {"id": "L4", "amount": 5, "date": date.max},
    ]  # fmt: skip
    entries = [_row("E1", 500, description="y" * 10_000), _row("E2", 9 * 10**17, reference="INV-77")]
    assert _pairs(_match(lines, entries)) == {(("L1",), ("E1",)), (("L2",), ("E2",))}


@pytest.fixture(scope="module")
def proposals() -> tuple[list[Proposal], tuple[float, ...]]:
    work = generate(3000, seed=5)
    found = match(*work.tables()).proposals
    return found, quality(found, work)


def test_no_row_is_used_twice(proposals: tuple[list[Proposal], tuple[float, ...]]) -> None:
    lines = [line for one in proposals[0] for line in one.line_ids]
    entries = [entry for one in proposals[0] for entry in one.entry_ids]
    assert (len(lines), len(entries)) == (len(set(lines)), len(set(entries)))


def test_quality_on_a_noisy_workload(proposals: tuple[list[Proposal], tuple[float, ...]]) -> None:
    _, _, f1, exact, approvable = proposals[1]
    assert f1 >= 0.96
    assert exact >= 0.965
    assert approvable >= 0.88


def test_the_same_rows_in_another_order_give_the_same_pairs() -> None:
    work = generate(400, seed=3, noise=Noise(price_list=0.0))
    before = _pairs(match(*work.tables()))
    random.Random(1).shuffle(work.lines)
    random.Random(2).shuffle(work.entries)
    assert _pairs(match(*work.tables())) == before


def test_progress_is_told_stage_by_stage() -> None:
    told: list[tuple[str, float]] = []
    rows = Table.from_rows([_row("A", 100)])
    match(rows, rows, progress=lambda stage, done: told.append((stage, done)))
    assert [done for _, done in told] == sorted(done for _, done in told)
    assert (told[0], told[-1]) == (("Reading what the rows say", 0.0), ("Done", 1.0))


@pytest.mark.parametrize(
    ("style", "least"), [("german", 0.97), ("french", 0.96), ("card", 0.97), ("script", 0.97), ("bare", 0.93)]
)
def test_quality_on_text_of_other_countries(style: str, least: float) -> None:
    work = foreign.generate(style, 600, seed=2)
    found = match(*work.tables()).proposals
    assert quality(found, work)[2] >= least
    sure = {(a, b) for one in found if one.probability >= 0.99 for a in one.line_ids for b in one.entry_ids}
    assert len(sure - work.truth) <= 0.002 * len(sure)
