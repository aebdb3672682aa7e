"""Tables of getting data in: integrations, streams, runs, raw records, mappings, quarantine, alerts."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.payloads import PayloadDecoder, PayloadEncoder
from ledgerhub.core.vault import EncryptedTextField

USER = settings.AUTH_USER_MODEL


class Integration(models.Model):
    """One registered account at an outside system, with its settings and state."""

    class State(models.TextChoices):
        DRAFT = "draft", "Being set up"
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"
        ATTENTION = "attention", "Needs attention"
        DISCONNECTED = "disconnected", "Disconnected"

    organization = models.ForeignKey("access.Organization", on_delete=models.PROTECT, related_name="+")
    connector = models.CharField(max_length=40)
    name = models.CharField(max_length=120)
    settings = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=14, choices=State, default=State.DRAFT)
    bank_account = models.ForeignKey(
        "ledger.Account",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Where its payouts arrive, or which account its statements are of",
    )
    health = models.CharField(max_length=12, default="unknown")
    health_message = models.CharField(max_length=500, blank=True)
    health_checked_at = models.DateTimeField(null=True, blank=True)
    webhook_token = models.CharField(max_length=64, unique=True, null=True, blank=True)
    # What a person agreed to at the other side, and when that ends (empty: not by itself).
    consented_at = models.DateTimeField(null=True, blank=True)
    consent_until = models.DateTimeField(null=True, blank=True)
    # Whose account over there it is of: the system's own id of it, and its name (calls.Owner).
    owner_key = models.CharField(max_length=120, blank=True)
    owner_name = models.CharField(max_length=200, blank=True)
    created_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "name"], name="one_integration_a_name"),
        ]

    def __str__(self) -> str:
        return self.name


class RateBucket(models.Model):
    """The calls an integration may still make, shared by all workers: a token bucket, corrected by what the
    vendor says. Operations that a vendor counts apart have a bucket of their own."""

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="buckets")
    name = models.CharField(max_length=40, blank=True)
    tokens = models.FloatField(null=True)
    capacity = models.FloatField(null=True, blank=True)
    per_second = models.FloatField(null=True, blank=True)
    at = models.DateTimeField(null=True, blank=True)
    blocked_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["integration", "name"], name="one_bucket_a_name"),
        ]

    def __str__(self) -> str:
        return self.name or "calls"


class Secret(models.Model):
    """One secret of an integration, encrypted at rest, never shown again."""

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="secrets")
    name = models.CharField(max_length=60)
    value = EncryptedTextField()
    expires_at = models.DateTimeField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True, help_text="Somebody is renewing it")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["integration", "name"], name="one_secret_a_name"),
        ]

    def __str__(self) -> str:
        return self.name


class Stream(models.Model):
    """One kind of record of an integration that is switched on."""

    class Mode(models.TextChoices):
        SHADOW = "shadow", "Shadow: read and map, post nothing"
        LIVE = "live", "Live: post to the books"

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="streams")
    key = models.CharField(max_length=40)
    source = models.OneToOneField("ledger.Source", on_delete=models.PROTECT, related_name="+")
    enabled = models.BooleanField(default=True)
    mode = models.CharField(max_length=8, choices=Mode, default=Mode.LIVE)
    schedule_minutes = models.PositiveIntegerField(default=60, help_text="0: only by hand")
    start_date = models.DateField(null=True, blank=True)
    cursor = models.JSONField(default=dict, blank=True)
    mapping = models.ForeignKey(
        "MappingVersion", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    next_run_at = models.DateTimeField(null=True, blank=True)
    last_record_at = models.DateTimeField(null=True, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["integration", "key"], name="one_stream_a_key"),
        ]
        indexes: ClassVar = [models.Index(fields=["next_run_at"], name="stream_due")]

    def __str__(self) -> str:
        return f"{self.integration} {self.key}"


class SyncRun(models.Model):
    """One attempt to sync a stream: the row is the job."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        WAITING = "waiting", "Waiting to retry"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        CANCELED = "canceled", "Canceled"

    OPEN = (State.QUEUED, State.RUNNING, State.WAITING)

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="runs")
    trigger = models.CharField(max_length=12, default="schedule")
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    lease = models.CharField(max_length=40, blank=True, help_text="Who holds it")
    attempts = models.PositiveIntegerField(default=0, help_text="Tries of the page at the checkpoint")
    checkpoint = models.JSONField(default=dict, blank=True, help_text="Where the next page begins")
    requested_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    pages = models.PositiveIntegerField(default=0)
    read = models.PositiveIntegerField(default=0)
    new = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    posted = models.PositiveIntegerField(default=0)
    quarantined = models.PositiveIntegerField(default=0)
    expected = models.PositiveIntegerField(null=True, blank=True, help_text="Records, where the source says")
    error_kind = models.CharField(max_length=12, blank=True)
    error = models.CharField(max_length=1000, blank=True)
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["stream"],
                condition=Q(state__in=["queued", "running", "waiting"]),
                name="one_open_run_a_stream",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["stream", "-created_at"], name="run_newest"),
            models.Index(fields=["state", "not_before"], name="run_due"),
        ]

    def __str__(self) -> str:
        return f"Run {self.pk} of {self.stream}"


