"""The few static schedules of the job queue: what every app's `sweep` module asks for."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from django.apps import apps
from django.db import transaction
from django.utils.module_loading import module_has_submodule
from django_q.models import Schedule


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


def declared() -> Iterator[tuple[str, dict[str, Any]]]:
    """(function, fields of its schedule) from `SCHEDULES` of every app that has a module `sweep`."""
    for app in apps.get_app_configs():
        if app.module is not None and module_has_submodule(app.module, "sweep"):
            yield from getattr(import_module(f"{app.name}.sweep"), "SCHEDULES", {}).items()
