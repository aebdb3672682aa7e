"""Which account a bank line without a document is for: by the payee's history, else by its words (pure).

Learned from what people booked. How sure each way is, is measured on the same history: every booking is
predicted from those before it, every payee from the others, and the shares that came true become the
probabilities that are shown.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from reconciliation.payees import payee

LEAST = 0.6
"""Below this probability nothing is suggested."""
MOST_BOOKINGS = 20_000
"""How many of the newest bookings are learned from."""

_MEMORY = 24
_FADING = 0.65
_NEAR, _NEAR_WEIGHT = 0.05, 6.0
_DOUBT = 0.4
_MOST_TEXTS, _LEAST_TEXTS, _LEAST_ACCOUNTS = 2_000, 12, 2
_FOLDS = 5
_LEAST_TRIED = 25
_STRENGTH = 10.0
_MOST = 0.99

Floats = npt.NDArray[np.float64]


class Booked(NamedTuple):
    """A line somebody booked to an account (or, `refused`, would not); `amount` signed as on the bank."""

    text: str
    amount: int
    account: int
    refused: bool = False


class Asked(NamedTuple):
    """A line that wants an account; `refused` are those already refused for this very line."""

    text: str
    amount: int
    refused: frozenset[int] = frozenset()


class Suggestion(NamedTuple):
    account: int
    probability: float
    reason: str


class _Guess(NamedTuple):
    """What one way says, before its probability is set right."""

    way: str
    account: int
    score: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Habits:
    """What was learned of an organization's bookings."""

    names: Mapping[int, str]
    histories: Histories
    words: Words | None
    trust: Mapping[str, Trust]

    def suggest(self, lines: Sequence[Asked]) -> list[Suggestion | None]:
        """For each line the likeliest account with the reason, or None below LEAST."""
        known = [self.histories.guess(line) for line in lines]
        unsure = [n for n, guess in enumerate(known) if guess is None or self._probability(guess) < LEAST]
        read = self.words.guess([lines[n] for n in unsure]) if self.words else [None] * len(unsure)
        by_words = dict(zip(unsure, read, strict=True))
        return [
            self._best([guess for guess in (known[n], by_words.get(n)) if guess]) for n in range(len(lines))
        ]

    def _best(self, guesses: Sequence[_Guess]) -> Suggestion | None:
        best = max(guesses, key=self._probability, default=None)
        if best is None or best.account not in self.names or self._probability(best) < LEAST:
            return None
        reason = best.reason.format(account=self.names[best.account])
        return Suggestion(best.account, round(self._probability(best), 4), reason)

    def _probability(self, guess: _Guess) -> float:
        trust = self.trust.get(guess.way)
        return min(_MOST, trust.probability(guess.score) if trust else guess.score)


def learn(bookings: Sequence[Booked], names: Mapping[int, str]) -> Habits:
    """Learns from bookings in the order they were made; `names` are the accounts that may be suggested."""
    newest = bookings[-MOST_BOOKINGS:]
    histories = Histories()
    tried: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for booking in newest:
        guess = None if booking.refused else histories.guess(Asked(booking.text, booking.amount))
        if guess is not None:
            tried[guess.way].append((guess.score, guess.account == booking.account))
        histories.add(booking)
    texts = _texts(newest)
    words = Words.of(texts)
    tried["words"] = list(_tried_words(texts))
    trust = {way: Trust.of(pairs) for way, pairs in tried.items() if len(pairs) >= _LEAST_TRIED}
    if "words" not in trust:
        words = None  # nothing shows yet how far it may be believed
    return Habits(names, histories, words, trust)


# ── the payee's history ─────────────────────────────────────────────────────────────────────────────


def _side(amount: int) -> str:
    return "in" if amount > 0 else "out"


