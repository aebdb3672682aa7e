"""Pure: what became of an invoice: what was paid of it, credited and given back, and the word for that."""

from __future__ import annotations

from typing import NamedTuple


class PaymentState(NamedTuple):
    """Minor units of the invoice's currency, none negative. `open` is still to be paid, `credited` will not
    have to be, `refunded` went back after it was paid."""

    total: int
    open: int
    credited: int
    refunded: int

    @property
    def paid(self) -> int:
        return max(self.total - self.open - self.credited, 0)

    @property
    def word(self) -> str:
        if self.total and self.credited >= self.total:
            return "credited"
        if self.refunded and self.refunded >= self.paid:
            return "refunded"
        if self.open:
            return "part paid" if self.paid else "open"
        return "part refunded" if self.refunded else "paid"