class ApiCall(models.Model):
    """One request to an outside system as it went, secrets removed."""

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="calls")
    run = models.ForeignKey(SyncRun, on_delete=models.SET_NULL, null=True, related_name="calls")
    at = models.DateTimeField(default=timezone.now)
    purpose = models.CharField(max_length=40, blank=True)
    method = models.CharField(max_length=8)
    url = models.CharField(max_length=2000)
    status = models.PositiveIntegerField(null=True)
    duration_ms = models.PositiveIntegerField(default=0)
    request_bytes = models.PositiveIntegerField(default=0)
    response_bytes = models.PositiveIntegerField(default=0)
    attempt = models.PositiveIntegerField(default=1)
    error = models.CharField(max_length=500, blank=True)
    detail = models.JSONField(default=dict, blank=True, help_text="Redacted headers and an excerpt")

    class Meta:
        indexes: ClassVar = [models.Index(fields=["integration", "-id"], name="call_newest")]

    def __str__(self) -> str:
        return f"{self.method} {self.url}"


class RawRecord(models.Model):
    """One version of one record as the source sent it; append-only but for `latest`."""

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="records", db_index=False)
    external_id = models.CharField(max_length=120)
    version = models.PositiveIntegerField(default=1)
    latest = models.BooleanField(default=True)
    content_hash = models.CharField(max_length=64)
    payload = models.JSONField(encoder=PayloadEncoder, decoder=PayloadDecoder)
    fetched_at = models.DateTimeField(default=timezone.now)
    run = models.ForeignKey(SyncRun, on_delete=models.SET_NULL, null=True, related_name="records")
    api_call = models.ForeignKey(
        ApiCall, on_delete=models.SET_NULL, null=True, related_name="records", db_index=False
    )
    origin = models.CharField(max_length=200, blank=True, help_text="Webhook event or file it came from")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["stream", "external_id", "version"], name="one_record_a_version"),
            models.UniqueConstraint(
                fields=["stream", "external_id"], condition=Q(latest=True), name="one_latest_version"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.external_id} v{self.version}"


