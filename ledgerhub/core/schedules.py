"""What every app's `sweep` module asks of the job queue: static schedules, jobs that follow news, telling."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

from django.apps import apps
from django.db import transaction
from django.utils.module_loading import module_has_submodule
from django_q.models import Schedule
from django_q.tasks import async_task


def ensure() -> None:
    """Make the rows say what the code says; may run any number of times, and on several hosts at once."""
    with transaction.atomic():
        for func, fields in declared():
            wanted = {"name": func, "repeats": -1, "cron": None, "minutes": None, **fields}
            rows = list(Schedule.objects.select_for_update().filter(func=func).order_by("pk"))
            if not rows:
                Schedule.objects.create(func=func, **wanted)
                continue
            first, *doubles = rows
            if any(getattr(first, name) != value for name, value in wanted.items()):
                Schedule.objects.filter(pk=first.pk).update(**wanted)
            Schedule.objects.filter(pk__in=[double.pk for double in doubles]).delete()


def follow() -> None:
    """Queue what apps want done at once when new rows stand in the books, rather than at the next minute.

    Within a transaction the jobs are queued with it, or not at all.
    """
    for module in _sweeps():
        for func in getattr(module, "FOLLOWS_NEWS", ()):
            async_task(func)


def tell(organization_id: int, message: str, *, page: str) -> None:
    """Have the people who look after an organization told that something happened; `page` is the path of
    where to look. Queued as `follow` does, for the app that knows by which ways they are told."""
    for module in _sweeps():
        for func in getattr(module, "TELLS", ()):
            async_task(func, organization_id, message, page)


def declared() -> Iterator[tuple[str, dict[str, Any]]]:
    """(function, fields of its schedule) from `SCHEDULES` of every app that has a module `sweep`."""
    for module in _sweeps():
        yield from getattr(module, "SCHEDULES", {}).items()


def _sweeps() -> Iterator[ModuleType]:
    for app in apps.get_app_configs():
        if app.module is not None and module_has_submodule(app.module, "sweep"):
            yield import_module(f"{app.name}.sweep")
