"""Transforms of text (mapping); patterns run in RE2, so none can backtrack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import re2

from integrations.casting import Unusable, quote, to_text
from integrations.transforms.base import Apply, BadParam, Make, Param, Params, Transform, TransformContext

MAX_JOINED: Final = 1_000  # items; more is a mistake in the path
_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 1 << 20


def _changed(change: Callable[[str], str]) -> Make:
    def apply(value: Any, scope: object) -> str | None:
        text = to_text(value)
        return None if text is None else change(text) or None

    return lambda params, context: apply


def _join(params: Params, context: TransformContext) -> Apply:
    separator = params["separator"]
    reads = [context.read(path) for path in params["paths"]]

    def apply(value: Any, scope: Any) -> str | None:
        parts = _texts(value)
        for read in reads:
            parts += _texts(read(scope))
        return separator.join(parts) or None

    return apply


def _texts(value: Any) -> list[str]:
    """The texts of a value or of a list of them, without the empty ones."""
    if not isinstance(value, list):
        text = to_text(value)
        return [] if text is None else [text]
    if len(value) > MAX_JOINED:
        raise Unusable(f"A list of {len(value)} items is too long to join")
    return [text for item in value if (text := to_text(item)) is not None]


def _split(params: Params, context: TransformContext) -> Apply:
    separator, index = params["separator"], params["index"]

    def apply(value: Any, scope: object) -> str | None:
        text = to_text(value)
        if text is None:
            return None
        parts = text.split(separator)
        return parts[index].strip() or None if -len(parts) <= index < len(parts) else None

    return apply


def _extract(params: Params, context: TransformContext) -> Apply:
    try:
        pattern = re2.compile(params["pattern"], _OPTIONS)
    except (re2.error, UnicodeError) as error:
        raise BadParam(f"'{params['pattern']}' is not a pattern we can use: {_reason(error)}") from None
    group = params["group"] if params["group"] is not None else min(1, pattern.groups)
    if not 0 <= group <= pattern.groups:
        raise BadParam(f"the pattern has {pattern.groups} groups in parentheses, so not group {group}")

    def apply(value: Any, scope: object) -> str | None:
        text = to_text(value)
        if text is None:
            return None
        found = pattern.search(text)
        return (found.group(group) or None) if found else None

    return apply


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


def _replace(params: Params, context: TransformContext) -> Apply:
    find, replacement = params["find"], params["with"]

    def apply(value: Any, scope: object) -> str | None:
        text = to_text(value)
        if text is None:
            return None
        if replacement and text.count(find) * len(replacement) > 1_000_000:
            raise Unusable(f"Replacing in {quote(text)} would make a text of over a million characters")
        return text.replace(find, replacement) or None

    return apply


def _transform(name: str, label: str, help_text: str, make: Make, *params: Param) -> Transform:
    return Transform(name, label, help_text, make, params, accepts=("text", "number", "date"), gives="text")


TRANSFORMS: Final = (
    _transform("upper", "Upper case", "Turns usd into USD.", _changed(str.upper)),
    _transform("lower", "Lower case", "Turns Ann@X.Test into ann@x.test.", _changed(str.lower)),
    _transform("trim", "Trim", "Takes away spaces at both ends.", _changed(str.strip)),
    Transform(
        "join",
        "Join",
        "Puts this value and others one after another, leaving out empty ones: first and last name.",
        _join,
        params=(
            Param("paths", "list_of_paths", "Further fields", default=()),
            Param("separator", "text", "Between them", default=" "),
        ),
        accepts=("anything", "list"),
        gives="text",
        takes_nothing=True,
        supplies=True,
    ),
    _transform(
        "split",
        "Split",
        "Cuts the text at a separator and takes one part.",
        _split,
        Param("separator", "text", "Separator", required=True),
        Param("index", "integer", "Part", help="0 is the first part, 1 the second, -1 the last", default=0),
    ),
    _transform(
        "extract",
        "Extract by pattern",
        "Takes the part of the text that a regular expression finds; nothing where it finds none.",
        _extract,
        Param("pattern", "text", "Pattern", help=r"For example INV-(\d+)", required=True),
        Param("group", "integer", "Group", help="0 is all that was found; empty: the first group"),
    ),
    _transform(
        "replace",
        "Replace",
        "Replaces every occurrence of one text by another.",
        _replace,
        Param("find", "text", "Find", required=True),
        Param("with", "text", "Replace by", help="Empty takes the text away", default=""),
    ),
)
