"""Which entries are in force, neither reversals nor reversed, said so that any database is quick about it."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q

from ledgerhub.ledger.models import Entry


def originals(entry: str = "") -> Q:
    """Entries that reverse none; `entry` is the way to them (`entry__`). Not "is null": SQLite believes that
    a unique index holds hardly any, takes it before that of the document, and so reads the whole journal."""
    return ~Q(**{f"{entry}reverses__gt": 0})


def stands(document: str = "pk") -> Exists:
    """The outer row's document (`document` is the way to it) has an entry in force."""
    return Exists(Entry.objects.filter(in_force(), document=OuterRef(document)))


def in_force(entry: str = "") -> Q:
    """Originals that nothing reverses. Not a join with "is null": PostgreSQL expects one row of that, and
    compares each entry of a large journal with every other."""
    return originals(entry) & ~Q(Exists(Entry.objects.filter(reverses=OuterRef(f"{entry}pk"))))