@dataclass(slots=True)
class Histories:
    """The newest bookings of each payee, by all of its name and by the beginning of it; in and out apart."""

    by_key: dict[tuple[str, str], deque[Booked]] = field(default_factory=dict)
    by_stem: dict[tuple[str, str], deque[Booked]] = field(default_factory=dict)

    def add(self, booking: Booked) -> None:
        who, side = payee(booking.text), _side(booking.amount)
        for rows, name in ((self.by_key, who.key), (self.by_stem, who.stem)):
            if name:
                rows.setdefault((name, side), deque(maxlen=_MEMORY)).append(booking)

    def guess(self, line: Asked) -> _Guess | None:
        who, side = payee(line.text), _side(line.amount)
        for way, rows, name in (("payee", self.by_key, who.key), ("branch", self.by_stem, who.stem)):
            if past := rows.get((name, side)):
                return _by_history(way, name.upper(), list(past), line)
        return None


def _by_history(way: str, name: str, past: list[Booked], line: Asked) -> _Guess | None:
    """The account that newer bookings, and those of about the same amount, speak for most."""
    scores: dict[int, float] = defaultdict(float)
    total = 0.0
    for age, booking in enumerate(reversed(past)):
        weight = _FADING**age * (1 + _NEAR_WEIGHT * _nearness(booking.amount, line.amount))
        scores[booking.account] += -weight if booking.refused else weight
        total += weight
    for account in line.refused:
        scores.pop(account, None)
    if not scores or max(scores.values()) <= 0:
        return None
    account = max(scores, key=lambda one: scores[one])
    kept = sum(not booking.refused for booking in past)
    score = scores[account] / total * kept / (kept + _DOUBT)
    return _Guess(way, account, score, _history_words(name, past, account, line.amount))


def _nearness(one: int, other: int) -> float:
    """1 for equal amounts, about 0 from some 15% apart."""
    if not one or not other:
        return float(one == other)
    return exp(-((log(abs(one) / abs(other)) / _NEAR) ** 2) / 2)


def _history_words(name: str, past: list[Booked], account: int, amount: int) -> str:
    booked = [booking for booking in past if not booking.refused]
    name = name.replace("{", "(").replace("}", ")")
    run = 0
    for booking in reversed(booked):
        if booking.account != account:
            break
        run += 1
    if run >= 2:
        return f"you booked the last {run} of '{name}' to {{account}}"
    if len(booked) == 1:
        return f"you booked '{name}' to {{account}} the last time"
    near = [booking for booking in booked if _nearness(booking.amount, amount) > 0.5]
    same = sum(booking.account == account for booking in near)
    if near and same * 2 > len(near):
        return f"you booked {same} of {len(near)} of '{name}' with about this amount to {{account}}"
    same = sum(booking.account == account for booking in booked)
    return f"you booked {same} of the last {len(booked)} of '{name}' to {{account}}"


# ── the words ───────────────────────────────────────────────────────────────────────────────────────


class _Text(NamedTuple):
    """What a payee is called and where most of its bookings went: each payee counts once."""

    key: str
    side: str
    account: int

    @property
    def written(self) -> str:
        return f"{self.key} ={self.side}"


def _texts(bookings: Iterable[Booked]) -> list[_Text]:
    """The newest payees with their usual account, oldest first."""
    usual: dict[tuple[str, str], Counter[int]] = {}
    for booking in bookings:
        name = payee(booking.text).key, _side(booking.amount)
        if booking.refused or not name[0]:
            continue
        counts = usual.pop(name, Counter())
        counts[booking.account] += 1
        usual[name] = counts
    made = [_Text(*name, counts.most_common(1)[0][0]) for name, counts in usual.items()]
    return made[-_MOST_TEXTS:]


def _tried_words(texts: Sequence[_Text]) -> Iterator[tuple[float, bool]]:
    """How the words do on payees they were not shown."""
    names = sorted({text.key for text in texts})
    fold = {name: position % _FOLDS for position, name in enumerate(names)}
    for left_out in range(_FOLDS):
        words = Words.of([text for text in texts if fold[text.key] != left_out])
        if words is None:
            continue
        held = [text for text in texts if fold[text.key] == left_out]
        for text, (account, score) in zip(held, words.best([one.written for one in held]), strict=True):
            yield score, account == text.account


