"""Parses the text of a GraphQL query into fields, arguments and fragments (executable documents only)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

_TOKEN = re.compile(
    r"(?P<skip>[\s,\ufeff]+|#[^\n\r]*)|(?P<punct>\.\.\.|[!$&()\[\]:=@{|}])"
    r'|(?P<block>"""(?:[^"\\]|\\.|"(?!""))*""")|(?P<string>"(?:[^"\\\n\r]|\\.)*")'
    r"|(?P<float>-?(?:0|[1-9]\d*)(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+))|(?P<int>-?(?:0|[1-9]\d*))"
    r"|(?P<name>[_A-Za-z]\w*)",
    re.ASCII,
)
MAXIMUM_DEPTH = 40


class QueryError(Exception):
    """A query the server cannot answer; `code` as Shopify puts it into extensions."""

    def __init__(self, message: str, *, code: str = "", path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.path = path


class Variable(NamedTuple):
    name: str


class EnumValue(str):
    """A bare name in an argument."""


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    key: str
    name: str
    arguments: Mapping[str, Any]
    directives: tuple[tuple[str, Mapping[str, Any]], ...]
    selections: tuple[Selection, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Fragment:
    """An inline fragment, or a named one at its definition; an empty `on` fits every type."""

    on: str
    directives: tuple[tuple[str, Mapping[str, Any]], ...]
    selections: tuple[Selection, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    name: str
    directives: tuple[tuple[str, Mapping[str, Any]], ...]


Selection = Field | Fragment | Spread


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """`required` lists variables that are non-null and have no default."""

    kind: str
    name: str
    defaults: Mapping[str, Any]
    declared: tuple[str, ...]
    required: tuple[str, ...]
    selections: tuple[Selection, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    operations: tuple[Operation, ...]
    fragments: Mapping[str, Fragment]


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def _tokens(text: str) -> list[_Token]:
    found, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise QueryError(f"syntax error, unexpected invalid token at position {position}")
        if match.lastgroup != "skip":
            found.append(_Token(match.lastgroup, match[0], position))
        position = match.end()
    found.append(_Token("end", "", position))
    return found


@lru_cache(maxsize=64)
def parse(text: str) -> Document:
    """Raises QueryError on anything that is not a well-formed executable document."""
    reader = _Reader(_tokens(text))
    operations, fragments = [], {}
    while reader.peek().kind != "end":
        if reader.peek().text == "fragment":
            name, fragment = reader.fragment_definition()
            fragments[name] = fragment
        else:
            operations.append(reader.operation())
    if not operations:
        raise QueryError("No operation was given")
    return Document(tuple(operations), fragments)


@dataclass(slots=True)
class _Reader:
    """Recursive descent over the tokens."""

    tokens: list[_Token]
    position: int = 0
    depth: int = field(default=0)

    def peek(self) -> _Token:
        return self.tokens[self.position]

    def take(self) -> _Token:
        token = self.tokens[self.position]
        self.position += 1
        return token

    def accept(self, text: str) -> bool:
        if self.peek().kind == "punct" and self.peek().text == text:
            self.position += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            found = self.peek()
            raise QueryError(
                f'syntax error, unexpected "{found.text or "end of file"}", expecting "{text}" at {found.at}'
            )

    def name(self) -> str:
        token = self.take()
        if token.kind != "name":
            raise QueryError(f'syntax error, unexpected "{token.text}", expecting a name at {token.at}')
        return token.text

    def operation(self) -> Operation:
        if self.peek().text == "{":
            return Operation("query", "", {}, (), (), self.selections())
        kind = self.name()
        if kind not in ("query", "mutation", "subscription"):
            raise QueryError(f'syntax error, unexpected "{kind}"')
        name = self.name() if self.peek().kind == "name" else ""
        defaults: dict[str, Any] = {}
        declared, required = [], []
        if self.accept("("):
            while not self.accept(")"):
                variable, needed = self.variable_definition(defaults)
                declared.append(variable)
                required += [variable] if needed else []
        self.directives()
        return Operation(kind, name, defaults, tuple(declared), tuple(required), self.selections())

    def variable_definition(self, defaults: dict[str, Any]) -> tuple[str, bool]:
        self.expect("$")
        variable = self.name()
        self.expect(":")
        needed = self.type_reference()
        if self.accept("="):
            defaults[variable] = self.value()
            needed = False
        self.directives()
        return variable, needed

    def type_reference(self) -> bool:
        """Skip a type; True when it is non-null."""
        if self.accept("["):
            self.type_reference()
            self.expect("]")
        else:
            self.name()
        return self.accept("!")

    def fragment_definition(self) -> tuple[str, Fragment]:
        self.take()
        name = self.name()
        if self.name() != "on":
            raise QueryError(f'syntax error in fragment {name}, expecting "on"')
        return name, Fragment(self.name(), self.directives(), self.selections())

    def selections(self) -> tuple[Selection, ...]:
        self.depth += 1
        if self.depth > MAXIMUM_DEPTH:
            raise QueryError(f"Query has a depth of more than {MAXIMUM_DEPTH}")
        self.expect("{")
        found: list[Selection] = []
        while not self.accept("}"):
            found.append(self.selection())
        if not found:
            raise QueryError('syntax error, unexpected "}", a selection is empty')
        self.depth -= 1
        return tuple(found)

    def selection(self) -> Selection:
        if self.accept("..."):
            if self.peek().kind == "name" and self.peek().text != "on":
                return Spread(self.name(), self.directives())
            on = ""
            if self.peek().text == "on":
                self.take()
                on = self.name()
            return Fragment(on, self.directives(), self.selections())
        name = key = self.name()
        if self.accept(":"):
            name = self.name()
        arguments = self.arguments()
        directives = self.directives()
        nested = self.selections() if self.peek().text == "{" else ()
        return Field(key, name, arguments, directives, nested)

    def arguments(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.accept("("):
            while not self.accept(")"):
                name = self.name()
                self.expect(":")
                found[name] = self.value()
        return found

    def directives(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        found = []
        while self.accept("@"):
            name = self.name()
            found.append((name, self.arguments()))
        return tuple(found)

    def value(self) -> Any:
        if self.accept("$"):
            return Variable(self.name())
        if self.accept("["):
            items = []
            while not self.accept("]"):
                items.append(self.value())
            return items
        if self.accept("{"):
            fields = {}
            while not self.accept("}"):
                name = self.name()
                self.expect(":")
                fields[name] = self.value()
            return fields
        return _scalar(self.take())


_WORDS = {"true": True, "false": False, "null": None}


def _scalar(token: _Token) -> Any:
    if token.kind == "name":
        return _WORDS[token.text] if token.text in _WORDS else EnumValue(token.text)
    if token.kind == "int":
        return int(token.text)
    if token.kind == "float":
        return float(token.text)
    if token.kind == "block":
        return token.text[3:-3].replace('\\"""', '"""').strip("\n")
    if token.kind == "string":
        try:
            return json.loads(token.text)
        except ValueError:
            raise QueryError(f"syntax error, bad escape in a string at {token.at}") from None
    raise QueryError(f'syntax error, unexpected "{token.text}" at {token.at}')
