"""What a transform is (mapping): name, words for the form, typed parameters, and how it is made ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal, Protocol
from zoneinfo import ZoneInfo

from integrations.casting import Unusable, to_integer, to_number
from integrations.paths import Path, PathError, Scope, ScopeRead, parse_path

# How one parameter is asked for in a form and stored in a rule:
#   path, list_of_paths  text, list of text       choice     one of `choices`
#   value_map            {from: to}               condition  {"path", "op", "values"}
#   value                a constant               operand    a number, a path, or {"path": path}
#   setting              name of a setting        branch     a constant or {"path": path}
#   otherwise            "error", "keep" or {"value": constant}
ParamType = Literal[
    "text",
    "integer",
    "decimal",
    "boolean",
    "choice",
    "path",
    "list_of_paths",
    "value",
    "operand",
    "branch",
    "value_map",
    "otherwise",
    "condition",
    "setting",
]
ValueType = Literal["anything", "text", "number", "date", "list"]
Params = Mapping[str, Any]
Apply = Callable[[Any, Scope], Any]

MAX_PARAM_TEXT: Final = 1_000


class BadParam(ValueError):
    """A parameter that cannot be used; str() is fit to show next to the rule."""


class Lookups(Protocol):
    """What the books know; each gives the text to store, or None where nothing matches."""

    def contact(self, by: str, value: str) -> str | None: ...

    def item(self, by: str, value: str) -> str | None: ...

    def account(self, by: str, value: str) -> str | None: ...

    def account_there(self, at: str) -> str:
        """Our account for a place of theirs (standing.At); raises Unusable in words with what to do."""
        ...


@dataclass(frozen=True, slots=True)
class TransformContext:
    """What a transform may use when it is made: the organization, the books, and paths of its rule."""

    zone: ZoneInfo
    settings: Mapping[str, Any]
    lookups: Lookups
    currency_field: str
    read: Callable[[Path], ScopeRead]


Make = Callable[[Params, TransformContext], Apply]


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter; `choices` are (stored value, words) pairs."""

    name: str
    type: ParamType
    label: str
    help: str = ""
    required: bool = False
    default: Any = None
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Transform:
    """One step of a rule. `make` turns checked parameters into a function (value, scope) -> value.

    The function raises Unusable in words. It never sees None unless `takes_nothing`, and sees a whole
    list only where `takes_list`; before other steps a list is passed item by item.
    """

    name: str
    label: str
    help: str
    make: Make
    params: tuple[Param, ...] = ()
    accepts: tuple[ValueType, ...] = ("anything",)
    gives: ValueType = "anything"
    takes_nothing: bool = False
    supplies: bool = False

    @property
    def takes_list(self) -> bool:
        return "list" in self.accepts


def simple(function: Callable[[Any], Any]) -> Make:
    """`make` for a transform without parameters."""
    return lambda params, context: lambda value, scope: function(value)


def check_params(transform: Transform, given: Params) -> tuple[dict[str, Any], list[str]]:
    """(parameters with defaults, what is wrong in words)."""
    known = {param.name for param in transform.params}
    problems = [f"'{transform.label}' has no parameter '{name}'" for name in given if name not in known]
    clean: dict[str, Any] = {}
    for param in transform.params:
        value = given.get(param.name)
        clean[param.name] = param.default
        if _left_out(param, given):
            if param.required:
                problems.append(f"'{transform.label}' needs '{param.label}'")
            continue
        try:
            clean[param.name] = _CHECKS[param.type](value, param)
        except (BadParam, PathError, Unusable) as error:
            problems.append(f"'{param.label}' of '{transform.label}': {error}")
    return clean, problems


def _left_out(param: Param, given: Params) -> bool:
    """Empty text counts as given where it means something: a constant, a separator."""
    value = given.get(param.name)
    if param.type == "value":
        return param.name not in given
    return value is None or (value == "" and (param.required or param.type != "text"))


def _check_text(value: Any, param: Param) -> str:
    if not isinstance(value, str):
        raise BadParam("must be text")
    if len(value) > MAX_PARAM_TEXT:
        raise BadParam(f"may have at most {MAX_PARAM_TEXT} characters")
    return value


def _check_integer(value: Any, param: Param) -> int:
    return to_integer(value)


def _check_decimal(value: Any, param: Param) -> Decimal:
    return to_number(value)


def _check_boolean(value: Any, param: Param) -> bool:
    if not isinstance(value, bool):
        raise BadParam("must be yes or no")
    return value


def _check_choice(value: Any, param: Param) -> str:
    stored = [choice for choice, _ in param.choices]
    if value not in stored:
        raise BadParam(f"must be one of {', '.join(repr(choice) for choice in stored)}")
    return str(value)


def _check_path(value: Any, param: Param) -> Path:
    return parse_path(_check_text(value, param))


def _check_paths(value: Any, param: Param) -> list[Path]:
    if not isinstance(value, list | tuple):
        raise BadParam("must be a list of paths")
    return [_check_path(path, param) for path in value]


def _check_value(value: Any, param: Param) -> Any:
    if isinstance(value, float):
        return to_number(value)
    if value is None or isinstance(value, str | bool | int | Decimal):
        return value
    raise BadParam("must be one value")


def _check_branch(value: Any, param: Param) -> Any:
    """A constant as itself, {"path": ...} as a Path."""
    if isinstance(value, dict):
        if set(value) != {"path"}:
            raise BadParam('must be a value or {"path": path}')
        return _check_path(value["path"], param)
    return _check_value(value, param)


def _check_operand(value: Any, param: Param) -> Decimal | Path:
    """Text that is no number is a path."""
    if isinstance(value, dict):
        return _check_branch(value, param)  # type: ignore[no-any-return]
    if isinstance(value, str):
        try:
            return to_number(value)
        except Unusable:
            return _check_path(value, param)
    return to_number(value)


def _check_map(value: Any, param: Param) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise BadParam("needs at least one pair of values")
    return {_check_text(key, param): _check_value(to, param) for key, to in value.items()}


def _check_otherwise(value: Any, param: Param) -> Any:
    if value in ("error", "keep"):
        return value
    if isinstance(value, dict) and set(value) == {"value"}:
        return {"value": _check_value(value["value"], param)}
    raise BadParam('must be "error", "keep" or {"value": ...}')


def _check_condition(value: Any, param: Param) -> dict[str, Any]:
    """Shape only; the operator is checked where the condition is compiled."""
    if not isinstance(value, dict) or not set(value) <= {"path", "op", "values"}:
        raise BadParam("must have a path, an operator and values")
    values = value.get("values", ())
    if not isinstance(values, list | tuple):
        raise BadParam("the values must be a list")
    _check_path(value.get("path", ""), param)
    return {
        "path": value.get("path", ""),
        "op": value.get("op", ""),
        "values": tuple(_check_value(each, param) for each in values),
    }


_CHECKS: Final[dict[str, Callable[[Any, Param], Any]]] = {
    "text": _check_text,
    "setting": _check_text,
    "integer": _check_integer,
    "decimal": _check_decimal,
    "boolean": _check_boolean,
    "choice": _check_choice,
    "path": _check_path,
    "list_of_paths": _check_paths,
    "value": _check_value,
    "branch": _check_branch,
    "operand": _check_operand,
    "value_map": _check_map,
    "otherwise": _check_otherwise,
    "condition": _check_condition,
}
