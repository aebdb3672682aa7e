"""Put what is wrong with rules beside the input it is about (mapping editor)."""

from __future__ import annotations

from dataclasses import replace

from integrations.mapping import MappingContext, RuleProblem, check_mapping
from integrations.mapping_forms import (
    OutputForm,
    RuleRow,
    StepRow,
    condition_of,
    params_of,
    required_targets,
)
from integrations.paths import PathError, parse_path
from integrations.planning import all_targets
from integrations.rules import Output, Rule
from integrations.transforms import TRANSFORMS, check_params
from ledgerhub.ledger.kinds import KINDS


def mark(form: OutputForm, output: Output, found: list[RuleProblem], context: MappingContext) -> None:
    """Put each problem of this output beside the row and the input it is about."""
    required = required_targets(form.kind)
    for problem in found:
        if problem.output_key != form.key:
            continue
        if problem.rule is None:
            _mark_output(form, problem, required)
        else:
            _mark_rule(form.rules[problem.rule], output, problem, context)


def _mark_output(form: OutputForm, problem: RuleProblem, required: set[str]) -> None:
    if problem.target in required:
        form.missing.append((problem.target, problem.message))
        return
    for row in form.whens:
        alone = Output(form.key, form.kind, (), form.each, (condition_of(replace(row, errors=[])),))
        if any(each.message == problem.message and not each.target for each in check_mapping([alone])):
            row.errors.append(problem.message)
            return
    form.errors.append(problem.message)


def _mark_rule(row: RuleRow, output: Output, problem: RuleProblem, context: MappingContext) -> None:
    message = problem.message
    for step in row.steps:
        if _mark_step(step, message):
            return
    place = _place_of(row, output, problem, context)
    if place == "target":
        row.target_errors.append(message)
    elif place == "source":
        row.source_errors.append(message)
    elif isinstance(place, StepRow):
        place.errors.append(message)
    else:
        row.errors.append(message)


def _mark_step(step: StepRow, message: str) -> bool:
    """Whether the message is about a parameter of this step; it is put beside that input."""
    known = TRANSFORMS.get(step.name)
    if known is None:
        if message == f"'{step.name}' is not a step we know":
            step.errors.append(message)
            return True
        return False
    params = params_of(StepRow("", step.name, [replace(each, errors=[]) for each in step.fields]))
    if message not in check_params(known, params)[1]:
        return False
    quoted = next((each for each in step.fields if f"'{each.param.label}'" in message), None)
    place = step.errors if quoted is None else quoted.errors
    if message not in place:
        place.append(message)
    return True


def _place_of(
    row: RuleRow, output: Output, problem: RuleProblem, context: MappingContext
) -> str | StepRow | None:
    """Which part of a rule a message is about: try the parts one by one."""
    message = problem.message
    if row.target not in _known_targets(output.kind) or "already has a rule" in message:
        return "target"
    try:
        parse_path(row.source)
    except PathError as error:
        if str(error) == message:
            return "source"
    for step, row_step in zip(output.rules[row.number].via, row.steps, strict=False):
        alone = replace(output, rules=(Rule(row.target, row.source, (step,)),))
        if any(each.message == message and each.rule == 0 for each in check_mapping([alone], context)):
            bare = replace(output, rules=(Rule(row.target, row.source),))
            same = any(each.message == message and each.rule == 0 for each in check_mapping([bare], context))
            return "source" if same else row_step
    return "source"


def _known_targets(kind: str) -> list[str]:
    known = KINDS.get(kind)
    return all_targets(known) if known else []
