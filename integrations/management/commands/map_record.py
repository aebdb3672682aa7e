"""map_record FILE: show what a connector's mapping makes of records, as JSON; nothing is stored."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations import connectors
from integrations.mapping import CompiledMapping, InvalidMapping, MappingContext, compile_mapping
from integrations.records import unreadable
from integrations.rules import Output, outputs_from_dict
from integrations.spec import Connector, Stream
from ledgerhub.core.errors import ConfigError, FieldError, RecordError
from ledgerhub.core.money import CURRENCIES, from_minor
from ledgerhub.ledger.accounting import entries
from ledgerhub.ledger.entries import AccountRef, EntryDraft, Line
from ledgerhub.ledger.kinds import KINDS, Draft, Field, validate

MAX_BYTES = 50 * 1024 * 1024
_WRAPPERS = ("data", "nodes", "response", "payload")


class Command(BaseCommand):
    """Exit status 1 when a record could not be mapped; a plain message on what cannot be read."""

    help = "Print the documents and journal lines that a connector's mapping makes of the records in a file."
    requires_system_checks: list[str] = []  # noqa: RUF012 -- declared so by Django
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        """FILE, whose mapping, and what the organization would say."""
        parser.add_argument(
            "file", help="JSON: a record, a list of records, or a vendor's answer around them"
        )
        parser.add_argument("--connector", required=True, help=f"one of {', '.join(connectors.CONNECTORS)}")
        parser.add_argument("--stream", required=True, help="such as orders")
        # --settings is Django's own: the module of the project's settings.
        parser.add_argument(
            "--integration-settings", default="{}", help='as JSON: {"charges_count_as": "sales"}'
        )
        parser.add_argument("--timezone", default="UTC", help="the organization's, such as America/New_York")
        parser.add_argument("--currency", default="USD", help="the organization's base currency")
        parser.add_argument("--mapping", help="rules as JSON instead of the connector's own")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, map, print."""
        connector = _connector(options["connector"])
        stream = _stream(connector, options["stream"])
        compiled = _compiled(connector, stream, options)
        today = dt.datetime.now(ZoneInfo(options["timezone"])).date()
        answer = map_records(stream, compiled, list(_records(_read(options["file"]))), today=today)
        self.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False))
        if answer["errors"]:
            raise SystemExit(1)


def map_records(
    stream: Stream, compiled: CompiledMapping, records: list[Any], *, today: dt.date
) -> dict[str, list[Any]]:
    """Documents, entries and errors of all records, each saying which record (from 1) and output."""
    answer: dict[str, list[Any]] = {"documents": [], "entries": [], "errors": []}
    for number, record in enumerate(records, 1):
        _map(stream, compiled, record, number, answer, today=today)
    return answer


def _map(
    stream: Stream,
    compiled: CompiledMapping,
    record: Any,
    number: int,
    answer: dict[str, list[Any]],
    *,
    today: dt.date,
) -> None:
    if not isinstance(record, dict):
        answer["errors"].append(_error(number, "", FieldError("", "", "A record must be a JSON object.")))
        return
    plain = stream.plain(record)
    if problems := unreadable(plain):
        answer["errors"] += [_error(number, "", problem) for problem in problems]
        return
    for result in compiled(plain):
        errors = list(result.errors)
        drafts: list[EntryDraft] = []
        if result.draft is not None and not errors:
            errors = validate(result.draft, today=today)
        if result.draft is not None and not errors:
            try:
                drafts = entries(result.draft)
            except RecordError as error:
                errors = error.field_errors
        answer["errors"] += [_error(number, result.output_key, error) for error in errors]
        if result.draft is not None and not errors:
            where = {"record": number, "output": result.output_key}
            answer["documents"].append({**where, **_document(result.draft)})
            document = str(result.draft["external_id"])
            answer["entries"] += [{**where, "document": document, **_entry(entry)} for entry in drafts]


def _error(number: int, output: str, error: FieldError) -> dict[str, Any]:
    return {
        "record": number,
        "output": output,
        "target": error.target,
        "source": error.source,
        "message": error.message,
    }


def _entry(entry: EntryDraft) -> dict[str, Any]:
    return {
        "part": entry.part,
        "date": entry.date.isoformat(),
        "currency": entry.currency,
        "memo": entry.memo,
        "lines": [_line(line, entry.currency) for line in entry.lines],
    }


def _line(line: Line, currency: str) -> dict[str, Any]:
    amount = f"{abs(from_minor(line.amount, currency)):f}"
    return {
        "account": _account(line.account),
        "debit": amount if line.amount > 0 else "",
        "credit": amount if line.amount < 0 else "",
        "minor": line.amount,
        "memo": line.memo,
    }


