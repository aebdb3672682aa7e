"""Transforms that choose or look up a value (mapping): constants, maps, conditions, the books."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from integrations.casting import Unusable, quote, to_text
from integrations.conditions import compile_condition, condition_problem
from integrations.paths import Path, ScopeRead, parse_path
from integrations.rules import Condition
from integrations.transforms.base import (
    Apply,
    BadParam,
    Make,
    Param,
    Params,
    Transform,
    TransformContext,
    simple,
)

Find = Callable[[str, str], str | None]


def _as_is(value: Any) -> Any:
    return value


def _constant(params: Params, context: TransformContext) -> Apply:
    constant = params["value"]
    return lambda value, scope: constant


def _default(params: Params, context: TransformContext) -> Apply:
    default = params["value"]

    def apply(value: Any, scope: object) -> Any:
        return default if value is None or (value.__class__ is str and not value.strip()) else value

    return apply


def _default_currency(params: Params, context: TransformContext) -> Apply:
    return _default({"value": context.settings.get("currency")}, context)


def _setting(params: Params, context: TransformContext) -> Apply:
    setting = context.settings.get(params["name"])
    return lambda value, scope: setting


def _map_values(params: Params, context: TransformContext) -> Apply:
    values, otherwise = params["values"], params["otherwise"]

    def apply(value: Any, scope: object) -> Any:
        if value.__class__ is str and value in values:
            return values[value]
        text = to_text(value) or ""
        if text in values:
            return values[text]
        if otherwise == "keep":
            return value
        if otherwise == "error":
            raise Unusable(f"{quote(text) if text else 'An empty value'} is not in the list of 'Map values'")
        return otherwise["value"]

    return apply


def _when(params: Params, context: TransformContext) -> Apply:
    given = params["condition"]
    condition = Condition(given["path"], given["op"], given["values"])
    problem = condition_problem(condition)
    if problem:
        raise BadParam(problem)
    path = parse_path(condition.path)
    holds = compile_condition(condition, context.read(path) if condition.path else None)
    then, otherwise = _branch(params["then"], context), _branch(params["otherwise"], context)
    return lambda value, scope: then(scope) if holds(value, scope) else otherwise(scope)


def _branch(branch: Any, context: TransformContext) -> ScopeRead:
    return context.read(branch) if isinstance(branch, Path) else lambda scope: branch


def _lookup(what: str) -> Make:
    def make(params: Params, context: TransformContext) -> Apply:
        by: str = params["by"]
        find: Find = getattr(context.lookups, what)
        described = f"{what} with {_BY_WORDS[by]}"

        def apply(value: Any, scope: object) -> str | None:
            text = to_text(value)
            return None if text is None else _found(find(by, text), described, text)

        return apply

    return make


def _account_there(params: Params, context: TransformContext) -> Apply:
    def apply(value: Any, scope: object) -> str | None:
        text = to_text(value)
        return None if text is None else context.lookups.account_there(text)

    return apply


def _found(found: str | None, what: str, text: str) -> str:
    if found is None:
        raise Unusable(f"The books have no {what} {quote(text)}")
    return found


_BY_WORDS: Final = {
    "external_id": "the id at the source",
    "email": "the e-mail",
    "name": "the name",
    "sku": "the SKU",
    "code": "the code",
    "role": "the role",
}


def _by(*names: str) -> Param:
    choices = tuple((name, _BY_WORDS[name].removeprefix("the ")) for name in names)
    return Param("by", "choice", "Find by", default=names[0], choices=choices)


TRANSFORMS: Final = (
    Transform("as_is", "As it is", "Takes the value unchanged.", simple(_as_is)),
    Transform(
        "constant",
        "Constant",
        "Always gives the same value, whatever the record says.",
        _constant,
        params=(Param("value", "value", "Value", required=True),),
        takes_nothing=True,
        supplies=True,
    ),
    Transform(
        "default",
        "Default",
        "Gives a value where the record has none.",
        _default,
        params=(Param("value", "value", "Value", required=True),),
        takes_nothing=True,
        supplies=True,
    ),
    Transform(
        "default_currency",
        "Currency of the books",
        "Gives the currency of your books where the record has none.",
        _default_currency,
        takes_nothing=True,
        supplies=True,
    ),
    Transform(
        "setting",
        "Setting",
        "Gives a setting of the integration, such as its bank account.",
        _setting,
        params=(Param("name", "setting", "Setting", required=True),),
        takes_nothing=True,
        supplies=True,
    ),
    Transform(
        "map_values",
        "Map values",
        "Turns the source's words into yours, such as pending into draft.",
        _map_values,
        params=(
            Param(
                "values",
                "value_map",
                "Values",
                help="Empty on the left stands for a missing value",
                required=True,
            ),
            Param("otherwise", "otherwise", "Any other value", default="error"),
        ),
        accepts=("text", "number"),
        takes_nothing=True,
    ),
    Transform(
        "when",
        "If",
        "Gives one value where a condition holds and another where it does not.",
        _when,
        params=(
            Param(
                "condition", "condition", "Condition", help="An empty path tests this value", required=True
            ),
            Param("then", "branch", "Then", help="A value, or the path of one"),
            Param("otherwise", "branch", "Otherwise", help="A value, or the path of one"),
        ),
        takes_nothing=True,
        supplies=True,
    ),
    Transform(
        "lookup_contact",
        "Look up contact",
        "Finds the contact in the books; an error where there is none.",
        _lookup("contact"),
        params=(_by("external_id", "email", "name"),),
        accepts=("text", "number"),
        gives="text",
    ),
    Transform(
        "lookup_item",
        "Look up item",
        "Finds the item in the books; an error where there is none.",
        _lookup("item"),
        params=(_by("sku"),),
        accepts=("text", "number"),
        gives="text",
    ),
    Transform(
        "lookup_account",
        "Look up account",
        "Finds the account in the books; an error where there is none.",
        _lookup("account"),
        params=(_by("code", "name", "role"),),
        accepts=("text", "number"),
        gives="text",
    ),
    Transform(
        "lookup_account_there",
        "Our account for theirs",
        "Finds what an account over there is called in your books, by the page of names.",
        _account_there,
        accepts=("text",),
        gives="text",
    ),
)
