"""The contract of what records become, by the spec alone: fixtures, vendors' samples, hostile records."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from integrations.connectors import CONNECTORS
from integrations.mapping import CompiledMapping, check_mapping
from integrations.messages import Message, Trust, WebhookRefused
from integrations.records import Record, unreadable
from integrations.spec import Connector, Stream
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger.accounting import entries
from ledgerhub.ledger.kinds import KINDS
from tests.integrations.proving import NOW, never
from tests.integrations.sampled import booked, made_of, mapped, mapping, records_of

FIXTURES = Path(__file__).resolve().parents[1] / "connectors"
CASES = sorted(path for path in FIXTURES.glob("*/*.json") if not path.stem.endswith(".expected"))
STREAMS = [
    pytest.param(connector, stream, id=f"{connector.key}-{stream.key}")
    for connector in CONNECTORS.values()
    for stream in connector.streams
]
each_stream = pytest.mark.parametrize(("connector", "stream"), STREAMS)


def read(path: Path) -> Any:
    return json.loads(path.read_text(), parse_float=Decimal)


def cases_of(connector: Connector, stream: Stream) -> Iterator[dict[str, Any]]:
    for path in CASES:
        if path.parent.name == connector.key and (case := read(path))["stream"] == stream.key:
            yield case


# ── the default mappings ────────────────────────────────────────────────────────────────────────────
@each_stream
def test_the_default_mapping_compiles(connector: Connector, stream: Stream) -> None:
    assert check_mapping(stream.outputs) == []


@each_stream
def test_settings_the_mapping_reads_exist(connector: Connector, stream: Stream) -> None:
    asked = [
        step.params["name"]
        for output in stream.outputs
        for rule in output.rules
        for step in rule.via
        if step.name == "setting"
    ]
    assert [name for name in asked if name not in {setting.name for setting in connector.settings}] == []


@each_stream
def test_a_record_that_is_gone_is_still_the_same_one(connector: Connector, stream: Stream) -> None:
    if stream.gone is None:
        pytest.skip("nobody says here that a record is gone")
    for case in cases_of(connector, stream):
        gone = stream.gone(case["record"])
        assert stream.identity(gone) == stream.identity(case["record"])
        assert stream.gone(gone) == gone


# ── fixtures: record -> drafts -> journal lines ─────────────────────────────────────────────────────
def as_json(value: Any) -> Any:
    """Dates in ISO form, Decimals as text."""
    if isinstance(value, dict):
        return {name: as_json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(each) for each in value]
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def outcome(case: dict[str, Any], connector: Connector) -> dict[str, Any]:
    stream = connector.stream(case["stream"])
    drafts, errors, invalid = made_of(stream, mapping(connector, stream, case), case["record"])
    return {
        "identity": stream.identity(case["record"]),
        "touches": as_json(stream.touches(case["record"])),
        "drafts": as_json(drafts),
        "errors": [list(error) for error in errors],
        "invalid": [list(error) for error in invalid],
        "entries": booked(drafts),
    }


@pytest.mark.parametrize("path", CASES, ids=[f"{path.parent.name}-{path.stem}" for path in CASES])
def test_fixture(path: Path) -> None:
    expected = json.loads(path.with_suffix(".expected.json").read_text())
    assert outcome(read(path), CONNECTORS[path.parent.name]) == expected


@each_stream
def test_every_document_of_a_stream_has_a_fixture_with_its_journal_lines(
    connector: Connector, stream: Stream
) -> None:
    shown: set[str] = set()
    posted: set[str] = set()
    for case in cases_of(connector, stream):
        compiled = mapping(connector, stream, case)
        for result in compiled(stream.plain(case["record"])):
            if result.draft is not None and not result.errors:
                shown.add(result.output_key)
                posted |= {result.output_key} if booked([result.draft]) else set()
    assert {output.key for output in stream.outputs} - shown == set()
    # What a bank says posts nothing until a person says what it was.
    posting = {
        output.key
        for output in stream.outputs
        if KINDS[output.kind].posts and output.kind != "bank_transaction"
    }
    assert posting - posted == set()


# ── the vendors' own samples ────────────────────────────────────────────────────────────────────────
def samples(place: str) -> list[Any]:
    """The samples of streams, or of a destination's listings, that connectors name in <key>.samples.json."""
    return [
        pytest.param(CONNECTORS[path.name.partition(".")[0]], case, id=f"{path.stem}-{case[place]}-{number}")
        for path in sorted(FIXTURES.glob("*.samples.json"))
        for number, case in enumerate(read(path))
        if place in case
    ]


