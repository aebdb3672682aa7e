"""Parameters of steps in forms (mapping editor): stored value <-> inputs, one pair of functions a type."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from integrations.rule_words import text_of
from integrations.transforms import Param
from integrations.transforms.base import MAX_PARAM_TEXT

# The inputs of a form as a tree: `rule-3-step-0-with-by` is tree["rule"]["3"]["step"]["0"]["with"]["by"].
Entered = dict[str, Any]

LEFT_OUT: Final = object()
MAX_PAIRS: Final = 500
_NAME: Final = re.compile(r"[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*")


class Unreadable(ValueError):
    """What was typed cannot be stored; str() is fit to show beside the input."""


@dataclass
class ParamField:
    """One parameter as inputs. Which parts are used depends on its type:

    `text` for one input; `mode` and `text` for "otherwise" and branches; `pairs` for a value map;
    `path`, `op` and `text` (values, one a line) for a condition. `id` is for both ids and names.
    """

    param: Param
    id: str
    text: str = ""
    mode: str = ""
    path: str = ""
    op: str = ""
    pairs: list[tuple[str, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def entered(post: Mapping[str, str]) -> Entered:
    """Names with dashes to a tree; a NUL, which no database keeps, is taken out."""
    tree: Entered = {}
    for name, text in post.items():
        if not _NAME.fullmatch(name):
            continue
        *parents, last = name.split("-")
        node = tree
        for part in parents:
            child = node.get(part)
            if not isinstance(child, dict):
                child = node[part] = {}
            node = child
        if not isinstance(node.get(last), dict):
            node[last] = text.replace("\0", "")
    return tree


def numbered(tree: Entered, name: str, *, most: int) -> list[Entered]:
    """The entries `name-0`, `name-1` ... in order of their numbers."""
    found = tree.get(name)
    if not isinstance(found, dict):
        return []
    numbers = sorted(int(key) for key in found if key.isdigit() and len(key) < 6)
    return [found[str(number)] for number in numbers if isinstance(found.get(str(number)), dict)][:most]


def text_at(tree: Entered, name: str) -> str:
    value = tree.get(name)
    return value if isinstance(value, str) else ""


def from_stored(param: Param, id: str, params: Mapping[str, Any]) -> ParamField:
    """The inputs that show what a rule has stored; the default where it has nothing."""
    shown = ParamField(param, id)
    value = params.get(param.name, param.default)
    _WRITERS.get(param.type, _write_text)(shown, value)
    return shown


def from_entered(param: Param, id: str, tree: Entered) -> ParamField:
    """The inputs as they were sent."""
    shown = ParamField(param, id)
    given = tree.get(param.name)
    if isinstance(given, dict):
        shown.text, shown.mode = text_at(given, "text"), text_at(given, "mode")
        shown.path, shown.op = text_at(given, "path").strip(), text_at(given, "op")
        pairs = numbered(given, "pair", most=MAX_PAIRS)
        shown.pairs = [(text_at(pair, "from"), text_at(pair, "to")) for pair in pairs]
    else:
        shown.text = text_at(tree, param.name)
    return shown


def value_of(shown: ParamField) -> Any:
    """What to store, LEFT_OUT where nothing was given. Raises Unreadable."""
    _check_length(shown)
    return _READERS[shown.param.type](shown)


def _check_length(shown: ParamField) -> None:
    texts = [shown.path, *(text for pair in shown.pairs for text in pair)]
    texts += lines(shown.text) if shown.param.type in ("list_of_paths", "condition") else [shown.text]
    too_long = next((text for text in texts if len(text) > MAX_PARAM_TEXT), None)
    if too_long is not None:
        raise Unreadable(f"A value has {len(too_long):,} characters; at most {MAX_PARAM_TEXT:,} are possible")


def lines(text: str) -> list[str]:
    """The lines of a text area, blank ones left out."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def as_lines(values: Iterable[Any]) -> str:
    return "\n".join(map(text_of, values))


# ── stored value -> inputs ──────────────────────────────────────────────────────────────────────────


def _write_text(shown: ParamField, value: Any) -> None:
    path = value.get("path") if isinstance(value, dict) else None
    shown.text = text_of(value if path is None else path)


def _write_paths(shown: ParamField, value: Any) -> None:
    shown.text = as_lines(value) if isinstance(value, list | tuple) else text_of(value)


def _write_branch(shown: ParamField, value: Any) -> None:
    shown.mode = "path" if isinstance(value, dict) else "value"
    _write_text(shown, value)


def _write_otherwise(shown: ParamField, value: Any) -> None:
    if isinstance(value, dict):
        shown.mode, shown.text = "value", text_of(value.get("value"))
    else:
        shown.mode = "keep" if value == "keep" else "error"


def _write_map(shown: ParamField, value: Any) -> None:
    if isinstance(value, dict):
        shown.pairs = [(text_of(left), text_of(right)) for left, right in value.items()]


def _write_condition(shown: ParamField, value: Any) -> None:
    shown.op = "equals"
    if isinstance(value, dict):
        shown.path, shown.op = text_of(value.get("path")), text_of(value.get("op"))
        shown.text = as_lines(value.get("values") or ())


_WRITERS: Final[dict[str, Callable[[ParamField, Any], None]]] = {
    "list_of_paths": _write_paths,
    "branch": _write_branch,
    "otherwise": _write_otherwise,
    "value_map": _write_map,
    "condition": _write_condition,
}

# ── inputs -> stored value ──────────────────────────────────────────────────────────────────────────


def _read_text(shown: ParamField) -> Any:
    return shown.text


def _read_word(shown: ParamField) -> Any:
    return shown.text.strip() or LEFT_OUT


def _read_integer(shown: ParamField) -> Any:
    text = shown.text.strip()
    if not text:
        return LEFT_OUT
    try:
        return int(text)
    except ValueError:
        raise Unreadable(f"'{text[:40]}' is not a whole number") from None


def _read_boolean(shown: ParamField) -> Any:
    return shown.text in ("true", "on")


def _read_paths(shown: ParamField) -> Any:
    return lines(shown.text) or LEFT_OUT


def _read_branch(shown: ParamField) -> Any:
    if shown.mode == "path":
        return {"path": shown.text.strip()}
    return shown.text if shown.text else LEFT_OUT


def _read_otherwise(shown: ParamField) -> Any:
    return {"value": shown.text} if shown.mode == "value" else shown.mode or LEFT_OUT


def _read_map(shown: ParamField) -> Any:
    given = [pair for pair in shown.pairs if any(pair)]
    values = dict(given)
    if len(values) < len(given):
        names = [left for left, _ in given]
        twice = next(name for name in names if names.count(name) > 1)
        raise Unreadable(f"'{twice[:40]}' is listed twice; keep one of the rows")
    return values or LEFT_OUT


def _read_condition(shown: ParamField) -> Any:
    return {"path": shown.path, "op": shown.op, "values": lines(shown.text)}


_READERS: Final[dict[str, Callable[[ParamField], Any]]] = {
    "text": _read_text,
    "value": _read_text,
    "setting": _read_word,
    "choice": _read_text,
    "path": _read_word,
    "operand": _read_word,
    "decimal": _read_word,
    "integer": _read_integer,
    "boolean": _read_boolean,
    "list_of_paths": _read_paths,
    "branch": _read_branch,
    "otherwise": _read_otherwise,
    "value_map": _read_map,
    "condition": _read_condition,
}
