"""Plan a mapping (mapping, compile step): find targets, group list rules, ready the steps, name problems."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from integrations.casting import Cast, cast_for
from integrations.conditions import Holds, compile_condition, condition_problem
from integrations.paths import (
    Path,
    PathError,
    Place,
    Read,
    Scope,
    ScopeRead,
    parse_path,
    reader,
    scope_reader,
)
from integrations.rules import Output, Rule, Step
from integrations.transforms import TRANSFORMS, Apply, BadParam, Lookups, TransformContext, check_params
from ledgerhub.ledger.kinds import KINDS, Field, Kind, Section

_NOTHING: Final = Path(())
_READ_LISTS: Final = frozenset(("join", "when"))


class RuleProblem(NamedTuple):
    """What keeps a mapping from being used; `rule` is an index into the output's rules, or None."""

    output_key: str
    rule: int | None
    target: str
    message: str


class Problems(ValueError):
    """Why one rule cannot be used, each reason in words."""

    def __init__(self, *messages: str) -> None:
        self.messages = messages
        super().__init__("; ".join(messages))


@dataclass(frozen=True, slots=True)
class Setup:
    """What planning needs of the organization and the integration."""

    zone: ZoneInfo
    settings: Mapping[str, Any]
    lookups: Lookups


@dataclass(slots=True)
class Candidate:
    """One rule with its target found and its source parsed."""

    index: int
    rule: Rule
    field: Field
    section: Section | None
    source: Path
    takes_list: bool


@dataclass(slots=True)
class Group:
    """Rules that fill the items of a list section together, from the list at `prefix`."""

    prefix: Path
    candidates: list[Candidate] = field(default_factory=list)

    def sets(self, name: str) -> bool:
        return any(candidate.field.name == name for candidate in self.candidates)


class ReadyStep(NamedTuple):
    name: str
    apply: Apply
    takes_nothing: bool


@dataclass(frozen=True, slots=True)
class Assignment:
    """One rule made ready: read (what stands at `place`), steps, cast."""

    index: int
    rule: Rule
    field: Field
    currency_target: str
    place: Place
    read: ScopeRead
    steps: tuple[ReadyStep, ...]
    cast: Cast


