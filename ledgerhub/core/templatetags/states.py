"""Showing: every state of a run, record, document, match or integration as tone, icon and word."""

from __future__ import annotations

from typing import NamedTuple

TONES = ("success", "warning", "danger", "info", "accent", "neutral")


class State(NamedTuple):
    """How a state looks: `tone` is one of TONES, `icon` a symbol of icons.svg, `word` what it says."""

    tone: str
    icon: str
    word: str


_SAME_WORD = {
    ("success", "check"): (
        "ok active healthy live published posted paid confirmed approved matched reconciled settled "
        "succeeded done delivered connected enabled accepted verified won resolved fixed"
    ),
    ("info", "refresh"): "running syncing processing sending retrying replaying previewing testing",
    ("info", "clock"): "queued scheduled pending waiting in_transit",
    ("accent", "sparkle"): "proposed suggested new",
    ("accent", "eye"): "shadow preview",
    ("warning", "alert"): (
        "warning quarantined unmatched stale degraded expiring overdue difference partial partially_paid "
        "partially_refunded disputed needs_response unbalanced late"
    ),
    ("danger", "x-circle"): (
        "failed error rejected broken revoked expired lost declined uncollectible blocked locked_out"
    ),
    ("neutral", "draft"): "draft open unpaid unknown",
    ("neutral", "pause"): "paused disabled inactive off snoozed retired",
    (
        "neutral",
        "minus",
    ): "void voided cancelled canceled dismissed ignored superseded closed archived skipped withdrawn",
    ("neutral", "copy"): "duplicate",
    ("neutral", "undo"): "reversed undone refunded rolled_back returned",
    ("neutral", "lock"): "locked",
}
_OTHER_WORD = {
    "ok": State("success", "check", "OK"),
    "quarantined": State("warning", "alert", "In quarantine"),
    "proposed": State("accent", "sparkle", "To approve"),
    "needs_person": State("warning", "user", "Needs a person"),
    "needs_response": State("warning", "alert", "Needs a response"),
    "both_real": State("success", "check", "Both are real"),
    "reported": State("info", "clock", "Reported"),
    "locked_out": State("danger", "lock", "Locked out"),
}


def state_word(state: str) -> str:
    """ "in_transit" -> "In transit"."""
    words = state.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def _all_states() -> dict[str, State]:
    known = {
        name: State(tone, icon, state_word(name))
        for (tone, icon), names in _SAME_WORD.items()
        for name in names.split()
    }
    return known | _OTHER_WORD


STATES: dict[str, State] = _all_states()


def describe_state(state: str) -> State:
    """How `state` looks; one nobody has listed is shown neutral, in its own words."""
    key = str(state).strip().lower().replace(" ", "_").replace("-", "_")
    return STATES.get(key) or State("neutral", "circle", state_word(str(state)) or "Unknown")
