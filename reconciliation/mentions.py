"""People named in a note on a line (`@Ann Lee`): members only, kept with the note, told by e-mail."""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django_q.tasks import async_task

from ledgerhub.access.models import Organization, User
from ledgerhub.core.errors import RecordError
from reconciliation.models import LineNote, NoteMention

log = logging.getLogger(__name__)

LOST_AFTER, GIVE_UP_AFTER = dt.timedelta(minutes=2), dt.timedelta(hours=24)
# Not within a word: an e-mail address names nobody. The name is told apart by who there is.
_AT = re.compile(r"(?<![\w@.])@(?=\w)")
_WORD = re.compile(r"[\w.+\-]+(?:@[\w.\-]+)?")


class Named(NamedTuple):
    """Somebody a text names, and as what: `@Ann`."""

    user: User
    written: str


def find(text: str, organization: Organization) -> list[Named]:
    """Who a note names, each once. Raises RecordError in words where somebody has no access, or where
    it may be one of several."""
    starts = [found.end() for found in _AT.finditer(text)]
    if not starts:
        return []
    people = User.objects.filter(memberships__organization=organization, is_active=True)
    members = list(people.order_by("pk"))
    named = [_named(text[start:], members) for start in starts]
    return list({one.user.pk: one for one in reversed(named)}.values())[::-1]


def _named(rest: str, members: Sequence[User]) -> Named:
    """The member whose name, or a part of it by which only one is known, begins the text."""
    folded = rest.casefold()
    whole = [one for one in members if one.name and _begins(folded, one.name.casefold())]
    if whole:
        best = max(whole, key=lambda one: len(one.name))
        return Named(best, f"@{rest[: len(best.name)]}")
    match = _WORD.match(rest)
    word = match.group().rstrip(".-") if match else ""
    known = [one for one in members if word.casefold() in _short(one)]
    if len(known) == 1:
        return Named(known[0], f"@{word}")
    if known:
        names = " or ".join(f"@{one}" for one in known)
        raise RecordError(f"“@{word}” may be several people: write {names}. Nothing was saved.")
    raise RecordError(
        f"“@{word}” has no access to these books, so nobody would be told. Write the name without @, or "
        "ask an admin to invite them. Nothing was saved."
    )


def _begins(text: str, name: str) -> bool:
    return text.startswith(name) and not text[len(name) : len(name) + 1].isalnum()


def _short(user: User) -> set[str]:
    """First name, e-mail address, and what stands before its @."""
    email = user.email.casefold()
    return {*user.name.casefold().split()[:1], email, email.partition("@")[0]}


def keep(note: LineNote, named: Iterable[Named]) -> None:
    """Store who is named and have them told once the note stands; nobody is told of their own words."""
    for one in named:
        own = one.user.pk == note.by_id
        made = NoteMention.objects.create(
            note=note, user=one.user, written=one.written, told_at=timezone.now() if own else None
        )
        if not own:
            _queue(made.pk)


def _queue(pk: int) -> None:
    async_task("reconciliation.tasks.tell_mention", pk)


def tell(pk: int) -> None:
    """Send the e-mail, unless it was sent; one that does not get through is tried again by the sweep."""
    rows = NoteMention.objects.filter(pk=pk, told_at=None, user__is_active=True)
    made = rows.select_related("user", "note__by", "note__line__account__organization").first()
    if made is None:
        return
    line = made.note.line
    organization = line.account.organization
    if not made.user.memberships.filter(organization=organization).exists():
        return  # whoever left meanwhile learns nothing
    path = reverse("reconciliation:line", args=[organization.slug, line.account_id, line.pk])
    who, about = (" ".join(str(each).split())[:80] for each in (made.note.by or "Somebody", line))
    said = f"{who} wrote on a line of {line.account} ({about}):"
    body = f"{said}\n\n{made.note.text}\n\n{settings.PUBLIC_URL}{path}\n"
    try:
        send_mail(f"[LedgerHub] {who} named you: {about}", body, None, [made.user.email])
    except OSError as error:
        log.warning("mention=%s was not told: %s", pk, error)
        return
    NoteMention.objects.filter(pk=pk).update(told_at=timezone.now())


def take_up_dropped() -> None:
    """Mentions whose task was lost, or whose e-mail did not get through."""
    now = timezone.now()
    waiting = Q(told_at=None, note__at__lt=now - LOST_AFTER, note__at__gt=now - GIVE_UP_AFTER)
    for pk in NoteMention.objects.filter(waiting).values_list("pk", flat=True)[:100]:
        _queue(pk)
