"""Mapping rules as data: what a connector gives as defaults and what the mapping editor stores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Step:
    """One named transform with its parameters."""

    name: str
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """target <- source through steps; `source` may be empty where the first step supplies the value."""

    target: str
    source: str = ""
    via: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """A test on the record; `op` is one of equals, not_equals, in, not_in, exists, empty, greater, less."""

    path: str
    op: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """One document a record becomes; `each` opens a list (`refunds[]`), all of `when` must hold."""

    key: str
    kind: str
    rules: tuple[Rule, ...]
    each: str = ""
    when: tuple[Condition, ...] = ()


def step(name: str, /, **params: Any) -> Step:
    """`step("setting", name="gateway")`: the transform's name stands apart from its parameters."""
    return Step(name, params)


def rule(target: str, source: str = "", *via: Step | str) -> Rule:
    """`rule("invoice.date", "created_at", "iso_date")`; a bare string is a step without parameters."""
    return Rule(target, source, tuple(Step(item) if isinstance(item, str) else item for item in via))


def known(**groups: str) -> Step:
    """`known(succeeded="COMPLETED", pending="APPROVED PENDING")`: their words for each of ours; what is not
    among them waits for a person."""
    values = {theirs: ours for ours, words in groups.items() for theirs in words.split()}
    return step("map_values", values=values)


def same(target: str, source: str, names: str, *via: Step | str) -> tuple[Rule, ...]:
    """Rules for what the record names as we do, or nearly: `same("tenders[]", "payments[]", "external_id=id
    amount")`, all through the same steps; `source` may be empty, or `^` for the parent record."""
    path = f"{source}." if source.strip("^") else source
    pairs = [(ours, theirs or ours) for ours, _, theirs in (name.partition("=") for name in names.split())]
    return tuple(rule(f"{target}.{ours}", f"{path}{theirs}", *via) for ours, theirs in pairs)


def facts(
    kind: str,
    gateway: str,
    *total_via: Step | str,
    total: str,
    at: str,
    currency: str = "currency",
    currency_via: tuple[str, ...] = (),
    id: str = "id",
    form: str = "iso",
) -> tuple[Rule, ...]:
    """What every document of moved money says in the same way: its id, when it moved (`form`: iso or epoch),
    how much of which currency, and who holds it (not said where `gateway` is empty)."""
    held = (rule(f"{kind}.gateway", "", step("constant", value=gateway)),) if gateway else ()
    return (
        rule(f"{kind}.external_id", id),
        rule(f"{kind}.date", at, f"{form}_date"),
        rule(f"{kind}.occurred_at", at, f"{form}_instant"),
        rule(f"{kind}.currency", currency, *currency_via),
        rule(f"{kind}.total", total, *total_via),
        *held,
    )


def journal(facts: str, currency: str, *via: Step | str, source: str = "lines[].role") -> tuple[Rule, ...]:
    """A journal entry in one currency, its `facts` as `same` names them: lines with amounts, debits positive,
    each on the account of the role that `source` comes to, some with a `name`."""
    return (
        *same("journal_entry", "", facts),
        rule("journal_entry.currency", "", step("constant", value=currency)),
        rule("lines[].account", source, *via, step("lookup_account", by="role")),
        rule("lines[].amount", "lines[].amount"),
        rule("lines[].description", "lines[].name"),
    )


def outputs_to_dict(outputs: tuple[Output, ...]) -> dict[str, Any]:
    """The JSON a MappingVersion stores."""
    return {
        "outputs": [
            {
                "key": output.key,
                "kind": output.kind,
                "each": output.each,
                "when": [{"path": c.path, "op": c.op, "values": list(c.values)} for c in output.when],
                "rules": [
                    {
                        "target": item.target,
                        "source": item.source,
                        "via": [{"name": s.name, "params": s.params} for s in item.via],
                    }
                    for item in output.rules
                ],
            }
            for output in outputs
        ]
    }


def outputs_from_dict(data: dict[str, Any]) -> tuple[Output, ...]:
    """Inverse of `outputs_to_dict`."""
    return tuple(
        Output(
            key=output["key"],
            kind=output["kind"],
            each=output.get("each", ""),
            when=tuple(
                Condition(c["path"], c["op"], tuple(c.get("values", ()))) for c in output.get("when", ())
            ),
            rules=tuple(
                Rule(
                    item["target"],
                    item.get("source", ""),
                    tuple(Step(s["name"], dict(s.get("params", {}))) for s in item.get("via", ())),
                )
                for item in output["rules"]
            ),
        )
        for output in data["outputs"]
    )
