"""Pure: rate budgets: the protocol the client asks, and a token bucket in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Protocol

from integrations.spec import Learned, Limits


class RateBudget(Protocol):
    """The calls one integration may still make; shared by everything that calls for it."""

    def acquire(self, cost: float) -> float:
        """Take `cost` tokens and return 0; or take nothing and return the seconds to wait."""

    def learn(self, learned: Learned) -> None:
        """Correct the bucket by what the system itself said."""

    def release(self) -> None:
        """Give back what was taken ahead: the client makes no more calls."""


class MemoryBudget:
    """A token bucket for one process."""

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = limits.burst
        self._per_second = limits.per_second
        self._tokens = limits.burst
        self._clock = clock
        self._at = clock()
        self._blocked_until = 0.0
        self._lock = Lock()

    def acquire(self, cost: float) -> float:
        with self._lock:
            now = self._refill()
            if now < self._blocked_until:
                return self._blocked_until - now
            cost = min(cost, self._capacity)  # a call dearer than the bucket waits for a full one
            if self._tokens >= cost:
                self._tokens -= cost
                return 0.0
            return (cost - self._tokens) / self._per_second

    def learn(self, learned: Learned) -> None:
        with self._lock:
            now = self._refill()
            self._capacity = learned.capacity or self._capacity
            self._per_second = learned.per_second or self._per_second
            if learned.remaining is not None:
                self._tokens = min(learned.remaining, self._capacity)
            if learned.wait:
                self._blocked_until = max(self._blocked_until, now + learned.wait)

    def release(self) -> None:
        """Nothing is taken ahead here."""

    def _refill(self) -> float:
        now = self._clock()
        self._tokens = min(self._capacity, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        return now
