"""Sample records for the mapping editor: which to choose, what is in them, what each rule gives on one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from integrations import normalize, registry
from integrations.account_names import AccountNames
from integrations.mapping import InvalidMapping, MappingContext, StepValue, compile_mapping, explain
from integrations.mapping_forms import OutputForm, RuleRow
from integrations.models import MappingVersion, Quarantine, RawRecord, Stream
from integrations.paths import FoundPath, find_paths, parse_path, sample_text
from integrations.planning import Problems, Setup, find_target, plan_output
from integrations.rules import Output, Rule, outputs_to_dict
from integrations.sample import Made, ShownDocument, make, money_words, show
from ledgerhub.core.errors import FieldError
from ledgerhub.core.money import CURRENCIES
from ledgerhub.ledger.kinds import KINDS, Field

LATEST = 20
QUARANTINED = 10
SEARCHED = 200
_MAX_OPTIONS = 1_000


class Choice(NamedTuple):
    """One record the sample picker offers."""

    pk: int
    label: str
    quarantined: bool


class PathOption(NamedTuple):
    """A path as a rule of this output writes it, with what was seen there."""

    path: str
    samples: str
    types: str
    records: int


@dataclass
class Samples:
    """The records the editor shows; `chosen` may be any record of the stream."""

    stream: Stream
    recent: list[RawRecord]
    choices: list[Choice]
    chosen: RawRecord | None
    problem: str = ""

    @property
    def shaped(self) -> Any:
        """The chosen record in the plain shape that rules read."""
        return None if self.chosen is None else _shaped(self.stream, self.chosen)


@dataclass
class Result:
    """What the chosen record becomes."""

    documents: list[ShownDocument]
    errors: list[FieldError]

    @property
    def entries(self) -> int:
        return sum(len(document.entries) for document in self.documents)


def load(
    stream: Stream, *, wanted: str = "", find: str = "", near: str = "", output: Output | None = None
) -> Samples:
    """Newest and quarantined records; the chosen one by primary key (`wanted`) or source id (`find`).

    Where none is asked for, `near` (another key) or the newest, whichever makes a document of `output`.
    """
    rows = RawRecord.objects.filter(stream=stream, latest=True)
    recent = list(rows.order_by("-pk")[:LATEST])
    waiting = Quarantine.objects.filter(stream=stream, state=Quarantine.State.OPEN).select_related("record")
    held = {row.record_id: row.record for row in waiting.order_by("-pk")[:QUARANTINED]}
    choices = [Choice(pk, f"{record.external_id}, in quarantine", True) for pk, record in held.items()]
    choices += [Choice(row.pk, row.external_id, False) for row in recent if row.pk not in held]
    samples = Samples(stream, recent, choices, None)
    if not wanted and not find:
        wanted = near
        if output is not None and (output.each or output.when):
            wanted = _fitting(stream, output, near)
    _choose(samples, wanted, find.strip(), held)
    return samples


def _fitting(stream: Stream, output: Output, near: str) -> str:
    """The primary key of a record that makes a document of this output; `near` where none does."""
    try:
        compiled = compile_mapping([output], normalize.context(stream))
    except InvalidMapping:
        return near
    rows = list(RawRecord.objects.filter(stream=stream, latest=True).order_by("-pk")[:SEARCHED])
    rows.sort(key=lambda row: str(row.pk) != near)
    return next((str(row.pk) for row in rows if compiled(_shaped(stream, row))), near)


def _choose(samples: Samples, wanted: str, find: str, held: dict[int, RawRecord]) -> None:
    known = held | {row.pk: row for row in samples.recent}
    rows = RawRecord.objects.filter(stream=samples.stream)
    found: RawRecord | None = None
    if find:
        found = rows.filter(external_id=find, latest=True).first()
        if found is None:
            samples.problem = f"There is no record with the id '{find[:60]}' in this stream."
    if found is None and wanted.isdigit() and len(wanted) < 19:
        found = known.get(int(wanted)) or rows.filter(pk=int(wanted)).first()
    if found is None:
        found = next(iter(known.values()), None)
    samples.chosen = found
    if found is not None and found.pk not in {choice.pk for choice in samples.choices}:
        samples.choices.insert(0, Choice(found.pk, found.external_id, False))


def _shaped(stream: Stream, record: RawRecord) -> Any:
    return registry.stream_spec(stream).plain(record.payload)


def path_options(samples: Samples, each: str) -> list[PathOption]:
    """Every path of the recent records, written as a rule of an output that opens `each` writes it."""
    records = [_shaped(samples.stream, row) for row in samples.recent]
    if samples.chosen is not None and samples.chosen not in samples.recent:
        records.append(samples.shaped)
    prefix = f"{each}." if each else ""
    options = [_option(found, prefix) for found in find_paths(records)]
    inside_first = sorted(options, key=lambda option: option.path.startswith("^"))
    return inside_first[:_MAX_OPTIONS]


def _option(found: FoundPath, prefix: str) -> PathOption:
    path = found.path
    if prefix and path.startswith(prefix):
        path = path.removeprefix(prefix)
    elif prefix:
        path = f"^{path}"
    samples = ", ".join(sample for sample in found.samples if sample) or "empty"
    return PathOption(path, samples, " or ".join(found.types), found.records)


def result(samples: Samples, outputs: Sequence[Output], *, only: str = "") -> Result | None:
    """The documents and journal lines of the chosen record under these rules. Raises InvalidMapping."""
    if samples.chosen is None:
        return None
    made = make(_normalizer(samples.stream, outputs), samples.chosen)
    if only:
        made = Made(
            {key: draft for key, draft in made.drafts.items() if key[0] == only},
            made.entries,
            [(output, error) for output, error in made.errors if output in (only, "")],
        )
    names = AccountNames(samples.stream.integration.organization)
    return Result(show(made, names), made.field_errors)


def _normalizer(stream: Stream, outputs: Sequence[Output]) -> normalize.Normalizer:
    return normalize.load(stream, MappingVersion(stream=stream, rules=outputs_to_dict(tuple(outputs))))


def annotate(
    form: OutputForm, output: Output, samples: Samples, context: MappingContext, *, item: int
) -> None:
    """Write beside each rule what it gives on the chosen record, step by step."""
    shaped = samples.shaped
    if shaped is None:
        return
    given = [explain(shaped, _around(output, rule), rule, context, item=item) for rule in output.rules]
    currencies = _currencies(output, given)
    for row, values in zip(form.rules, given, strict=True):
        if values and values[0].step != "rule":
            _write(row, values, _field(output.kind, row.target), currencies)


def _around(output: Output, rule: Rule) -> Output:
    """The output with only what a rule's value depends on: the currencies and its own list's rules."""
    head = rule.target.partition(".")[0]
    needed = [
        other
        for other in output.rules
        if other is rule
        or other.target.endswith("currency")
        or (head.endswith("[]") and other.target.startswith(f"{head}."))
    ]
    return replace(output, rules=tuple(needed))


def _field(kind: str, target: str) -> Field | None:
    try:
        return find_target(KINDS[kind], target)[1]
    except (Problems, KeyError):
        return None


def _currencies(output: Output, given: list[list[StepValue]]) -> dict[str, str]:
    """The currency fields of the document as the rules give them on this record."""
    return {
        rule.target.partition(".")[2]: str(values[-1].value)
        for rule, values in zip(output.rules, given, strict=True)
        if values and values[-1].value in CURRENCIES
    }


def _write(row: RuleRow, values: list[StepValue], target: Field | None, currencies: dict[str, str]) -> None:
    row.source_value = _shown(values[0].value) if row.source else ""
    for step, value in zip(row.steps, values[1:], strict=False):
        step.value = "" if value.error else _shown(value.value)
    last = values[-1]
    row.sample_error = last.error
    if last.error or last.step != "target":
        return
    currency = currencies.get(target.currency_field, "") if target else ""
    if target and target.type == "money" and isinstance(last.value, int) and currency:
        row.result = money_words(last.value, currency)
    else:
        row.result = _shown(last.value)


def _shown(value: Any) -> str:
    return "" if value is None else sample_text(value)


def list_words(output: Output, context: MappingContext) -> list[tuple[str, str]]:
    """(section, what makes its rows): `("Lines", "one for each item of line_items[]")`."""
    kind = KINDS.get(output.kind)
    if kind is None:
        return []
    setup = Setup(ZoneInfo(context.timezone), dict(context.settings), context.lookups)
    plan, _ = plan_output(output, setup)
    found: dict[str, list[str]] = {}
    for rows in plan.lists if plan else ():
        words = f"one for each item of {rows.prefix}" if rows.prefix.keys else "one more of its own"
        found.setdefault(rows.name, []).append(words)
    labels = {section.name: section.label for section in kind.sections}
    return [(labels[name], ", then ".join(words)) for name, words in found.items()]


def seen_nowhere(options: Sequence[PathOption], source: str) -> bool:
    """Whether a source is a path that none of the recent records has."""
    if not source or not options:
        return False
    try:
        wanted = str(parse_path(source))
    except ValueError:
        return False
    paths = {option.path for option in options}
    if any(_under(path, wanted) for path in paths):
        return False
    # What was always empty (a list without items, a group that is null) may hold anything.
    above = [path for path in paths if _under(wanted, path)]
    return not any(all(path == other or not _under(other, path) for other in paths) for path in above)


def _under(path: str, above: str) -> bool:
    """`tax_lines[].price` is under `tax_lines` and under `tax_lines[]`; groups have no path of their own."""
    return path == above or path.startswith((f"{above}.", f"{above}["))
