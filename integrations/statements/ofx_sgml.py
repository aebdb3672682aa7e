"""Statements, OFX step 1: bytes of OFX 1 (SGML) or 2 (XML) -> a tree of tags.

One tokenizer serves both: no XML parser is involved, so nothing is resolved, fetched or expanded but the
five named entities and numeric ones. A leaf needs no end tag, an aggregate may lack one.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from integrations.statements.model import StatementError

_TOKEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<!\[CDATA\[(?P<raw>.*?)(?:\]\]>|\Z)|<!(?P<declaration>[A-Za-z]+)|<\?.*?(?:\?>|\Z)"
    r"|<(?P<close>/?)(?:[A-Za-z]\w*:)?(?P<name>[A-Za-z][\w.\-]*)[^<>]*?(?P<alone>/?)>",
    re.DOTALL,
)
_ENTITY = re.compile(r"&(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|amp|lt|gt|quot|apos|nbsp);?")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "nbsp": " "}
_MAX_DEPTH = 60

# What is read as text is never a container, however its end tag is missing.
LEAVES = frozenset(
    [
        "CODE",
        "SEVERITY",
        "MESSAGE",
        "CURDEF",
        "CURSYM",
        "CURRATE",
        "BANKID",
        "BRANCHID",
        "ACCTID",
        "ACCTTYPE",
        "DTSTART",
        "DTEND",
        "TRNTYPE",
        "DTPOSTED",
        "DTUSER",
        "DTAVAIL",
        "TRNAMT",
        "FITID",
        "CORRECTFITID",
        "SRVRTID",
        "CHECKNUM",
        "CHKNUM",
        "REFNUM",
        "SIC",
        "PAYEEID",
        "NAME",
        "EXTDNAME",
        "MEMO",
        "MEMO2",
        "BALAMT",
        "DTASOF",
        "DTSERVER",
        "LANGUAGE",
        "TRNUID",
        "ORG",
        "FID",
        "CLTCOOKIE",
    ]
)
# A new one of these ends what the file forgot to end.
_ENDS = {
    "STMTTRN": ("STMTTRN", "STMTTRNP"),
    "STMTTRNP": ("STMTTRN", "STMTTRNP"),
    "LEDGERBAL": ("STMTTRN", "STMTTRNP", "AVAILBAL"),
    "AVAILBAL": ("STMTTRN", "STMTTRNP", "LEDGERBAL"),
    "BANKTRANLIST": ("BANKACCTFROM", "CCACCTFROM"),
    "STMTTRNRS": ("STMTTRNRS",),
    "CCSTMTTRNRS": ("CCSTMTTRNRS",),
}


@dataclass(slots=True)
class Node:
    """One tag: its name in capitals, its own text, its children, the line it stands on."""

    name: str
    line: int
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def walk(self) -> Iterator[Node]:
        """This node and all below it, in file order."""
        yield self
        for child in self.children:
            yield from child.walk()

    def find(self, name: str) -> Node | None:
        """The nearest node of a name: a child, else any below."""
        direct = next((child for child in self.children if child.name == name), None)
        return direct or next((node for node in self.walk() if node.name == name and node is not self), None)

    def all(self, *names: str) -> list[Node]:
        """All nodes below with one of the names, in file order."""
        return [node for node in self.walk() if node.name in names]

    def texts(self) -> dict[str, str]:
        """Tag -> first text that is not empty, the node's own children before those deeper down."""
        found: dict[str, str] = {}
        for child in self.children:
            if child.text:
                found.setdefault(child.name, child.text)
        for child in self.children:
            if child.children:
                found = child.texts() | found
        return found

    def value(self, *names: str) -> str:
        """The text of the first of the names that has any, '' for none."""
        return next((node.text for name in names if (node := self.find(name)) and node.text), "")


def decode_ofx(data: bytes) -> tuple[str, str]:
    """(text, note): what the bytes are counts for more than what the header claims of them."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(name, "replace").removeprefix("\ufeff"), ""
    if data[:200].count(0) > len(data[:200]) / 4:
        return data.decode("utf-16-le" if data[1:2] == b"\x00" else "utf-16-be", "replace"), ""
    try:
        return data.decode("utf-8"), ""
    except UnicodeDecodeError:
        name = _declared(data[:1000])
    note = "" if name else "The file does not say how its letters are coded; it was read as Windows-1252."
    return data.decode(name or "cp1252", "replace"), note


def _declared(head: bytes) -> str:
    """The 8-bit codec a header names, '' for none that exists; `1252` and `8859-1` lack their prefix."""
    match = re.search(rb"CHARSET:\s*([\w\-]+)", head) or re.search(
        rb"encoding=[\"']([\w\-]+)", head, re.IGNORECASE
    )
    claimed = match[1].decode("ascii", "replace").lower() if match else ""
    claimed = re.split(r"compression|oldfileuid", claimed)[0]
    for name in (f"cp{claimed}", f"iso-{claimed}", claimed):
        try:
            found = codecs.lookup(name).name
        except (LookupError, ValueError):
            continue
        if found not in ("utf-8", "ascii", "iso8859-1") and "a".encode(found, "replace") == b"a":
            return found
    return "cp1252" if claimed in ("8859-1", "iso-8859-1", "ascii", "usascii", "us-ascii") else ""


def parse(text: str) -> Node:
    """The tree of tags; raises StatementError for declarations of the file's own or endless nesting."""
    root = Node("", 1)
    stack = [root]
    line, reached = 1, 0
    for match in _TOKEN.finditer(text):
        _add_text(stack, text[reached : match.start()])
        line += text.count("\n", reached, match.start())
        _refuse(match)
        if match["raw"] is not None:
            stack[-1].text += match["raw"]
        elif match["name"]:
            _tag(stack, match, line)
        line += text.count("\n", match.start(), match.end())
        reached = match.end()
    _add_text(stack, text[reached:])
    return root


def _refuse(match: re.Match[str]) -> None:
    if match["declaration"]:
        raise StatementError(
            "This OFX file defines entities or a document type of its own (<!"
            f"{match['declaration'].upper()}), which no bank statement needs; it was not opened."
        )


def _add_text(stack: list[Node], text: str) -> None:
    """Text belongs to the tag just opened; a leaf with text is complete and needs no end tag."""
    if text.strip() and len(stack) > 1:
        node = stack[-1]
        node.text = " ".join(f"{node.text} {_unescape(text)}".split())
        if not node.children:
            stack.pop()


def _tag(stack: list[Node], match: re.Match[str], line: int) -> None:
    name = match["name"].upper()
    if match["close"]:
        _close(stack, name)
        return
    if stack[-1].name in LEAVES:
        stack.pop()
    _end_forgotten(stack, _ENDS.get(name, ()))
    node = Node(name, line)
    stack[-1].children.append(node)
    if not match["alone"]:
        stack.append(node)
    if len(stack) > _MAX_DEPTH:
        raise StatementError("This OFX file is damaged: its tags are nested without end.")


def _close(stack: list[Node], name: str) -> None:
    names = [node.name for node in stack[1:]]
    if name in names:
        del stack[len(names) - names[::-1].index(name) :]


def _end_forgotten(stack: list[Node], names: tuple[str, ...]) -> None:
    for name in names:
        _close(stack, name)


def _unescape(text: str) -> str:
    return _ENTITY.sub(lambda match: _NAMED.get(match[1]) or _character(match[1]), text)


def _character(reference: str) -> str:
    number = int(reference[2:], 16) if reference[1] in "xX" else int(reference[1:])
    return chr(number) if 32 <= number < 0xD800 or 0xDFFF < number < 0x110000 else " "
