"""The job cluster: django-q2's, but one that ends rather than goes on half dead."""

from __future__ import annotations

import logging
import os
from typing import Any

from django_q import cluster

log = logging.getLogger(__name__)


class Sentinel(cluster.Sentinel):  # type: ignore[misc]  # django-q2 has no types
    """Ends the cluster when one of its processes was killed; the supervisor starts a new one.

    A killed process may have held the lock of a queue, which then stays locked for ever: idle workers wait
    for jobs that never come, or results are never acknowledged (django-q2#23). Processes that end by
    themselves, by recycling or after a time-out, are replaced one by one as ever.
    """

    def reincarnate(self, process: Any) -> None:
        if process.exitcode is not None and process.exitcode < 0:
            log.error("a job process was killed by signal %s: the cluster ends", -process.exitcode)
            os._exit(1)  # an orderly end would wait for the same locks
        super().reincarnate(process)


def start() -> None:
    """Run the cluster; returns when it was asked to stop."""
    cluster.Sentinel = Sentinel  # the cluster looks it up there when it starts
    cluster.Cluster().start()