@dataclass(frozen=True, slots=True)
class ListPlan:
    """The items one group appends to list section `name`; `read` gives them from the record."""

    name: str
    prefix: Path
    read: Read
    assignments: tuple[Assignment, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """One output made ready. Currencies come before all else: amounts need them."""

    key: str
    kind: str
    each: str
    read_each: Read | None
    tests: tuple[Holds, ...]
    currencies: tuple[Assignment, ...]
    header: tuple[Assignment, ...]
    sections: tuple[tuple[str, tuple[Assignment, ...]], ...]
    lists: tuple[ListPlan, ...]

    def assignments(self) -> Iterator[tuple[Assignment, ListPlan | None]]:
        for assignment in (*self.currencies, *self.header):
            yield assignment, None
        for _, assignments in self.sections:
            yield from ((assignment, None) for assignment in assignments)
        for rows in self.lists:
            yield from ((assignment, rows) for assignment in rows.assignments)


def plan_output(output: Output, setup: Setup) -> tuple[Plan | None, list[RuleProblem]]:
    """(plan of the rules that are sound, all problems); no plan where the kind or `each` is unusable."""
    kind = KINDS.get(output.kind)
    if kind is None:
        return None, [RuleProblem(output.key, None, "", f"'{output.kind}' is not a kind of document")]
    try:
        each = _each_path(output)
        tests = tuple(_tests(output))
    except (Problems, PathError) as error:
        return None, [RuleProblem(output.key, None, "", str(error))]
    return _Planner(output, kind, each, tests, setup).plan()


def _each_path(output: Output) -> Path:
    each = parse_path(output.each)
    if each.up or each != each.list_prefix():
        raise Problems(f"'{output.each}' must be the path of a list, ending in []")
    return each


def _tests(output: Output) -> Iterator[Holds]:
    for condition in output.when:
        path = parse_path(condition.path)
        problem = condition_problem(condition) or ("" if path.keys else "A condition needs a path")
        if problem:
            raise Problems(problem)
        yield compile_condition(condition, scope_reader(_locate(path, _NOTHING, nested=bool(output.each))))


def _locate(path: Path, prefix: Path, *, nested: bool) -> Place:
    """In the list item where `path` starts with the group's prefix, else in the record or its parent."""
    if prefix.keys and path.starts_with(prefix):
        return Place("item", Path(path.keys[len(prefix.keys) :]))
    if path.up:
        if not nested:
            raise Problems("^ reads the parent record, but this output opens no list")
        return Place("parent", Path(path.keys))
    return Place("root" if prefix.keys else "item", path)


def find_target(kind: Kind, target: str) -> tuple[Section | None, Field]:
    """`invoice.total`, `customer.email`, `lines[].tax` -> (section or None, field). Raises Problems."""
    head, _, name = target.partition(".")
    plain = head.removesuffix("[]")
    section = next((section for section in kind.sections if section.name == plain), None)
    if section is not None:
        shape = f"{plain}[]" if section.many else plain
        if head != shape:
            raise Problems(f"{section.label} {_SHAPE[section.many]}: write {shape}.{name}")
        fields = section.fields
    elif head == kind.key:
        fields = kind.fields
    else:
        raise Problems(_unknown(kind, target))
    found = next((field for field in fields if field.name == name), None)
    if found is None:
        raise Problems(_unknown(kind, target))
    return section, found


_SHAPE: Final = {True: "is a list", False: "is one group of fields, not a list"}


def _unknown(kind: Kind, target: str) -> str:
    near = difflib.get_close_matches(target[:100], all_targets(kind), n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"'{target[:100]}' is not a field of {kind.label}{hint}"


def all_targets(kind: Kind) -> list[str]:
    """Every target a rule of this kind may name, in the kind's order."""
    targets = [f"{kind.key}.{item.name}" for item in kind.fields]
    for section in kind.sections:
        head = f"{section.name}[]" if section.many else section.name
        targets += [f"{head}.{item.name}" for item in section.fields]
    return targets


class _Planner:
    """One output on its way to a plan; problems are collected, the sound rules go on."""

    def __init__(
        self, output: Output, kind: Kind, each: Path, tests: tuple[Holds, ...], setup: Setup
    ) -> None:
        self.output = output
        self.kind = kind
        self.each = each
        self.tests = tests
        self.setup = setup
        self.problems: list[RuleProblem] = []

    def plan(self) -> tuple[Plan, list[RuleProblem]]:
        candidates = list(self._candidates())
        header = [each for each in candidates if each.section is None]
        self._check_complete(self.kind.fields, header, f"{self.kind.key}.", "")
        ready = self._single(header)
        sections = [
            (section.name, self._single([each for each in candidates if each.section is section]))
            for section in self.kind.sections
            if not section.many
        ]
        plan = Plan(
            key=self.output.key,
            kind=self.kind.key,
            each=self.output.each,
            read_each=reader(self.each) if self.each.keys else None,
            tests=self.tests,
            currencies=tuple(each for each in ready if each.field.type == "currency"),
            header=tuple(each for each in ready if each.field.type != "currency"),
            sections=tuple(section for section in sections if section[1]),
            lists=tuple(self._lists(candidates)),
        )
        return plan, sorted(self.problems, key=lambda problem: (problem.rule is None, problem.rule or 0))

    def _candidates(self) -> Iterator[Candidate]:
        for index, rule in enumerate(self.output.rules):
            try:
                yield self._candidate(index, rule)
            except (Problems, PathError) as error:
                self._report(error, index, rule.target)

    def _candidate(self, index: int, rule: Rule) -> Candidate:
        section, found = find_target(self.kind, rule.target)
        steps = [TRANSFORMS.get(step.name) for step in rule.via]
        source = parse_path(rule.source)
        if not rule.source and not (steps and steps[0] is not None and steps[0].supplies):
            raise Problems("Pick a source, or begin with the step Constant, Setting, Default, Join or If")
        takes_list = any(step is not None and step.takes_list for step in steps)
        return Candidate(index, rule, found, section, source, takes_list)

    def _report(self, error: Exception, index: int | None, target: str) -> None:
        messages = error.messages if isinstance(error, Problems) else (str(error),)
        self.problems += [RuleProblem(self.output.key, index, target, message) for message in messages]

    def _single(self, candidates: list[Candidate]) -> tuple[Assignment, ...]:
        """Rules of the header or of a single section; each target once."""
        seen: set[str] = set()
        for candidate in candidates:
            if candidate.field.name in seen:
                message = f"{candidate.rule.target} already has a rule"
                self._report(Problems(message), candidate.index, candidate.rule.target)
            seen.add(candidate.field.name)
        return tuple(self._assignments(candidates, _NOTHING))

    def _lists(self, candidates: list[Candidate]) -> Iterator[ListPlan]:
        for section in self.kind.sections:
            rules = [each for each in candidates if each.section is section]
            if section.many:
                for group in group_candidates(rules):
                    yield self._list(section, group)

    def _list(self, section: Section, group: Group) -> ListPlan:
        seen: set[str] = set()
        for candidate in group.candidates:
            if candidate.field.name in seen:
                message = f"{candidate.rule.target} already has a rule for {group.prefix}"
                self._report(Problems(message), candidate.index, candidate.rule.target)
            seen.add(candidate.field.name)
        self._check_complete(section.fields, group.candidates, f"{section.name}[].", str(group.prefix))
        assignments = tuple(self._assignments(group.candidates, group.prefix))
        return ListPlan(section.name, group.prefix, reader(Path(group.prefix.keys)), assignments)

    def _check_complete(
        self, fields: tuple[Field, ...], candidates: list[Candidate], head: str, prefix: str
    ) -> None:
        ruled = {candidate.field.name for candidate in candidates}
        where = f" for the items of {prefix}" if prefix else ""
        for item in fields:
            target = head + item.name
            broken = any(each.target == target and each.rule is not None for each in self.problems)
            if item.required and item.name not in ruled and not broken:
                self._report(Problems(f"{item.label} is required{where}, but has no rule"), None, target)

    def _assignments(self, candidates: list[Candidate], prefix: Path) -> Iterator[Assignment]:
        for candidate in candidates:
            try:
                yield self._assignment(candidate, prefix)
            except (Problems, PathError) as error:
                self._report(error, candidate.index, candidate.rule.target)

    def _assignment(self, candidate: Candidate, prefix: Path) -> Assignment:
        place = self._locate(candidate.source, prefix)
        return Assignment(
            index=candidate.index,
            rule=candidate.rule,
            field=candidate.field,
            currency_target=f"{self.kind.key}.{candidate.field.currency_field}",
            place=place,
            read=scope_reader(place) if candidate.rule.source else _read_nothing,
            steps=self._steps(candidate, prefix, many=place.path.many),
            cast=cast_for(candidate.field, self.setup.zone),
        )

    def _locate(self, path: Path, prefix: Path) -> Place:
        return _locate(path, prefix, nested=bool(self.each.keys))

    def _steps(self, candidate: Candidate, prefix: Path, *, many: bool) -> tuple[ReadyStep, ...]:
        """Before the step that takes a list, steps work item by item."""
        ready: list[ReadyStep] = []
        messages: list[str] = []
        for step in candidate.rule.via:
            try:
                made = self._step(step, candidate.field, prefix)
            except (Problems, BadParam, PathError) as error:
                messages += error.messages if isinstance(error, Problems) else (str(error),)
                continue
            if many and not TRANSFORMS[step.name].takes_list:
                made = made._replace(apply=_item_by_item(made), takes_nothing=False)
            elif many:
                many = False
            ready.append(made)
        if many and not messages:
            messages.append(
                f"{candidate.rule.source} is a list; add Sum, Count, First, Last or Join to make it one value"
            )
        if messages:
            raise Problems(*messages)
        return tuple(ready)

    def _step(self, step: Step, target: Field, prefix: Path) -> ReadyStep:
        transform = TRANSFORMS.get(step.name)
        if transform is None:
            raise Problems(f"'{step.name}' is not a step we know")
        params, messages = check_params(transform, step.params)
        if messages:
            raise Problems(*messages)
        context = TransformContext(
            zone=self.setup.zone,
            settings=self.setup.settings,
            lookups=self.setup.lookups,
            currency_field=target.currency_field,
            read=self._param_reader(step, prefix),
        )
        return ReadyStep(step.name, transform.make(params, context), transform.takes_nothing)

    def _param_reader(self, step: Step, prefix: Path) -> Callable[[Path], ScopeRead]:
        def read(path: Path) -> ScopeRead:
            place = self._locate(path, prefix)
            if place.path.many and step.name not in _READ_LISTS:
                raise BadParam(f"{path} is a list; pick a single value")
            return scope_reader(place)

        return read


def group_candidates(candidates: list[Candidate]) -> list[Group]:
    """Group the rules of a list section by the list they iterate, in order of first use.

    A rule without a list (a constant, a value of the record) joins the group of the rule before it;
    before any list rule it joins the next; where its target is already set it opens a group of one item.
    """
    plain = [each.source.list_prefix() for each in candidates if not each.takes_list and each.source.many]
    groups: list[Group] = []
    current: Group | None = None
    for candidate in candidates:
        current = _home(candidate, _prefix(candidate, plain), groups, current)
        current.candidates.append(candidate)
    return groups


def _prefix(candidate: Candidate, plain: list[Path]) -> Path:
    """Which list the rule iterates; one that ends in a list step leaves its last list to that step."""
    source = candidate.source
    if not candidate.takes_list:
        return source.list_prefix()
    known = max(
        (path for path in plain if source.starts_with(path)), key=lambda path: len(path.keys), default=None
    )
    if known is not None:
        return known
    last = source.list_prefix().keys
    return Path(last[:-1], source.up).list_prefix()


def _home(candidate: Candidate, prefix: Path, groups: list[Group], current: Group | None) -> Group:
    name = candidate.field.name
    if prefix.keys:
        for group in groups:
            if group.prefix == prefix:
                return group
        if current is not None and not current.prefix.keys and not current.sets(name):
            current.prefix = prefix
            return current
    elif current is not None and not current.sets(name):
        return current
    groups.append(Group(prefix if prefix.keys else _NOTHING))
    return groups[-1]


def _read_nothing(scope: Scope) -> None:
    return None


def _item_by_item(step: ReadyStep) -> Apply:
    apply, takes_nothing = step.apply, step.takes_nothing

    def apply_each(values: Any, scope: Scope) -> list[Any]:
        return [apply(value, scope) if value is not None or takes_nothing else None for value in values]

    return apply_each


def with_rule(output: Output, rule: Rule) -> tuple[Output, int]:
    """(the output holding `rule`, its index); a rule not there yet is added at the end."""
    if rule in output.rules:
        return output, output.rules.index(rule)
    return replace(output, rules=(*output.rules, rule)), len(output.rules)
