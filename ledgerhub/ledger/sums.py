"""What the parts of a draft add up to: shared by validation and accounting, so the two never disagree."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, NamedTuple

from ledgerhub.core.errors import FieldError
from ledgerhub.core.money import exponent
from ledgerhub.ledger.fields import Draft, money_text

TOLERANCE = 5  # minor units a source may be off by its own rounding; booked to the rounding account


class SaleSums(NamedTuple):
    """An invoice or a bill taken apart, in minor units; `difference` is the total less the parts' sum."""

    line_amounts: list[int]
    lines: int
    discount: int
    shipping: int
    tax: int
    tips: int
    difference: int


def line_amount(line: dict[str, Any], currency: str) -> int | None:
    """Before discount: the amount given, else quantity times unit price; None when neither is known."""
    amount: int | None = line.get("amount")
    if amount is not None:
        return amount
    price: Decimal | None = line.get("unit_price")
    if price is None:
        return None
    quantity = line.get("quantity")
    value = (price if quantity is None else price * quantity).scaleb(exponent(currency))
    return int(value.to_integral_value(ROUND_HALF_EVEN))


def sale_sums(draft: Draft) -> SaleSums:
    """Header discount and tax are the whole; where they are absent the lines' own are summed.

    Lines of which none has an amount only describe: they are taken to be what the total leaves.
    """
    get = draft.get
    currency = draft["currency"]
    lines = get("lines") or ()
    amounts = [line_amount(line, currency) for line in lines]
    discount, tax = get("discount"), get("tax")
    if discount is None:
        discount = sum(line.get("discount") or 0 for line in lines)
    if tax is None:
        tax = sum(line.get("tax") or 0 for line in lines) + (get("shipping_tax") or 0)
    shipping, tips = get("shipping") or 0, get("tips") or 0
    others = shipping + tips - discount + (0 if get("taxes_included") else tax)
    total: int = draft["total"]
    if all(amount is None for amount in amounts):
        return SaleSums([], total - others, discount, shipping, tax, tips, 0)
    known = [amount or 0 for amount in amounts]
    whole = sum(known)
    return SaleSums(known, whole, discount, shipping, tax, tips, total - whole - others)


def check_sums(draft: Draft) -> list[FieldError]:
    """The kind's own sums; call it only once every field has passed."""
    check = _CHECKS.get(draft["kind"])
    return check(draft) if check else []


def sale_errors(draft: Draft, sums: SaleSums) -> list[FieldError]:
    """Lines - discounts + shipping + tax + tips against the total, within `TOLERANCE`."""
    if abs(sums.difference) > TOLERANCE:
        return [_error(draft, "total", _sale_difference(draft, sums))]
    if not sums.line_amounts and sums.lines < 0:
        message = f"Tax, shipping and tips are more than the total of {_money(draft, draft['total'])}"
        return [_error(draft, "total", message)]
    return []


def _sale_difference(draft: Draft, sums: SaleSums) -> str:
    currency, total = draft["currency"], draft["total"]
    parts = [
        f"{sign} {name} {money_text(amount, currency)}"
        for sign, name, amount in (
            ("less", "discounts", sums.discount),
            ("plus", "shipping", sums.shipping),
            ("plus", "tax", 0 if draft.get("taxes_included") else sums.tax),
            ("plus", "tips", sums.tips),
        )
        if amount
    ]
    return (
        f"{' '.join([f'Lines {money_text(sums.lines, currency)}', *parts])} make "
        f"{money_text(total - sums.difference, currency)}, but the total is {money_text(total, currency)}. "
        "Check how lines, discounts, shipping and tax are mapped"
    )


def _check_invoice(draft: Draft) -> list[FieldError]:
    errors = sale_errors(draft, sale_sums(draft))
    tax, shipping_tax = draft.get("tax"), draft.get("shipping_tax") or 0
    if tax is not None and shipping_tax > tax:
        message = f"Tax on shipping {_money(draft, shipping_tax)} is more than all tax {_money(draft, tax)}"
        errors.append(_error(draft, "shipping_tax", message))
    return errors + _repeated_tenders(draft)


def _check_bill(draft: Draft) -> list[FieldError]:
    return sale_errors(draft, sale_sums(draft))


def _check_credit_note(draft: Draft) -> list[FieldError]:
    return _parts_errors(draft, "Tax and shipping", "tax", "shipping")


def _check_payment(draft: Draft) -> list[FieldError]:
    named = _parts_errors(draft, "Tax, tips and gift cards", "tax", "tips", "gift_cards")
    return named + _check_settlement(draft)


