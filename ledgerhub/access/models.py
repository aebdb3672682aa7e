"""Who may see and do what: users, organizations, memberships, invitations and the audit trail."""

from __future__ import annotations

import zoneinfo
from typing import Any, ClassVar, NoReturn

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from ledgerhub.core.money import CURRENCIES


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person, known by the e-mail address."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    date_joined = models.DateTimeField(default=timezone.now)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()

    def __str__(self) -> str:
        return self.name or self.email


class Role(models.TextChoices):
    """Roles, weakest first; each may do what the ones before it may."""

    VIEWER = "viewer", "Viewer"
    BOOKKEEPER = "bookkeeper", "Bookkeeper"
    APPROVER = "approver", "Approver"
    ADMIN = "admin", "Admin"

    @property
    def rank(self) -> int:
        return list(Role).index(self)


def check_timezone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(f"'{name}' is not a time zone. Example: America/New_York")


def check_currency(code: str) -> None:
    if code not in CURRENCIES:
        raise ValidationError(f"'{code}' is not a currency code. Example: USD")


class Organization(models.Model):
    """One set of books; everything else belongs to exactly one."""

    class DateFormat(models.TextChoices):
        ISO = "YYYY-MM-DD"
        DOTS = "DD.MM.YYYY"
        SLASHES = "DD/MM/YYYY"
        US = "MM/DD/YYYY"

    class Revaluation(models.TextChoices):
        TURNED = "turned", "Turned round on the first day of the next month"
        KEPT = "kept", "Kept"

    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=60, unique=True)
    base_currency = models.CharField(max_length=3, default="USD", validators=[check_currency])
    timezone = models.CharField(max_length=60, default="UTC", validators=[check_timezone])
    locale = models.CharField(max_length=20, default="en_US")
    date_format = models.CharField(max_length=10, choices=DateFormat, default=DateFormat.ISO)
    lock_date = models.DateField(null=True, blank=True, help_text="Nothing on or before this date changes")
    revaluation = models.CharField(
        max_length=8,
        choices=Revaluation,
        default=Revaluation.TURNED,
        help_text="Balances in other currencies at a month's end",
    )
    two_person_rule = models.BooleanField(
        default=False, help_text="Who drafts a mapping or a rule may not publish it"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.timezone)


class Membership(models.Model):
    """A user's role in an organization."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role, default=Role.VIEWER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "organization"], name="one_membership_a_user"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.organization} as {self.role}"

    def may(self, role: Role | str) -> bool:
        return Role(self.role).rank >= Role(role).rank


class Invitation(models.Model):
    """An e-mail that lets one person join with one role; only the token's hash is kept."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=12, choices=Role, default=Role.VIEWER)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.email} to {self.organization}"


class AppendOnlyError(RuntimeError):
    """Somebody tried to change or delete a row of the audit trail."""

    def __init__(self) -> None:
        super().__init__("The audit trail is append-only: record a new event instead.")


class AuditQuerySet(models.QuerySet["AuditEvent"]):
    """Reads and inserts; what stands is never changed."""

    def update(self, **values: Any) -> NoReturn:
        raise AppendOnlyError

    def bulk_update(self, *args: Any, **options: Any) -> NoReturn:
        raise AppendOnlyError

    def delete(self) -> NoReturn:
        raise AppendOnlyError


class AuditEvent(models.Model):
    """One change: who, when, what, before and after. Append-only, each row sealed with the one before."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, null=True, related_name="audit_events"
    )
    actor = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    actor_label = models.CharField(max_length=160, blank=True)
    at = models.DateTimeField(default=timezone.now)
    action = models.CharField(max_length=60, help_text="What was done: mapping.published, match.confirmed")
    object_type = models.CharField(max_length=40, blank=True)
    object_id = models.CharField(max_length=40, blank=True)
    object_label = models.CharField(max_length=200, blank=True)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    ip_address = models.GenericIPAddressField(null=True, blank=True)
    number = models.PositiveBigIntegerField(default=0, help_text="Place in the organization's chain, from 1")
    seal = models.CharField(max_length=64, blank=True)

    objects: ClassVar[models.Manager[AuditEvent]] = models.Manager.from_queryset(AuditQuerySet)()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["organization", "-id"], name="audit_newest"),
            models.Index(fields=["organization", "object_type", "object_id"], name="audit_object"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_label}"

    def save(self, *args: Any, **options: Any) -> None:
        if not self._state.adding:
            raise AppendOnlyError
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> NoReturn:
        raise AppendOnlyError


class AuditChain(models.Model):
    """The last link of one organization's audit trail: locked to append, compared to find a cut-off end."""

    key = models.CharField(max_length=40, unique=True, help_text="The organization's id, or 'system'")
    length = models.PositiveBigIntegerField(default=0)
    seal = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"audit chain {self.key}: {self.length} events"