class MappingVersion(models.Model):
    """A set of mapping rules; immutable once published."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        PUBLISHED = "published", "Published"
        SUPERSEDED = "superseded", "Superseded"
        DISCARDED = "discarded", "Discarded"

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="mappings")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=12, choices=State, default=State.DRAFT)
    rules = models.JSONField(help_text="As integrations.rules.outputs_to_dict gives it")
    note = models.CharField(max_length=240, blank=True)
    created_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    published_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    published_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["stream", "number"], name="one_mapping_a_number"),
            models.UniqueConstraint(
                fields=["stream"], condition=Q(state="published"), name="one_published_mapping"
            ),
            models.UniqueConstraint(fields=["stream"], condition=Q(state="draft"), name="one_draft_mapping"),
        ]

    def __str__(self) -> str:
        return f"{self.stream} v{self.number}"


class Quarantine(models.Model):
    """A record that failed mapping, validation or posting, with the reasons in words."""

    class State(models.TextChoices):
        OPEN = "open", "Needs you"
        RESOLVED = "resolved", "Resolved"
        DISMISSED = "dismissed", "Dismissed"

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="quarantine")
    external_id = models.CharField(max_length=120)
    record = models.ForeignKey(RawRecord, on_delete=models.CASCADE, related_name="+")
    run = models.ForeignKey(SyncRun, on_delete=models.SET_NULL, null=True, related_name="quarantine")
    output = models.CharField(max_length=60, blank=True)
    cause = models.CharField(max_length=64, help_text="Groups equal causes")
    cause_label = models.CharField(max_length=300)
    errors = models.JSONField(help_text="[target, source, message] rows")
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    created_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveIntegerField(default=1)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["stream", "external_id", "output"],
                condition=Q(state="open"),
                name="one_open_quarantine_a_record",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["stream", "state", "cause"], name="quarantine_cause")]

    def __str__(self) -> str:
        return f"{self.external_id}: {self.cause_label}"

    @property
    def message(self) -> str:
        """What is wrong with this very record, in words with its own values, unlike those of its cause."""
        return " ".join(dict.fromkeys(message for _, _, message in self.errors)) or self.cause_label


class WebhookEvent(models.Model):
    """A verified push from outside; the same event twice is one row."""

    class State(models.TextChoices):
        RECEIVED = "received", "Received"
        DONE = "done", "Done"
        IGNORED = "ignored", "Not needed"
        FAILED = "failed", "Failed"

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="events")
    event_id = models.CharField(max_length=160)
    topic = models.CharField(max_length=120)
    payload = models.JSONField()
    state = models.CharField(max_length=10, choices=State, default=State.RECEIVED)
    received_at = models.DateTimeField(default=timezone.now)
    processed_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["integration", "event_id"], name="one_row_an_event"),
        ]
        indexes: ClassVar = [models.Index(fields=["state", "not_before"], name="webhook_due")]

    def __str__(self) -> str:
        return f"{self.topic} {self.event_id}"


class Upload(models.Model):
    """A file somebody gave us: the third door."""

    class State(models.TextChoices):
        LAYOUT = "layout", "Columns to check"
        IMPORTED = "imported", "Imported"
        FAILED = "failed", "Failed"

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="uploads")
    account = models.ForeignKey("ledger.Account", on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=200)
    file = models.FileField(upload_to="statements/%Y/%m/")
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()
    format = models.CharField(max_length=20, blank=True)
    layout = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.LAYOUT)
    message = models.CharField(max_length=1000, blank=True)
    answers = models.JSONField(default=dict, blank=True, help_text="What a person said about the file")
    report = models.JSONField(default=dict, blank=True, help_text="What the file holds, for its page")
    statement = models.ForeignKey(
        "ledger.Statement", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    run = models.ForeignKey(SyncRun, on_delete=models.SET_NULL, null=True, related_name="+")
    created_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["account", "sha256"], name="upload_same_file")]

    def __str__(self) -> str:
        return self.name


class StatementLayout(models.Model):
    """The column assignment remembered for a bank account's CSV files."""

    account = models.OneToOneField("ledger.Account", on_delete=models.CASCADE, related_name="+")
    layout = models.JSONField()
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return str(self.account)


class Incident(models.Model):
    """Something that went wrong for good, told once, and its recovery; or (`once`) something that happened,
    which is over when it has been told."""

    organization = models.ForeignKey("access.Organization", on_delete=models.PROTECT, related_name="+")
    integration = models.ForeignKey(
        Integration, on_delete=models.CASCADE, null=True, related_name="incidents"
    )
    key = models.CharField(max_length=120, help_text="Same key, same incident")
    message = models.CharField(max_length=1000)
    once = models.BooleanField(default=False)
    page = models.CharField(max_length=200, blank=True, help_text="Path of where to look")
    opened_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True)
    recovery_told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization", "key"], condition=Q(closed_at__isnull=True), name="one_open_incident"
            ),
        ]

    def __str__(self) -> str:
        return self.message


class AlertChannel(models.Model):
    """Where incidents are told: an e-mail address or a webhook URL."""

    class Kind(models.TextChoices):
        EMAIL = "email", "E-mail"
        WEBHOOK = "webhook", "Webhook"

    organization = models.ForeignKey("access.Organization", on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind)
    target = models.CharField(max_length=500)
    secret = EncryptedTextField(blank=True, default="")
    problem = models.CharField(
        max_length=300, blank=True, help_text="Why the last message did not get through"
    )
    worked_at = models.DateTimeField(null=True, blank=True, help_text="When a message last got through")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.target
