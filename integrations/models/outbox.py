"""Tables of getting documents out: routes, names over there, deliveries, differences."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar, NamedTuple

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.models.intake import ApiCall, Integration, SyncRun
from integrations.models.summaries import Summary
from ledgerhub.ledger.models import Document

USER = settings.AUTH_USER_MODEL


class Route(models.Model):
    """Documents of a source that go to a destination, and how: each by itself, or summed up."""

    class Mode(models.TextChoices):
        EACH = "each", "Each document by itself"
        DAILY = "daily", "One summary a day"
        PAYOUT = "payout", "One summary a payout"

    destination = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="routes")
    source = models.ForeignKey("ledger.Source", on_delete=models.PROTECT, related_name="+")
    mode = models.CharField(max_length=6, choices=Mode, default=Mode.EACH, help_text="Until the first switch")
    start_date = models.DateField(help_text="Documents before it stay here")
    enabled = models.BooleanField(default=True)
    # Documents changed before it have been looked at.
    looked_until = models.DateTimeField(null=True, blank=True)
    # What waits for a payout has been looked up until then: payouts that changed later, and what is new.
    settled_until = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["destination", "source"], name="one_route_a_source"),
        ]

    def __str__(self) -> str:
        return f"{self.source} to {self.destination}"

    def spans(self) -> list[Span]:
        """How its documents go out by their date, from the start on; the first has no beginning, so that
        a document that is dated back later stays on its way."""
        found = [Span(None, None, self.mode)]
        for switch in sorted(self.switches.all(), key=lambda one: one.from_date):
            found[-1] = found[-1]._replace(until=switch.from_date)
            found.append(Span(switch.from_date, None, switch.mode))
        return found

    def mode_on(self, day: dt.date) -> str:
        """How a document of that date goes out."""
        return next(span.mode for span in reversed(self.spans()) if span.since is None or day >= span.since)


class Span(NamedTuple):
    """Documents dated from `since` until before `until` go out in one mode."""

    since: dt.date | None
    until: dt.date | None
    mode: str


class ModeSwitch(models.Model):
    """From a day on a route's documents go out another way; what has gone out already stays as it went."""

    route = models.ForeignKey(Route, on_delete=models.CASCADE, related_name="switches")
    mode = models.CharField(max_length=6, choices=Route.Mode)
    from_date = models.DateField()
    chosen_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    chosen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["route", "from_date"], name="one_switch_a_day"),
        ]

    def __str__(self) -> str:
        return f"{self.get_mode_display()} from {self.from_date}"


class Listed(models.Model):
    """One thing of theirs as last listed: an account, a tax code, a contact."""

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="listed")
    what = models.CharField(max_length=8)
    external_id = models.CharField(max_length=120)
    name = models.CharField(max_length=240)
    group = models.CharField(max_length=120, blank=True)
    code = models.CharField(max_length=60, blank=True)
    account = models.CharField(max_length=120, blank=True, help_text="Of an item: the account it books to")
    active = models.BooleanField(default=True)
    listed_at = models.DateTimeField(default=timezone.now)
    # The account of ours that documents of theirs on it are booked to, where no name says it the other way.
    ours = models.CharField(max_length=20, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["integration", "what", "external_id"], name="one_listed_an_id"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}".strip()


class NameMap(models.Model):
    """What the destination calls something of ours: an account by its code, a tax rate, a contact."""

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="names")
    what = models.CharField(max_length=8)
    ours = models.CharField(max_length=120)
    theirs = models.CharField(max_length=120)
    set_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    set_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["integration", "what", "ours"], name="one_name_of_ours"),
        ]

    def __str__(self) -> str:
        return f"{self.what} {self.ours}"