def _account(ref: AccountRef) -> str:
    """`sales`, `clearing/stripe`, `code/1000`."""
    return f"{ref.role}/{ref.qualifier}" if ref.qualifier else ref.role


def _document(draft: Draft) -> dict[str, Any]:
    """The draft as JSON: money as a decimal string, and in minor units under `<field>_minor`."""
    kind = KINDS[draft["kind"]]
    shown: dict[str, Any] = {"kind": kind.key, **_values(draft, kind.fields, draft)}
    for section in kind.sections:
        held = draft.get(section.name)
        if section.many and held is not None:
            shown[section.name] = [_values(row, section.fields, draft) for row in held]
        elif held:
            shown[section.name] = _values(held, section.fields, draft)
    return shown


def _values(row: dict[str, Any], fields: tuple[Field, ...], draft: Draft) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for item in fields:
        value = row.get(item.name)
        if value is None:
            continue
        currency = str(draft.get(item.currency_field) or "")
        if item.type == "money" and currency in CURRENCIES:
            shown[item.name] = f"{from_minor(value, currency):f}"
            shown[f"{item.name}_minor"] = value
        else:
            shown[item.name] = _plain(value)
    return shown


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else value


# ── what was asked for ──────────────────────────────────────────────────────────────────────────────


def _connector(key: str) -> Connector:
    try:
        return connectors.get(key)
    except ConfigError:
        known = ", ".join(connectors.CONNECTORS)
        raise CommandError(f"There is no connector '{key}'. There are: {known}.") from None


def _stream(connector: Connector, key: str) -> Stream:
    found = next((stream for stream in connector.streams if stream.key == key), None)
    if found is None:
        known = ", ".join(stream.key for stream in connector.streams)
        raise CommandError(f"{connector.label} has no stream '{key}'. It has: {known}.")
    return found


def _compiled(connector: Connector, stream: Stream, options: dict[str, Any]) -> CompiledMapping:
    currency = str(options["currency"]).upper()
    if currency not in CURRENCIES:
        raise CommandError(f"'{currency}' is not a currency code we know (such as USD).")
    given = _parse(options["integration_settings"], "The settings")
    if not isinstance(given, dict):
        raise CommandError("The settings must be a JSON object.")
    context = MappingContext(
        timezone=options["timezone"], currency=currency, settings=connector.with_defaults(given)
    )
    try:
        return compile_mapping(_outputs(stream, options["mapping"]), context)
    except InvalidMapping as error:
        lines = [f"{each.target or each.output_key}: {each.message}" for each in error.problems]
        raise CommandError("The mapping cannot be used:\n  " + "\n  ".join(lines)) from None
    except ConfigError as error:
        raise CommandError(str(error)) from None


def _outputs(stream: Stream, mapping: str | None) -> tuple[Output, ...]:
    if not mapping:
        return stream.outputs
    try:
        return outputs_from_dict(_read(mapping))
    except (KeyError, TypeError, AttributeError):
        raise CommandError(
            f"{mapping} is not a mapping: it needs a list 'outputs', each with key, kind and rules."
        ) from None


def _read(name: str) -> Any:
    path = Path(name)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CommandError(f"{name} has more than {MAX_BYTES // 1024 // 1024} MB.")
        return _parse(path.read_text(encoding="utf-8-sig"), name)
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError(f"{name} is not a text file in UTF-8.") from None


def _parse(text: str, name: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        raise CommandError(f"{name}: this is not proper JSON.") from None


def _records(data: Any) -> Iterator[Any]:
    """The records in a file: one, a list, or what vendors wrap around them."""
    if isinstance(data, list):
        yield from data
    elif isinstance(data, dict) and (inner := _inside(data)) is not None:
        yield from _records(inner)
    else:
        yield data


def _inside(data: dict[str, Any]) -> Any:
    """What a vendor's answer, event or sample holds; None for a plain record.

    `{"order": {}}`, `{"data": []}`, `{"nodes": []}`, `{"name": ..., "response": {}}`, and Stripe's events.
    """
    inner = data.get("data")
    if data.get("object") == "event" and isinstance(inner, dict):
        return inner.get("object")
    if len(data) == 1:
        inner = next(iter(data.values()))
        return inner if isinstance(inner, dict | list) else None
    if "id" in data:
        return None
    return next((data[name] for name in _WRAPPERS if isinstance(data.get(name), dict | list)), None)
