"""Statements, step 1: which format a file is, by its first bytes; clear words for what is not a statement."""

from __future__ import annotations

import re

from integrations.statements.model import StatementError

_ADVICE = "Download the statement as CSV or OFX from your bank."
_MAGIC = (
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "an Excel workbook or a ZIP archive"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word file"),
    (b"\x09\x08", "an old Excel file"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"BM", "an image"),
    (b"II*\x00", "an image"),
    (b"MM\x00*", "an image"),
    (b"\x1f\x8b", "a compressed archive"),
    (b"7z\xbc\xaf", "a compressed archive"),
    (b"Rar!", "a compressed archive"),
    (b"{\\rtf", "a text document (RTF)"),
)
_OFX = re.compile(rb"OFXHEADER|<\?OFX|<OF[XC]\b|DATA:OFXSGML", re.IGNORECASE)
_HTML = re.compile(rb"^\s*(<!doctype\s+html|<html|<head|<body|<table|<script)", re.IGNORECASE)


def detect(data: bytes) -> str:
    """The format's name ('csv', 'ofx'); raises StatementError for what no reader can use."""
    head = _narrow(data[:8192])
    start = head.lstrip()
    if not start:
        raise StatementError(f"This file is empty. {_ADVICE}")
    if _OFX.search(head):
        return "ofx"
    for magic, name in _MAGIC:
        if start.startswith(magic) and not (magic == b"BM" and b"," in start[:40]):
            raise StatementError(f"This file is {name}, not a CSV. {_ADVICE}")
    if _HTML.search(start):
        raise StatementError(
            f"This file is a web page (HTML), not a CSV. Perhaps the sign-in had expired. {_ADVICE}"
        )
    if start.startswith(b"<"):
        raise StatementError(f"This file is XML of a kind that cannot be read here. {_ADVICE}")
    if start[:1] in b"{[" and re.match(rb'[\[{]\s*["{\]}]', start):
        raise StatementError(f"This file is JSON, not a CSV. {_ADVICE}")
    if _binary(head):
        raise StatementError(f"This file is not text. {_ADVICE}")
    return "csv"


def _narrow(head: bytes) -> bytes:
    """UTF-16 text made single-byte, byte order marks off, so that one set of patterns serves."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or head[:200].count(0) > len(head[:200]) / 4:
        return head.removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff").replace(b"\x00", b"")
    return head.removeprefix(b"\xef\xbb\xbf")


def _binary(head: bytes) -> bool:
    control = sum(byte < 32 and byte not in (9, 10, 12, 13, 26) for byte in head)
    return control > len(head) / 50