@pytest.mark.parametrize(("connector", "case"), samples("stream"))
def test_a_vendors_sample_maps_validly(connector: Connector, case: dict[str, Any], reference: Path) -> None:
    stream = connector.stream(case["stream"])
    compiled = mapping(connector, stream, case)
    found = [made_of(stream, compiled, row) for row in records_of(case, stream.read, reference)]
    said = [error.message for _, errors, invalid in found for error in (*errors, *invalid)]
    assert said == case.get("refused", [])
    drafts = [draft for each, _, _ in found for draft in each]
    assert sorted({draft["kind"] for draft in drafts}) == case["kinds"]
    assert booked(drafts) == case["entries"]


@each_stream
def test_every_stream_is_held_to_a_vendors_sample(connector: Connector, stream: Stream) -> None:
    """Or says in words why there is none."""
    path = FIXTURES / f"{connector.key}.samples.json"
    said = read(path) if path.exists() else []
    named = [case for case in said if case.get("stream") == stream.key]
    why = [case["why"] for case in said if case.get("without") == stream.key]
    assert named or why, f"{path.name} names no sample of {stream.key}, nor why there is none"
    assert len(why) == (0 if named else 1)


@pytest.mark.parametrize(("connector", "case"), samples("listing"))
def test_a_destinations_list_is_read(connector: Connector, case: dict[str, Any], reference: Path) -> None:
    assert connector.destination is not None
    listing = next(one for one in connector.destination.listings if one.what == case["listing"])
    found = [listing.pick(row) for row in records_of(case, listing.read, reference)]
    assert [each.name for each in found] == case["names"]
    assert all(each.id for each in found)


# ── hostile records ─────────────────────────────────────────────────────────────────────────────────
HOSTILE = (
    None, "", "x", "9" * 400, True, -1, 10**30, Decimal("NaN"), [], {}, [None], ["x"], {"x": 1},
)  # fmt: skip


def spoiled(value: Any, bad: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The value as often as it has places, each time with the bad one in another; of a list the first."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield (*path, name), {**value, name: bad}
            for place, worse in spoiled(each, bad, (*path, name)):
                yield place, {**value, name: worse}
    elif isinstance(value, list) and value:
        yield (*path, "0"), [bad, *value[1:]]
        for place, worse in spoiled(value[0], bad, (*path, "0")):
            yield place, [worse, *value[1:]]


def hostile(connector: Connector, stream: Stream, bad: Any) -> Iterator[tuple[CompiledMapping, Record]]:
    """(mapping, spoiled record): each place of a stream's records twice, in two of the fixtures."""
    times: Counter[tuple[str, ...]] = Counter()
    for case in cases_of(connector, stream):
        compiled = mapping(connector, stream, case)
        for place, record in spoiled(case["record"], bad):
            times[place] += 1
            if times[place] <= 2:
                yield compiled, record


@each_stream
@pytest.mark.parametrize("bad", HOSTILE, ids=lambda bad: repr(bad)[:12])
def test_a_hostile_record_is_said_in_words_and_stops_nothing(
    connector: Connector, stream: Stream, bad: Any
) -> None:
    """Whatever stands wherever in a record: documents, or reasons; never an error that ends the run."""
    for compiled, record in hostile(connector, stream, bad):
        plain = stream.plain(record)
        assert isinstance(stream.identify(plain), str)
        if problems := unreadable(plain):
            assert all(problem.message for problem in problems)
            continue
        assert all(len(touched) == 2 for touched in stream.touches(plain))
        drafts, errors, invalid = mapped(compiled, plain)
        assert all(error.message for error in (*errors, *invalid))
        for draft in drafts if not invalid else []:
            with suppress(RecordError):
                entries(draft)


# ── hostile messages ────────────────────────────────────────────────────────────────────────────────
TELLING = [connector for connector in CONNECTORS.values() if connector.webhook]
BODIES = (b"", b"{", b"null", b"[]", b"7", b"{}", b"\xff\xfe", b'{"id": {}}', b"[" * 2000)
GIVEN = (
    "", "x", "\u00e9", "%%%", "1", "9" * 5000, "=", "a.b.c", "e30.e30.e30", "t=1,v1=\u00e9",
    "2026-03-03T12:00:00Z",
)  # fmt: skip


class Whatever(dict[str, str]):
    """Headers of every name, all with the one value."""

    def __init__(self, value: str) -> None:
        super().__init__()
        self.value = value

    def get(self, name: str, default: Any = None) -> Any:
        return self.value

    def __getitem__(self, name: str) -> str:
        return self.value


@pytest.mark.parametrize("connector", TELLING, ids=lambda connector: connector.key)
@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body)[:12])
def test_an_unproven_message_is_refused_in_words(connector: Connector, body: bytes) -> None:
    assert connector.webhook is not None
    for secrets in ((), ("canary-secret",), ("", "canary-secret")):
        trust = Trust(secrets, {}, NOW, never)
        for headers in ({}, *(Whatever(value) for value in GIVEN)):
            with pytest.raises(WebhookRefused) as refused:
                connector.webhook.verify(Message(headers, body, "https://books.example/hook"), trust)
            assert str(refused.value).endswith(".")
            assert "canary-secret" not in str(refused.value)