class Delivery(models.Model):
    """One document (or one summary) on its way to a destination: the row is the job.

    `key` is the idempotency key: the same on every try of this revision. `external_id` and
    `external_version` say what stands over there after it.

    What no one document over there can say goes there in parts, each a delivery: `part` 0 is the first, which
    the others build on and which says in `parts` how many there are (0: it goes whole). Revisions number all
    of a document's deliveries in the order they go in.
    """

    class State(models.TextChoices):
        PLANNED = "planned", "Planned"
        SENDING = "sending", "Being sent"
        UNCERTAIN = "uncertain", "Answer lost: asking"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Needs you"
        DISMISSED = "dismissed", "Left out"

    class Action(models.TextChoices):
        CREATE = "create", "Create"
        UPDATE = "update", "Change"
        VOID = "void", "Void"

    OPEN = (State.PLANNED, State.SENDING, State.UNCERTAIN)
    # It waits until somebody chooses a name over there, and nothing of it was sent.
    UNNAMED = Q(state=State.PLANNED, attempts=0) & ~Q(lacks="")

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="deliveries")
    document = models.ForeignKey(
        "ledger.Document", on_delete=models.PROTECT, null=True, blank=True, related_name="deliveries"
    )
    summary = models.ForeignKey(
        Summary, on_delete=models.PROTECT, null=True, blank=True, related_name="deliveries"
    )
    kind = models.CharField(max_length=20)
    revision = models.PositiveIntegerField(default=1)
    part = models.PositiveSmallIntegerField(default=0)
    parts = models.PositiveSmallIntegerField(default=0, help_text="On the first: how many there are")
    of_first = models.BigIntegerField(default=0, help_text="How much of the first it settles, minor units")
    action = models.CharField(max_length=6, choices=Action, default=Action.CREATE)
    content_hash = models.CharField(max_length=64, blank=True)
    payment_mark = models.CharField(max_length=120, blank=True, help_text="What had become of an invoice")
    reference = models.CharField(max_length=40, help_text="Ours, looked for before sending again")
    key = models.UUIDField(unique=True)
    request_hash = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=9, choices=State, default=State.PLANNED)
    attempts = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    lease = models.CharField(max_length=40, blank=True)
    external_id = models.CharField(max_length=120, blank=True)
    external_version = models.CharField(max_length=60, blank=True)
    external_number = models.CharField(max_length=60, blank=True)
    adopted = models.BooleanField(default=False, help_text="Found there when asked, not answered to us")
    fingerprint = models.CharField(max_length=64, blank=True, help_text="Of what we left there")
    # People changed what stands there: the version we held back from, and the one a person let us replace.
    held_version = models.CharField(max_length=60, blank=True)
    allowed_version = models.CharField(max_length=60, blank=True)
    error = models.CharField(max_length=1000, blank=True)
    lacks = models.CharField(
        max_length=140, blank=True, help_text="What of ours has no name there: it waits for it"
    )
    call = models.ForeignKey(ApiCall, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name_plural = "deliveries"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(document__isnull=False, summary__isnull=True)
                | Q(document__isnull=True, summary__isnull=False),
                name="delivery_is_of_a_document_or_a_summary",
            ),
            models.UniqueConstraint(
                fields=["integration", "document", "revision"],
                condition=Q(document__isnull=False),
                name="one_delivery_a_revision",
            ),
            models.UniqueConstraint(
                fields=["integration", "summary", "revision"],
                condition=Q(summary__isnull=False),
                name="one_delivery_a_summary_revision",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["integration", "state", "not_before"], name="delivery_due"),
            models.Index(fields=["integration", "external_id"], name="delivery_external"),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.subject}{self.in_words}"

    @property
    def in_words(self) -> str:
        """`, part 2`; empty where it goes whole."""
        return f", part {self.part + 1}" if self.part or self.parts else ""

    @property
    def subject(self) -> Document | Summary:
        """What it delivers."""
        found = self.document or self.summary
        if found is None:
            raise AssertionError(f"delivery {self.pk} is of nothing")
        return found

    @property
    def counts(self) -> bool:
        """Whether something of it stands there, is to, or needs a person."""
        gone = self.action == self.Action.VOID and self.state == self.State.DELIVERED
        return not gone and self.state != self.State.DISMISSED

    @property
    def waits_for_names(self) -> bool:
        return bool(self.lacks) and self.state in self.OPEN


class DeliveryLink(models.Model):
    """A delivery settles (part of) another document, an invoice or a bill, which must be there before it."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="links")
    document = models.ForeignKey("ledger.Document", on_delete=models.PROTECT, related_name="+")
    amount = models.BigIntegerField(help_text="Minor units, positive")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["delivery", "document"], name="one_link_a_document"),
        ]

    def __str__(self) -> str:
        return f"{self.delivery} settles {self.document}"


class DeliveryLine(models.Model):
    """What a part says of its document's journal, as it was sent: debits positive, minor units; whole
    documents have none of these, theirs is read from the books."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="lines")
    account = models.CharField(max_length=20, help_text="Ours, by its code")
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    memo = models.CharField(max_length=240, blank=True)
    role = models.CharField(max_length=30, blank=True)
    date = models.DateField(null=True)

    def __str__(self) -> str:
        return f"{self.account} {self.amount} {self.currency}"


