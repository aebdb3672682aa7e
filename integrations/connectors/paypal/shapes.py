"""PayPal's transactions with what their event codes imply said outright (mapping reads these)."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, DecimalException
from typing import Any

from integrations.moments import parse_moment
from integrations.records import Record, dig

# What a row is by its event code; the first two digits are the group, named where all of it is one thing.
# Of groups that are not (T11, T12, T21: gift certificates stand among holds), each code that we know.
RECEIVED = (
    *("T0000", "T0002", "T0003", "T0004", "T0005", "T0006", "T0007"),
    *("T0011", "T0012", "T0013", "T0018", "T0019"),
)
CODES = {
    **dict.fromkeys(RECEIVED, "payment"),
    **dict.fromkeys(("T1107", "T1113"), "refund"),
    **dict.fromkeys(("T1106", "T1201"), "dispute"),
    **dict.fromkeys(("T1202", "T1205", "T1208"), "dispute_returned"),
    # A bank transfer that came back, either way.
    **dict.fromkeys(("T1101", "T1104"), "payout"),
    # Held for a dispute and for what is open; for risk, as a reserve, for review; not available yet.
    **dict.fromkeys(("T1105", "T1110", "T1111"), "reserve"),
    **dict.fromkeys(("T2101", "T2102", "T2103", "T2104", "T2105", "T2106", "T2107", "T2108"), "reserve"),
    **dict.fromkeys(("T2111", "T2112"), "reserve"),
    **dict.fromkeys(("T1108", "T1109"), "fee"),
    "T0106": "dispute_fee",
}
GROUPS = {
    "T01": "fee",
    "T02": "conversion",
    "T03": "payout",
    "T04": "payout",
    "T13": "nothing",  # authorizations and their voids: no money moved yet
    "T15": "reserve",
}
# Which way the money must go for the code to mean this; another way round is for a person to judge.
INWARD = {"payment": True, "dispute_returned": True, "refund": False, "dispute": False}
MOVED = ("S", "V")  # what was reversed later has moved all the same: the reversal is a row of its own
UNMOVED = ("P", "D")
COUNTRIES = {"C2": "CN"}  # PayPal's code for China in payments from abroad


def shape_transaction(row: Record) -> Record:
    """Adds an id that is unique (a transaction's id is not), `what` the row is, and amounts by meaning."""
    info = dig(row, "transaction_info") or {}
    gross, fee = _amount(info, "transaction_amount"), _amount(info, "fee_amount")
    what, kept_for = _meaning(info, gross)
    identity = _identity(info)
    return {
        **row,
        "id": identity,
        "fee_id": f"{identity}:fee" if identity else None,
        "what": what,
        "kept_for": kept_for,
        "gross": _text(gross),
        "turned": _text(-gross if gross is not None else None),
        "withheld": _text(-fee if fee else None),
        "moved": info.get("transaction_status") in MOVED,
        "payer": _payer(dig(row, "payer_info") or {}),
    }


def _identity(info: Record) -> str | None:
    """`5TY05013RG002845M:T0006:20140711T040352Z`: a payment, its hold and its fee may share the first."""
    number, started = info.get("transaction_id"), parse_moment(info.get("transaction_initiation_date"))
    if not number or started is None:
        return None
    return f"{number}:{info.get('transaction_event_code')}:{started.astimezone(dt.UTC):%Y%m%dT%H%M%SZ}"


def _meaning(info: Record, gross: Decimal | None) -> tuple[str, str]:
    """What the row is, and for what money was kept where it is a fee; what cannot be told is `unknown`,
    which no mapping knows, so that it waits for a person."""
    code, status = str(info.get("transaction_event_code") or ""), info.get("transaction_status")
    what = CODES.get(code) or GROUPS.get(code[:3], "unknown")
    if status not in MOVED + UNMOVED:
        return "unknown", f"{code}, status {status}"
    if what == "unknown":
        return what, code
    if what in INWARD and gross is not None and gross and (gross > 0) is not INWARD[what]:
        return "unknown", f"{code}, money {'received' if gross > 0 else 'sent'}"
    if status in UNMOVED and what not in ("payment", "refund", "payout"):
        return "nothing", ""
    return ("kept", what) if what in ("fee", "dispute_fee", "reserve", "conversion") else (what, "")


def _amount(info: Record, name: str) -> Decimal | None:
    """An amount as PayPal signs it; None where there is none that can be read, which the mapping reports."""
    try:
        amount = Decimal(str(dig(info, f"{name}.value")))
    except DecimalException:
        return None
    return amount if amount.is_finite() else None


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"


def _payer(info: Record) -> Record:
    names: Any = info.get("payer_name") or {}
    parts = (str(names.get(part) or "") for part in ("given_name", "surname"))
    country = info.get("country_code")
    return {
        "id": info.get("account_id"),
        "name": names.get("alternate_full_name") or " ".join(filter(None, parts)) or None,
        "email": info.get("email_address"),
        "country": COUNTRIES.get(str(country), country),
    }
