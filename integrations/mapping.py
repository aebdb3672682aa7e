"""Map raw records to drafts (mapping): rules compiled once a version, errors as values, records untouched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from integrations.casting import MissingCurrency, Unusable
from integrations.fusing import Fill, fuse
from integrations.paths import Scope, WrongShape, kind_of
from integrations.planning import Assignment, ListPlan, Plan, RuleProblem, Setup, plan_output, with_rule
from integrations.rules import Output, Rule
from integrations.transforms import Lookups
from ledgerhub.core.errors import ConfigError, FieldError
from ledgerhub.ledger.kinds import Draft

__all__ = [
    "CompiledMapping",
    "InvalidMapping",
    "Lookups",
    "MappingContext",
    "NoLookups",
    "Result",
    "RuleProblem",
    "StepValue",
    "check_mapping",
    "compile_mapping",
    "explain",
]

MAX_ERRORS: Final = 100


class NoLookups:
    """Lookups of books without anything in them."""

    def contact(self, by: str, value: str) -> str | None:
        return None

    def item(self, by: str, value: str) -> str | None:
        return None

    def account(self, by: str, value: str) -> str | None:
        return None

    def account_there(self, at: str) -> str:
        raise Unusable(f"The books have no account for {at}")


@dataclass(frozen=True, slots=True)
class MappingContext:
    """Whose records are mapped: time zone (IANA name), base currency, settings of the integration, books.

    The base currency is what the step 'Setting' gives for `currency` where the integration has none set.
    """

    timezone: str = "UTC"
    currency: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    lookups: Lookups = field(default_factory=NoLookups)


class Result(NamedTuple):
    """What one output made of a record: a draft, or every reason why not."""

    output_key: str
    kind: str
    draft: Draft | None
    errors: tuple[FieldError, ...]


class StepValue(NamedTuple):
    """What a rule gave after one step (`source`, a transform's name, `target`), or why it stopped."""

    step: str
    value: Any
    error: str = ""


class InvalidMapping(ConfigError):
    """A mapping with problems; `problems` has them all."""

    def __init__(self, problems: list[RuleProblem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{each.target or each.output_key}: {each.message}" for each in problems))


class CompiledMapping:
    """Call it with a record: the results of each output that applies, in order. Never raises."""

    def __init__(self, plans: Iterable[Plan]) -> None:
        self._plans = tuple(_Runner(plan) for plan in plans)

    def __call__(self, record: Any) -> list[Result]:
        results: list[Result] = []
        for runner in self._plans:
            runner.run(record, results)
        return results


def compile_mapping(outputs: Iterable[Output], context: MappingContext) -> CompiledMapping:
    """Make outputs ready to run. Raises InvalidMapping with every problem of every rule."""
    plans, problems = _plan(outputs, context)
    if problems:
        raise InvalidMapping(problems)
    return CompiledMapping(plans)


def check_mapping(outputs: Iterable[Output], context: MappingContext | None = None) -> list[RuleProblem]:
    """All that keeps these outputs from being compiled; empty where nothing does."""
    return _plan(outputs, context or MappingContext())[1]


def _plan(outputs: Iterable[Output], context: MappingContext) -> tuple[list[Plan], list[RuleProblem]]:
    setup = _setup(context)
    plans: list[Plan] = []
    problems: list[RuleProblem] = []
    keys: set[str] = set()
    for output in outputs:
        if output.key in keys:
            problems.append(RuleProblem(output.key, None, "", f"Two outputs have the key '{output.key}'"))
        keys.add(output.key)
        plan, found = plan_output(output, setup)
        problems += found
        if plan is not None:
            plans.append(plan)
    return plans, problems


def _setup(context: MappingContext) -> Setup:
    try:
        zone = ZoneInfo(context.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(f"'{context.timezone}' is not a time zone we know (such as Europe/Paris)") from None
    settings = dict(context.settings)
    if not settings.get("currency"):
        settings["currency"] = context.currency or None
    return Setup(zone, settings, context.lookups)


def _fuse(assignments: tuple[Assignment, ...]) -> Fill:
    return fuse(assignments, on_error=_report, on_missing=_report_missing)


class _Runner:
    """One plan with its rules fused."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.fill = _fuse((*plan.currencies, *plan.header))
        self.sections = tuple((name, _fuse(assignments)) for name, assignments in plan.sections)
        self.lists = tuple((each, _fuse(each.assignments)) for each in plan.lists)

    def run(self, record: Any, results: list[Result]) -> None:
        plan = self.plan
        try:
            items = [record] if plan.read_each is None else plan.read_each(record)
        except WrongShape as error:
            results.append(self._failed(FieldError("", plan.each, str(error))))
            return
        for item in items:
            scope = Scope(item, parent=record)
            if item.__class__ is not dict:
                message = f"The record should be a group of fields, but is {kind_of(item)}"
                results.append(self._failed(FieldError("", plan.each, message)))
                continue
            try:
                applies = all(test(None, scope) for test in plan.tests) if plan.tests else True
            except WrongShape as error:
                results.append(self._failed(FieldError("", "", str(error))))
                continue
            if applies:
                results.append(self._result(scope))

    def _failed(self, error: FieldError) -> Result:
        return Result(self.plan.key, self.plan.kind, None, (error,))

    def _result(self, scope: Scope) -> Result:
        plan = self.plan
        draft = scope.draft = {"kind": plan.kind}
        errors: list[FieldError] = []
        self.fill(draft, scope, errors)
        for name, fill in self.sections:
            section: dict[str, Any] = {}
            fill(section, scope, errors)
            if section:
                draft[name] = section
        for items, fill in self.lists:
            _append(draft, items, fill, scope, errors)
        if errors:
            return Result(plan.key, plan.kind, None, tuple(errors))
        return Result(plan.key, plan.kind, draft, ())


def _report(error: ValueError, assignment: Assignment, errors: list[FieldError]) -> None:
    """An amount without currency is no error of its own where the currency already has one."""
    if isinstance(error, MissingCurrency) and any(e.target == assignment.currency_target for e in errors):
        return
    rule = assignment.rule
    errors.append(FieldError(rule.target, rule.source, str(error)))


def _report_missing(assignment: Assignment, scope: Scope, errors: list[FieldError]) -> None:
    _report(Unusable(_missing(assignment, scope)), assignment, errors)


def _missing(assignment: Assignment, scope: Scope) -> str:
    rule, label = assignment.rule, assignment.field.label
    if not rule.source:
        first = rule.via[0]
        if first.name == "setting":
            return f"{label} is required, but the setting '{first.params.get('name')}' is not filled in"
        return f"{label} is required, but its rule gives nothing"
    if assignment.read(scope) in (None, "", []):
        return f"{label} is required, but the record has nothing at {rule.source}"
    return f"{label} is required, but the steps leave nothing of {rule.source}"


def _append(draft: Draft, items: ListPlan, fill: Fill, scope: Scope, errors: list[FieldError]) -> None:
    """Append one dict an item of the group's list to the draft's section."""
    section = draft.setdefault(items.name, [])
    try:
        nodes = items.read(scope.parent if items.prefix.up else scope.root)
    except WrongShape as error:
        errors.append(FieldError(f"{items.name}[]", str(items.prefix), str(error)))
        return
    if not items.prefix.keys:
        nodes = (nodes,)
    for number, node in enumerate(nodes, 1):
        scope.item = node
        values: dict[str, Any] = {}
        known = len(errors)
        fill(values, scope, errors)
        section.append(values)
        if len(errors) > known:
            _name_item(errors, known, f"Item {number} of {items.prefix}: " if items.prefix.keys else "")
            if len(errors) >= MAX_ERRORS:
                break
    scope.item = scope.root


def _name_item(errors: list[FieldError], known: int, where: str) -> None:
    errors[known:] = [error._replace(message=where + error.message) for error in errors[known:]]


def explain(
    record: Any, output: Output, rule: Rule, context: MappingContext, *, item: int = 0
) -> list[StepValue]:
    """What `rule` gives step by step on a record, for the editor: source, each step, target.

    Of an output or section that opens a list, item number `item` (from 0) is shown, the last where
    there are fewer. A rule with problems gives one StepValue a problem.
    """
    output, index = with_rule(output, rule)
    plan, problems = plan_output(output, _setup(context))
    mine = [StepValue("rule", None, each.message) for each in problems if plan is None or each.rule == index]
    if mine or plan is None:
        return mine
    assignment, items = next(found for found in plan.assignments() if found[0].index == index)
    try:
        scope = _sample_scope(record, plan, items, item)
    except WrongShape as error:
        return [StepValue("source", None, str(error))]
    return [StepValue("source", None)] if scope is None else list(_walk(assignment, scope))


def _sample_scope(record: Any, plan: Plan, items: ListPlan | None, item: int) -> Scope | None:
    """Where the rule reads for item number `item`, with the draft's currencies known."""
    root = record
    if plan.read_each is not None:
        roots = plan.read_each(record)
        if not roots:
            return None
        root = roots[min(item, len(roots) - 1)]
        item = item if items is None else 0
    scope = Scope(root, parent=record)
    _fuse(plan.currencies)(scope.draft, scope, [])
    if items is not None and items.prefix.keys:
        nodes = items.read(record if items.prefix.up else root)
        if not nodes:
            return None
        scope.item = nodes[min(item, len(nodes) - 1)]
    return scope


def _walk(assignment: Assignment, scope: Scope) -> Iterator[StepValue]:
    name = "source"
    try:
        value = assignment.read(scope)
        yield StepValue(name, value)
        for step in assignment.steps:
            name = step.name
            if value is not None or step.takes_nothing:
                value = step.apply(value, scope)
            yield StepValue(name, value)
        name = "target"
        value = None if value is None else assignment.cast(value, scope)
        required = value is None and assignment.field.required
        yield StepValue(name, value, _missing(assignment, scope) if required else "")
    except (Unusable, WrongShape) as error:
        yield StepValue(name, None, str(error))
