"""Mapping rules in words (mapping): what a rule says, and what differs between two versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from integrations.conditions import OPERATORS
from integrations.rules import Condition, Output, Rule, Step
from integrations.transforms import TRANSFORMS, Param
from ledgerhub.ledger.kinds import KINDS


class RuleChange(NamedTuple):
    """One difference between two versions: `what` is added, removed, changed or moved."""

    document: str
    what: str
    target: str
    before: str
    after: str


def kind_label(kind: str) -> str:
    """`credit_note` -> `Credit note`; a kind nobody knows by its own name."""
    known = KINDS.get(kind)
    return known.label if known else kind


def output_label(output: Output, outputs: Iterable[Output] = ()) -> str:
    """What a tab is called: the kind, and the key where two outputs make the same kind."""
    label = kind_label(output.kind)
    same = [other for other in outputs if other.kind == output.kind]
    return f"{label} ({output.key})" if len(same) > 1 else label


def target_label(kind: str, target: str) -> str:
    """`lines[].tax` -> `Lines: Tax`, `invoice.total` -> `Total`."""
    known = KINDS.get(kind)
    head, _, name = target.partition(".")
    if known is None:
        return target
    section = next((each for each in known.sections if each.name == head.removesuffix("[]")), None)
    fields = section.fields if section else known.fields
    label = next((field.label for field in fields if field.name == name), "")
    if not label:
        return target or "(no target)"
    return f"{section.label}: {label}" if section else label


def text_of(value: Any) -> str:
    """A constant as it is typed into a form: yes/no as true/false, nothing as empty text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def rule_words(rule: Rule) -> str:
    """`created_at, then ISO date`; `Constant 'sales'`."""
    steps = [step_words(step) for step in rule.via if step.name != "as_is"]
    parts = ([rule.source] if rule.source else []) + steps
    return ", then ".join(parts) or "nothing"


def step_words(step: Step) -> str:
    """`Map values (paid → paid, pending → draft; otherwise an error)`."""
    transform = TRANSFORMS.get(step.name)
    if transform is None:
        return step.name
    said = [words for param in transform.params if (words := _param_words(param, step.params))]
    return f"{transform.label} ({'; '.join(said)})" if said else transform.label


def condition_words(condition: Condition) -> str:
    """`total_refunded is greater than 0`."""
    label = OPERATORS.get(condition.op, (condition.op, None))[0]
    values = ", ".join(f"'{text_of(value)}'" for value in condition.values)
    return " ".join(filter(None, (condition.path, label, values)))


def diff(before: Iterable[Output], after: Iterable[Output]) -> list[RuleChange]:
    """What the second set of rules says differently; values of another type but the same text are equal."""
    old, new = {each.key: each for each in before}, {each.key: each for each in after}
    found: list[RuleChange] = []
    for key, output in new.items():
        label = output_label(output, new.values())
        if key not in old:
            found.append(RuleChange(label, "added", "The whole document", "", _rules(len(output.rules))))
        else:
            found += _output_changes(label, old[key], output)
    found += [
        RuleChange(output_label(output, old.values()), "removed", "The whole document", "made", "")
        for key, output in old.items()
        if key not in new
    ]
    return found


def _rules(count: int) -> str:
    return "1 rule" if count == 1 else f"{count} rules"


def _output_changes(label: str, old: Output, new: Output) -> Iterator[RuleChange]:
    for name, left, right in (
        ("Kind of document", kind_label(old.kind), kind_label(new.kind)),
        ("One document for each", old.each or "record", new.each or "record"),
        ("Only when", _when_words(old), _when_words(new)),
    ):
        if left != right:
            yield RuleChange(label, "changed", name, left, right)
    yield from _rule_changes(label, old, new)


def _when_words(output: Output) -> str:
    return " and ".join(condition_words(each) for each in output.when) or "always"


def _rule_changes(label: str, old: Output, new: Output) -> Iterator[RuleChange]:
    """Rules are told apart by target; the second rule of a target is compared with the second."""
    left, right = _by_target(old), _by_target(new)
    for key, rule in right.items():
        name = target_label(new.kind, rule.target)
        if key not in left:
            yield RuleChange(label, "added", name, "", rule_words(rule))
        elif rule_words(left[key]) != rule_words(rule):
            yield RuleChange(label, "changed", name, rule_words(left[key]), rule_words(rule))
    for key, rule in left.items():
        if key not in right:
            yield RuleChange(label, "removed", target_label(old.kind, rule.target), rule_words(rule), "")
    common = [key for key in left if key in right]
    if common != [key for key in right if key in left]:
        yield RuleChange(label, "moved", "Order of the rules", "", "changed")


def _by_target(output: Output) -> dict[tuple[str, int], Rule]:
    found: dict[tuple[str, int], Rule] = {}
    for rule in output.rules:
        count = sum(target == rule.target for target, _ in found)
        found[rule.target, count] = rule
    return found


def _param_words(param: Param, given: dict[str, Any]) -> str:
    """A parameter that was set, in words; what stands at its default is not mentioned."""
    value = given.get(param.name)
    if value is None or value == param.default or (value == "" and param.type == "path"):
        return "otherwise an error" if param.type == "otherwise" else ""
    if param.type == "otherwise":
        return "otherwise keep" if value == "keep" else f"otherwise {_otherwise(value)}"
    if param.type == "value_map" and isinstance(value, dict):
        return ", ".join(f"{text_of(left) or '(empty)'} → {text_of(right)}" for left, right in value.items())
    if param.type == "condition" and isinstance(value, dict):
        values = value.get("values", ())
        return condition_words(Condition(value.get("path", ""), value.get("op", ""), tuple(values)))
    if param.type == "list_of_paths" and isinstance(value, list | tuple):
        return ", ".join(map(text_of, value))
    return _plain(param, value)


def _plain(param: Param, value: Any) -> str:
    if isinstance(value, dict) and "path" in value:
        shown = str(value["path"])
    elif param.choices:
        shown = next((words for stored, words in param.choices if stored == value), text_of(value))
    else:
        shown = f"'{text_of(value)}'"
    return shown if param.type in ("value", "setting") else f"{param.label.lower()} {shown}"


def _otherwise(value: Any) -> str:
    return f"'{text_of(value['value'])}'" if isinstance(value, dict) and "value" in value else "an error"