@dataclass(frozen=True, slots=True)
class Words:
    """One logistic regression an account over stretches of 2 to 4 letters of the payees' names."""

    texts: Sequence[_Text]
    accounts: Sequence[int]
    letters: TfidfVectorizer
    known: csr_matrix
    slopes: Floats
    starts: Floats

    @classmethod
    def of(cls, texts: Sequence[_Text]) -> Words | None:
        """None where there is too little to learn from."""
        accounts = sorted({text.account for text in texts})
        if len(texts) < _LEAST_TEXTS or len(accounts) < _LEAST_ACCOUNTS:
            return None
        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
        known = letters.fit_transform([text.written for text in texts])
        own = np.array([text.account for text in texts])
        fits = [
            LogisticRegression(C=_STRENGTH, solver="liblinear", random_state=0).fit(known, own == account)
            for account in accounts
        ]
        slopes = np.stack([fit.coef_[0] for fit in fits], axis=1)
        return cls(texts, accounts, letters, known, slopes, np.array([fit.intercept_[0] for fit in fits]))

    def guess(self, lines: Sequence[Asked]) -> list[_Guess | None]:
        names = [payee(line.text).key for line in lines]
        if not lines:
            return []
        written = [f"{name} ={_side(line.amount)}" for name, line in zip(names, lines, strict=True)]
        rows = self.letters.transform(written)
        shares = self._shares(rows)
        for row, line in zip(shares, lines, strict=True):
            row[[n for n, account in enumerate(self.accounts) if account in line.refused]] = 0
        best = shares.argmax(axis=1)
        return [
            _Guess("words", self.accounts[place], float(shares[n, place]), self._why(name, rows[n], place))
            if name
            else None
            for n, (name, place) in enumerate(zip(names, best.tolist(), strict=True))
        ]

    def best(self, written: Sequence[str]) -> list[tuple[int, float]]:
        shares = self._shares(self.letters.transform(written)) if written else np.zeros((0, 1))
        return [(self.accounts[int(row.argmax())], float(row.max())) for row in shares]

    def _shares(self, rows: csr_matrix) -> Floats:
        odds = 1 / (1 + np.exp(-(rows @ self.slopes + self.starts)))
        shares: Floats = odds / odds.sum(axis=1, keepdims=True)
        return shares

    def _why(self, name: str, row: csr_matrix, place: int) -> str:
        """Whole words that mostly went there, else the payee that reads most alike."""
        account = self.accounts[place]
        telling = []
        for word in dict.fromkeys(name.split()):
            with_word = [text.account == account for text in self.texts if word in text.key.split()]
            if len(word) > 2 and sum(with_word) * 2 > len(with_word):
                telling.append(f"'{word}'")
        if telling:
            return f"texts with {', '.join(telling[:3])} mostly went to {{account}}"
        alike = np.asarray((self.known @ row.T).todense()).ravel()
        alike[[n for n, text in enumerate(self.texts) if text.account != account]] = -1
        return (
            f"it reads like '{self.texts[int(alike.argmax())].key.upper()}', which you booked to {{account}}"
        )


# ── how far a way may be believed ───────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Trust:
    """Turns a score into the share of such scores that came true (Platt's scaling)."""

    slope: float
    start: float

    @classmethod
    def of(cls, tried: Sequence[tuple[float, bool]]) -> Trust:
        scores = np.array([[_logit(score)] for score, _ in tried])
        came_true = np.array([right for _, right in tried])
        if came_true.all() or not came_true.any():
            # One that counts the other way: never certain of what was merely not seen yet.
            scores, came_true = (
                np.vstack((scores, scores.mean(axis=0))),
                np.append(came_true, not came_true[0]),
            )
        fit = LogisticRegression(solver="liblinear", random_state=0).fit(scores, came_true)
        return cls(max(0.0, float(fit.coef_[0, 0])), float(fit.intercept_[0]))

    def probability(self, score: float) -> float:
        return 1 / (1 + exp(-(self.slope * _logit(score) + self.start)))


def _logit(score: float) -> float:
    held = min(max(score, 1e-4), 1 - 1e-4)
    return log(held / (1 - held))
