"""The mapping editor's form (mapping editor): one output's rules as rows of inputs, read and changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from integrations import mapping_params
from integrations.conditions import OPERATORS
from integrations.mapping_params import LEFT_OUT, Entered, ParamField, Unreadable, numbered, text_at
from integrations.planning import all_targets
from integrations.rule_words import kind_label, target_label
from integrations.rules import Condition, Output, Rule, Step
from integrations.transforms import TRANSFORMS
from ledgerhub.ledger.kinds import KINDS

MAX_RULES: Final = 300
MAX_STEPS: Final = 20
MAX_CONDITIONS: Final = 20
LONGEST: Final = 500


@dataclass
class StepRow:
    """One transform of a rule with its parameters as inputs."""

    id: str
    name: str
    fields: list[ParamField] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    value: str = ""

    @property
    def label(self) -> str:
        known = TRANSFORMS.get(self.name)
        return known.label if known else f"Unknown step '{self.name[:40]}'"

    @property
    def help(self) -> str:
        known = TRANSFORMS.get(self.name)
        return known.help if known else "Take this step away."


@dataclass
class RuleRow:
    """target <- source -> steps, with what is wrong where, and what it gives on the sample record."""

    id: str
    number: int
    target: str = ""
    source: str = ""
    steps: list[StepRow] = field(default_factory=list)
    label: str = ""
    required: bool = False
    opened: bool = False
    target_errors: list[str] = field(default_factory=list)
    source_errors: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    source_value: str = ""
    result: str = ""
    sample_error: str = ""
    notice: str = ""

    @property
    def has_errors(self) -> bool:
        inner = any(step.errors or any(each.errors for each in step.fields) for step in self.steps)
        return bool(self.target_errors or self.source_errors or self.errors or inner)


@dataclass
class WhenRow:
    """One condition of an output; `values` one a line."""

    id: str
    path: str = ""
    op: str = "exists"
    values: str = ""
    errors: list[str] = field(default_factory=list)


@dataclass
class OutputForm:
    """One tab of the editor."""

    key: str
    kind: str
    each: str = ""
    whens: list[WhenRow] = field(default_factory=list)
    rules: list[RuleRow] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)

    @property
    def label(self) -> str:
        return kind_label(self.kind)

    @property
    def has_errors(self) -> bool:
        return self.problem_count > 0

    @property
    def problem_count(self) -> int:
        rows = sum(row.has_errors for row in self.rules) + sum(bool(row.errors) for row in self.whens)
        return rows + len(self.errors) + len(self.missing)


# ── from stored rules ───────────────────────────────────────────────────────────────────────────────


def from_output(output: Output) -> OutputForm:
    """The form that shows stored rules."""
    form = OutputForm(output.key, output.kind, output.each)
    form.whens = [
        WhenRow("", each.path, each.op, mapping_params.as_lines(each.values)) for each in output.when
    ]
    form.rules = [
        RuleRow("", 0, rule.target, rule.source, [_stored_step(step) for step in rule.via])
        for rule in output.rules
    ]
    return _named(form)


def _stored_step(step: Step) -> StepRow:
    known = TRANSFORMS.get(step.name)
    fields = [mapping_params.from_stored(param, "", step.params) for param in known.params] if known else []
    return StepRow("", step.name, fields)


def _named(form: OutputForm) -> OutputForm:
    """Give every row and input its place in the form; labels of the targets."""
    required = required_targets(form.kind)
    for number, when in enumerate(form.whens):
        when.id = f"when-{number}"
    for number, row in enumerate(form.rules):
        row.id, row.number = f"rule-{number}", number
        row.label, row.required = target_label(form.kind, row.target), row.target in required
        for place, step in enumerate(row.steps):
            step.id = f"{row.id}-step-{place}"
            for each in step.fields:
                each.id = f"{step.id}-with-{each.param.name}"
    return form


def required_targets(kind: str) -> set[str]:
    known = KINDS.get(kind)
    if known is None:
        return set()
    found = {f"{known.key}.{item.name}" for item in known.fields if item.required}
    for section in known.sections:
        head = f"{section.name}[]" if section.many else section.name
        found |= {f"{head}.{item.name}" for item in section.fields if item.required}
    return found


# ── from what was sent ──────────────────────────────────────────────────────────────────────────────


def from_post(post: Mapping[str, str], *, key: str) -> OutputForm:
    """The form as it was sent; another kind than before takes its header targets along."""
    tree = mapping_params.entered(post)
    kind = text_at(tree, "kind")
    form = OutputForm(key, kind, text_at(tree, "each").strip())
    form.whens = [_sent_when(each) for each in numbered(tree, "when", most=MAX_CONDITIONS)]
    form.rules = [_sent_rule(each) for each in numbered(tree, "rule", most=MAX_RULES)]
    before = text_at(tree, "kind_before")
    if before and before != kind:
        for row in form.rules:
            head, _, name = row.target.partition(".")
            row.target = f"{kind}.{name}" if head == before else row.target
    return _named(form)


def _sent_when(tree: Entered) -> WhenRow:
    return WhenRow("", text_at(tree, "path").strip(), text_at(tree, "op"), text_at(tree, "values"))


def _sent_rule(tree: Entered) -> RuleRow:
    steps = [_sent_step(each) for each in numbered(tree, "step", most=MAX_STEPS)]
    return RuleRow("", 0, text_at(tree, "target").strip(), text_at(tree, "source").strip(), steps)


def _sent_step(tree: Entered) -> StepRow:
    name = text_at(tree, "name")
    known = TRANSFORMS.get(name)
    given = tree.get("with")
    given = given if isinstance(given, dict) else {}
    fields = [mapping_params.from_entered(param, "", given) for param in known.params] if known else []
    return StepRow("", name, fields)


def to_output(form: OutputForm) -> Output:
    """The rules as data. Texts that cannot be stored are marked on the form, which then `has_errors`."""
    return Output(
        key=form.key,
        kind=form.kind,
        each=_bounded(form.each, form.errors),
        when=tuple(condition_of(row) for row in form.whens if row.path or row.values),
        rules=tuple(_rule(row) for row in form.rules),
    )


def _bounded(text: str, errors: list[str]) -> str:
    if len(text) > LONGEST:
        errors.append(f"This has {len(text):,} characters; at most {LONGEST} are possible")
    return text


def condition_of(row: WhenRow) -> Condition:
    values = [_bounded(value, row.errors) for value in mapping_params.lines(row.values)]
    return Condition(_bounded(row.path, row.errors), row.op, tuple(values))


def _rule(row: RuleRow) -> Rule:
    target, source = _bounded(row.target, row.target_errors), _bounded(row.source, row.source_errors)
    return Rule(target, source, tuple(Step(step.name, params_of(step)) for step in row.steps))


def params_of(step: StepRow) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in step.fields:
        try:
            value = mapping_params.value_of(each)
        except Unreadable as error:
            each.errors.append(str(error))
            continue
        if value is not LEFT_OUT:
            found[each.param.name] = value
    return found


# ── buttons that change rows ────────────────────────────────────────────────────────────────────────


def act(form: OutputForm, action: str, post: Mapping[str, str]) -> OutputForm:
    """Do what a button says (`rule-up:3`, `step-add:3`, `pair-remove:3:1:values:2`); what does not fit
    the form is ignored."""
    name, *places = action.split(":")
    change = _ACTIONS.get(name)
    if change is not None:
        try:
            change(form, places, post)
        except (IndexError, ValueError):
            return form  # a button of a form that has changed since
    return _named(form)


def _rule_at(form: OutputForm, places: list[str]) -> RuleRow:
    return form.rules[_place(places[0], len(form.rules))]


def _step_at(form: OutputForm, places: list[str]) -> StepRow:
    row = _rule_at(form, places)
    row.opened = True
    return row.steps[_place(places[1], len(row.steps))]


def _place(text: str, length: int) -> int:
    place = int(text)
    if not 0 <= place < length:
        raise IndexError
    return place


def _add_rule(form: OutputForm, places: list[str], post: Mapping[str, str]) -> None:
    """Below the given row, or at the end; `rule-add::customer.email` names the target."""
    target = places[1] if len(places) > 1 else ""
    fresh = RuleRow("", 0, target, opened=True)
    if places and places[0]:
        form.rules.insert(_place(places[0], len(form.rules)) + 1, fresh)
    else:
        form.rules.insert(_end_of_section(form, target), fresh)


def _end_of_section(form: OutputForm, target: str) -> int:
    head = target.partition(".")[0]
    same = [place for place, row in enumerate(form.rules, 1) if row.target.partition(".")[0] == head]
    return same[-1] if head and same else len(form.rules)


def _remove_rule(form: OutputForm, places: list[str], post: Mapping[str, str]) -> None:
    form.rules.remove(_rule_at(form, places))


def _moved(rows: list[Any], place: int, by: int) -> None:
    other = place + by
    if 0 <= other < len(rows):
        rows[place], rows[other] = rows[other], rows[place]


def _move_rule(by: int) -> Callable[[OutputForm, list[str], Mapping[str, str]], None]:
    return lambda form, places, post: _moved(form.rules, _place(places[0], len(form.rules)), by)


def _add_step(form: OutputForm, places: list[str], post: Mapping[str, str]) -> None:
    row = _rule_at(form, places)
    row.opened = True
    name = post.get(f"{row.id}-add", "")
    known = TRANSFORMS.get(name)
    if known is not None and len(row.steps) < MAX_STEPS:
        row.steps.append(_stored_step(Step(name)))


def _remove_step(form: OutputForm, places: list[str], post: Mapping[str, str]) -> None:
    step = _step_at(form, places)
    _rule_at(form, places).steps.remove(step)


def _move_step(by: int) -> Callable[[OutputForm, list[str], Mapping[str, str]], None]:
    def move(form: OutputForm, places: list[str], post: Mapping[str, str]) -> None:
        steps = _rule_at(form, places).steps
        _step_at(form, places)
        _moved(steps, _place(places[1], len(steps)), by)

    return move


def _field_at(form: OutputForm, places: list[str]) -> ParamField:
    return next(each for each in _step_at(form, places).fields if each.param.name == places[2])


def _add_pair(form: OutputForm, places: list[str], post: Mapping[str, str]) -> None:
    _field_at(form, places).pairs.append(("", ""))


def _remove_pair(form: OutputForm, places: list[str], post: Mapping[str, str]) -> None:
    pairs = _field_at(form, places).pairs
    del pairs[_place(places[3], len(pairs))]


def _add_when(form: OutputForm, places: list[str], post: Mapping[str, str]) -> None:
    form.whens.append(WhenRow(""))


def _remove_when(form: OutputForm, places: list[str], post: Mapping[str, str]) -> None:
    del form.whens[_place(places[0], len(form.whens))]


_ACTIONS: Final = {
    "rule-add": _add_rule,
    "rule-remove": _remove_rule,
    "rule-up": _move_rule(-1),
    "rule-down": _move_rule(1),
    "step-add": _add_step,
    "step-remove": _remove_step,
    "step-up": _move_step(-1),
    "step-down": _move_step(1),
    "pair-add": _add_pair,
    "pair-remove": _remove_pair,
    "when-add": _add_when,
    "when-remove": _remove_when,
}

# ── what the form offers ────────────────────────────────────────────────────────────────────────────


def operator_choices() -> list[tuple[str, str]]:
    return [(name, label) for name, (label, _) in OPERATORS.items()]


def step_choices() -> list[tuple[str, str]]:
    """(name, label) of every step, by label."""
    return sorted(((name, each.label) for name, each in TRANSFORMS.items()), key=lambda each: each[1])


def target_groups(kind: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """(group, [(target, label)]) for the list of targets; required ones are marked with a star."""
    known = KINDS.get(kind)
    if known is None:
        return []
    required = required_targets(kind)
    groups: dict[str, list[tuple[str, str]]] = {known.label: []}
    labels = {each.name: each.label for each in known.sections}
    for target in all_targets(known):
        group = labels.get(target.partition(".")[0].removesuffix("[]"), known.label)
        star = " *" if target in required else ""
        groups.setdefault(group, []).append((target, target_label(kind, target) + star))
    return list(groups.items())


def fresh_output(kind: str, taken: set[str]) -> Output:
    """A new document with one empty rule for each field it cannot do without."""
    known = KINDS[kind]
    number, key = 1, kind
    while key in taken:
        number += 1
        key = f"{kind}_{number}"
    rules = tuple(Rule(f"{known.key}.{item.name}") for item in known.fields if item.required)
    return Output(key, kind, rules)