class Counterpart(models.Model):
    """A document as it stands over there, ours or another's, as last listed; amounts in minor units."""

    class State(models.TextChoices):
        STANDING = "standing", "Stands there"
        VOID = "void", "Voided"
        GONE = "gone", "Deleted"

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="counterparts")
    external_id = models.CharField(max_length=120)
    kind = models.CharField(max_length=40)
    version = models.CharField(max_length=60, blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.STANDING)
    number = models.CharField(max_length=120, blank=True)
    reference = models.CharField(max_length=40, blank=True, help_text="Ours, where it carries one")
    ours = models.BooleanField(help_text="Delivered by us, or it carries our reference")
    # Of what other people posted: True where it may be one of ours keyed anew, and is not brought in; None
    # before a comparison has looked at it.
    held = models.BooleanField(null=True)
    day = models.DateField(null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    amount = models.BigIntegerField(null=True, blank=True)
    contact = models.CharField(max_length=240, blank=True)
    note = models.CharField(max_length=300, blank=True)
    fingerprint = models.CharField(max_length=64)
    changed_at = models.DateTimeField(null=True, blank=True)
    changed_by = models.CharField(max_length=120, blank=True)
    listed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["integration", "external_id"], name="one_counterpart_an_id"),
        ]
        indexes: ClassVar = [models.Index(fields=["integration", "ours", "state"], name="counterpart_state")]

    def __str__(self) -> str:
        return f"{self.kind} {self.number or self.external_id.partition(':')[2] or self.external_id}"


class CounterpartLine(models.Model):
    """Where a counterpart is booked over there: `at` as standing.At says it, debits positive, minor units."""

    counterpart = models.ForeignKey(Counterpart, on_delete=models.CASCADE, related_name="lines")
    at = models.CharField(max_length=240)
    amount = models.BigIntegerField()

    def __str__(self) -> str:
        return self.at


class Comparison(models.Model):
    """One comparison of both sides: the row is the job. Scheduled ones have the day they are of."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        READING = "reading", "Reading what changed there"
        ASKING = "asking", "Asking for what we know of"
        DONE = "done", "Compared"
        FAILED = "failed", "Failed"

    OPEN = (State.QUEUED, State.READING, State.ASKING)

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="comparisons")
    day = models.DateField(null=True, blank=True)
    requested_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    run = models.ForeignKey(SyncRun, on_delete=models.SET_NULL, null=True, related_name="+")
    checked = models.PositiveIntegerField(default=0)
    missing = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    foreign = models.PositiveIntegerField(default=0)
    rekeyed = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["integration"],
                condition=Q(state__in=["queued", "reading", "asking"]),
                name="one_open_comparison",
            ),
            models.UniqueConstraint(fields=["integration", "day"], name="one_comparison_a_day"),
        ]

    def __str__(self) -> str:
        return f"Comparison {self.pk} of {self.integration}"


class Difference(models.Model):
    """Something a comparison found on one side only, or not alike; closed when it is gone, or when a person
    accepts it as it is: then it stays closed as long as the same words describe it."""

    class Kind(models.TextChoices):
        MISSING = "missing", "Missing over there"
        CHANGED = "changed", "Differs over there"
        FOREIGN = "foreign", "Only over there"
        REKEYED = "rekeyed", "Keyed anew there?"

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="differences")
    kind = models.CharField(max_length=8, choices=Kind)
    document = models.ForeignKey("ledger.Document", on_delete=models.CASCADE, null=True, related_name="+")
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, null=True, related_name="+")
    counterpart = models.ForeignKey(Counterpart, on_delete=models.CASCADE, null=True, related_name="+")
    external_id = models.CharField(max_length=120, blank=True)
    what = models.CharField(max_length=600, help_text="In words")
    found_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["integration", "closed_at"], name="difference_open")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["integration", "kind", "external_id"],
                condition=Q(closed_at__isnull=True),
                name="one_open_difference",
            ),
        ]

    def __str__(self) -> str:
        return self.what