def _parts_errors(draft: Draft, words: str, *names: str) -> list[FieldError]:
    """What is named of a total must not be more than it."""
    parts = sum(draft.get(name) or 0 for name in names)
    if parts <= draft["total"]:
        return []
    total = _money(draft, draft["total"])
    message = f"{words} make {_money(draft, parts)}, more than the total of {total}"
    return [_error(draft, "total", message)]


def _check_refund(draft: Draft) -> list[FieldError]:
    errors = _parts_errors(draft, "Tax, shipping and tips", "tax", "shipping", "tips")
    errors += _check_settlement(draft) + _repeated_tenders(draft)
    tenders = draft.get("tenders")
    if tenders:
        paid = sum(tender["amount"] for tender in tenders)
        if paid != draft["total"]:
            words = f"The refund's payments make {_money(draft, paid)}, but its amount is"
            errors.append(_error(draft, "total", f"{words} {_money(draft, draft['total'])}"))
    elif not draft.get("gateway"):
        errors.append(_error(draft, "gateway", "Say which gateway paid the refund, or list its payments"))
    return errors


def _repeated_tenders(draft: Draft) -> list[FieldError]:
    tenders = draft.get("tenders") or ()
    if len(tenders) < 2:
        return []
    ids = [tender["external_id"] for tender in tenders]
    repeated = sorted({name for name in ids if ids.count(name) > 1})
    return [
        FieldError("tenders[].external_id", "", f"Payment '{name}' is listed more than once")
        for name in repeated
    ]


def _check_settlement(draft: Draft) -> list[FieldError]:
    currency, settled = draft.get("settlement_currency"), draft.get("settlement_total")
    if not currency and settled is None:
        return []
    if not currency or settled is None:
        missing = "settlement_total" if currency else "settlement_currency"
        return [_error(draft, missing, "Settled amount and its currency must both be given, or neither")]
    if draft["total"] == 0 and settled:
        return [
            _error(
                draft, "settlement_total", f"Nothing was paid, but {money_text(settled, currency)} settled"
            )
        ]
    if currency == draft["currency"] and settled != draft["total"]:
        message = (
            f"Settled {money_text(settled, currency)} differs from the amount {_money(draft, draft['total'])}"
        )
        return [_error(draft, "settlement_total", message)]
    return []


def _check_dispute(draft: Draft) -> list[FieldError]:
    if draft["status"] == "won" and draft.get("closed_date") is None:
        return [_error(draft, "closed_date", "A dispute that was won needs the date it was closed on")]
    return []


def _check_payout(draft: Draft) -> list[FieldError]:
    if not draft.get("itemized"):
        return []
    net = sum(item["net"] for item in draft.get("items") or ())
    if net == draft["total"]:
        return []
    message = (
        f"The payout's items make {_money(draft, net)} net, but the payout is {_money(draft, draft['total'])}"
    )
    return [_error(draft, "total", message)]


def _check_journal(draft: Draft) -> list[FieldError]:
    lines = draft.get("lines") or ()
    if len(lines) < 2:
        return [FieldError("lines[]", "", "A journal entry needs at least two lines")]
    whole = sum(line["amount"] for line in lines)
    if whole == 0:
        return []
    side = "debits" if whole > 0 else "credits"
    return [
        FieldError(
            "lines[].amount", "", f"The lines do not balance: {_money(draft, abs(whole))} too many {side}"
        )
    ]


def _check_bank_transaction(draft: Draft) -> list[FieldError]:
    lines = draft.get("lines") or ()
    whole = sum(line["amount"] for line in lines)
    if not lines or whole == draft["total"]:
        return []
    message = f"The lines make {_money(draft, whole)}, but the bank amount is {_money(draft, draft['total'])}"
    return [FieldError("lines[].amount", "", message)]


def _money(draft: Draft, amount: int) -> str:
    return money_text(amount, draft["currency"])


def _error(draft: Draft, field: str, message: str) -> FieldError:
    return FieldError(f"{draft['kind']}.{field}", "", message)


_CHECKS: dict[str, Callable[[Draft], list[FieldError]]] = {
    "invoice": _check_invoice,
    "credit_note": _check_credit_note,
    "payment": _check_payment,
    "refund": _check_refund,
    "dispute": _check_dispute,
    "payout": _check_payout,
    "bill": _check_bill,
    "journal_entry": _check_journal,
    "bank_transaction": _check_bank_transaction,
}
