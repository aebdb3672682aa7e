"""Noisy reconciliation workloads with known truth, at any size: what banks and ledgers do to each other."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass, field
from datetime import date, timedelta

from reconciliation.matching.tables import Table

START = date(2025, 1, 1)


def _words(text: str) -> list[str]:
    return text.split()


ROOTS = _words(
    """north river oak stone silver green bright copper lake harbor summit valley iron maple cedar
    falcon amber delta prime union royal crown eagle pacific atlantic nordic alpine metro urban
    rural coastal solar lunar quantum vector matrix cobalt crystal ember forest granite hazel indigo
    jasper keystone lunar meadow nova onyx pine quartz raven sage timber umber violet willow zephyr"""
)
ENDS = _words(
    """field wood bridge gate ford ton burg mont view crest land port dale brook haven point ridge side
    well worth"""
)
TRADES = _words(
    """Trading Logistics Foods Textiles Media Consulting Engineering Supplies Motors Pharma Design
    Systems Energy Catering Furniture Electronics Printing Security Travel Software Packaging
    Plastics Chemicals Analytics"""
)
FORMS = _words("""Inc LLC Ltd GmbH SARL BV AB Corp Co LP""")
FIRST = _words(
    """Anna Ben Carla David Elena Frank Greta Hugo Ines Jonas Karin Liam Maria Nils Olga Paul Rosa Sven
    Tara Uwe"""
)
LAST = _words(
    """Becker Santos Novak Olsen Rossi Keller Dubois Moreau Silva Costa Jansen Meyer Schulz Kowalski
    Nagy Ivanov Lopez"""
)
PRICES = (
    999, 1499, 1900, 2499, 2900, 4900, 4999, 7900, 9900, 12900, 14900,
    19900, 24900, 29900, 49900, 99000,
)  # fmt: skip
PREFIXES = ("SEPA CREDIT", "ACH CREDIT", "WIRE IN", "TRANSFER FROM", "FPS", "GIRO", "INCOMING PAYMENT", "")
SOLD = ("Invoice", "Sale", "Order", "Services", "Monthly fee")
BANK_ONLY = ("MONTHLY MAINTENANCE FEE", "SERVICE CHARGE", "INTEREST PAID", "CARD FEE", "OVERDRAFT INTEREST")


@dataclass(frozen=True, slots=True)
class Noise:
    """How often, as shares, each kind of damage is done.

    `lost_reference`: the bank shows no reference. `mangled_reference`: only its number, with a blank for
    the dash, its last digit cut, or in small letters. `mangled_payer`: a slip of the keyboard, a first name
    cut to its letter, the legal form left out, the end cut off, or two words run together. `lost_payer`:
    no payer at all. `price_list`: the amount is one of sixteen list prices, so that the same amount stands
    thousands of times. `lost_batch`: neither side's batch tells which payout this is. Whatever `text` says,
    a bank cuts descriptions to 28, 60 or 140 characters, money arrives after days (a few weeks late at
    times), three in ten texts hold a number that means nothing, and payers are of very uneven frequency.
    Without `text` only dates and amounts are left.

    What happens, beside one payment for one invoice: a transfer for 2 to 14 invoices; a processor's payout
    of many charges less its fee; instalments; payments less a fee or a discount, or short by a cent or by
    half; cheques that clear after weeks; bank charges nobody booked; invoices nobody paid; voided entries.
    """

    lost_reference: float = 0.35
    mangled_reference: float = 0.1
    mangled_payer: float = 0.3
    lost_payer: float = 0.06
    price_list: float = 0.45
    lost_batch: float = 0.3
    text: bool = True


@dataclass(slots=True)
class Workload:
    """Two tables and the truth: which line belongs to which entries."""

    lines: list[dict[str, object]] = field(default_factory=list)
    entries: list[dict[str, object]] = field(default_factory=list)
    truth: set[tuple[str, str]] = field(default_factory=set)

    def tables(self) -> tuple[Table, Table]:
        return Table.from_rows(self.lines), Table.from_rows(self.entries)


@dataclass(slots=True)
class _Maker:
    rng: random.Random
    noise: Noise
    payers: list[str]
    days: int
    work: Workload
    number: int = 10_000
    check: int = 1_000

    def day(self) -> date:
        return START + timedelta(days=self.rng.randrange(self.days))

    def amount(self) -> int:
        if self.rng.random() < self.noise.price_list:
            return self.rng.choice(PRICES)
        size = int(self.rng.lognormvariate(10.5, 1.4)) + 100
        return size // 100 * 100 if self.rng.random() < 0.15 else size

    def payer(self) -> str:
        return (
            self.payers[min(int(self.rng.paretovariate(0.7)) - 1, len(self.payers) - 1)]
            if (self.rng.random() < 0.12)
            else self.rng.choice(self.payers)
        )

    def entry(
        self, day: date, amount: int, payer: str, *, batch: str = "", reference: str = ""
    ) -> dict[str, object]:
        self.number += self.rng.randrange(1, 4)
        row: dict[str, object] = {
            "id": f"E{len(self.work.entries):07d}", "date": day, "amount": amount, "currency": "EUR",
            "reference": reference or f"INV-{self.number}", "counterparty": payer,
            "description": f"{self.rng.choice(SOLD)} {payer}",
            "batch": batch,
        }  # fmt: skip
        self.work.entries.append(row)
        return row

    def line(
        self, day: date, amount: int, payer: str, references: list[str], *, batch: str = ""
    ) -> dict[str, object]:
        shown = [self._reference(reference) for reference in references]
        text = [self.rng.choice(PREFIXES), self._payer(payer), *[one for one in shown if one]]
        if self.rng.random() < 0.3:
            text.append(str(self.rng.randrange(10**6, 10**8)))
        structured = self.rng.random() < 0.4
        row: dict[str, object] = {
            "id": f"L{len(self.work.lines):07d}", "date": day, "amount": amount, "currency": "EUR",
            "description": " ".join(part for part in text if part)[: self.rng.choice((28, 60, 140))],
            "reference": shown[0] if structured and len(shown) == 1 else "",
            "counterparty": self._payer(payer) if structured else "",
            "batch": batch,
        }  # fmt: skip
        self.work.lines.append(row)
        return row

    def _reference(self, reference: str) -> str:
        chance = self.rng.random()
        if chance < self.noise.lost_reference:
            return ""
        if chance < self.noise.lost_reference + self.noise.mangled_reference:
            return self.rng.choice(
                (reference.split("-")[-1], reference.replace("-", " "), reference[:-1], reference.lower())
            )
        return reference

    def _payer(self, payer: str) -> str:
        chance = self.rng.random()
        if not payer or chance < self.noise.lost_payer:
            return ""
        if chance > self.noise.lost_payer + self.noise.mangled_payer:
            return payer.upper()
        return self.rng.choice((self._typo, _initial, _bare, _cut, _glued))(payer).upper()

    def _typo(self, payer: str) -> str:
        place = self.rng.randrange(1, len(payer) - 1)
        letter = self.rng.choice(string.ascii_lowercase)
        swapped = payer[: place - 1] + payer[place] + payer[place - 1] + payer[place + 1 :]
        return self.rng.choice(
            (payer[:place] + payer[place + 1 :], payer[:place] + letter + payer[place + 1 :], swapped)
        )

    def lag(self) -> timedelta:
        return timedelta(days=min(int(self.rng.expovariate(0.35)), 30) + (self.rng.random() < 0.02) * 20)

    def match(self, lines: list[dict[str, object]], entries: list[dict[str, object]]) -> None:
        self.work.truth.update((str(line["id"]), str(entry["id"])) for line in lines for entry in entries)


def _initial(payer: str) -> str:
    first, _, rest = payer.partition(" ")
    return f"{first[0]}. {rest}" if rest and rest.split()[-1] not in FORMS else first


def _bare(payer: str) -> str:
    return " ".join(word for word in payer.split() if word not in FORMS)


def _cut(payer: str) -> str:
    return payer[: max(len(payer) * 2 // 3, 6)]


def _glued(payer: str) -> str:
    return payer.replace(" ", "", 1)


def generate(size: int, *, seed: int = 1, noise: Noise | None = None) -> Workload:
    """About `size` statement lines and 1.4 times as many entries; the same for the same seed."""
    rng = random.Random(seed)
    maker = _Maker(
        rng, noise or Noise(), _payers(rng, max(size // 12, 30)), min(30 + size // 150, 365), Workload()
    )
    makers = (
        _single,
        _batch,
        _payout,
        _instalments,
        _netted,
        _short,
        _outgoing,
        _bank_only,
        _ledger_only,
        _void,
    )
    shares = (70, 4, 1.5, 2.5, 3, 2.5, 6, 4, 20, 1)
    while len(maker.work.lines) < size:
        rng.choices(makers, shares)[0](maker)
    rng.shuffle(maker.work.lines)
    rng.shuffle(maker.work.entries)
    if not maker.noise.text:
        for row in [*maker.work.lines, *maker.work.entries]:
            row.update(description="", reference="", counterparty="", batch="")
    return maker.work


def _payers(rng: random.Random, count: int) -> list[str]:
    names: set[str] = set()
    while len(names) < count:
        if rng.random() < 0.4:
            names.add(
                f"{rng.choice(FIRST)} {rng.choice(LAST)}{rng.choice(('', '', 'sson', 'mann', 'er', 'ek'))}"
            )
            if len(names) % 7 == 0:
                names.add(f"{rng.choice(FIRST)} {rng.choice(LAST)}-{rng.choice(LAST)}")
        if rng.random() < 0.7 or len(names) > 1500:
            word = (rng.choice(ROOTS) + rng.choice(ENDS)).capitalize()
            names.add(f"{word} {rng.choice(TRADES)} {rng.choice(FORMS)}")
    return sorted(names)


def _single(maker: _Maker) -> None:
    payer, day, amount = maker.payer(), maker.day(), maker.amount()
    entry = maker.entry(day, amount, payer)
    line = maker.line(day + maker.lag(), amount, payer, [str(entry["reference"])])
    maker.match([line], [entry])


def _batch(maker: _Maker) -> None:
    """One transfer of a payer for several invoices, naming some of them."""
    payer, day = maker.payer(), maker.day()
    entries = [
        maker.entry(day - timedelta(days=maker.rng.randrange(12)), maker.amount(), payer)
        for _ in range(min(2 + int(maker.rng.expovariate(0.45)), 14))
    ]
    line = maker.line(
        day + maker.lag(), _total(entries), payer, [str(entry["reference"]) for entry in entries]
    )
    maker.match([line], entries)


def _payout(maker: _Maker) -> None:
    """A processor's payout: charges of many payers less a fee, the batch named on one side or both."""
    day, name = maker.day(), f"po_{maker.rng.randrange(16**10):010x}"
    entries = [
        maker.entry(day - timedelta(days=maker.rng.randrange(3)), maker.amount(), maker.payer(), batch=name)
        for _ in range(maker.rng.randrange(2, 15))
    ]
    if maker.rng.random() < 0.7:
        entries.append(maker.entry(day, -max(_total(entries) * 29 // 1000, 1), "Stripe", batch=name))
    lost = maker.rng.random() < maker.noise.lost_batch
    in_text = maker.rng.random() < 0.5
    line = maker.line(
        day + timedelta(days=2), _total(entries), "Stripe Payments", [], batch="" if lost or in_text else name
    )
    if in_text and not lost:
        line["description"] = f"STRIPE PAYOUT {name}"
    maker.match([line], entries)


def _instalments(maker: _Maker) -> None:
    payer, day, amount = maker.payer(), maker.day(), maker.amount() + 5000
    entry = maker.entry(day, amount, payer)
    count = maker.rng.randrange(2, 5)
    parts = [amount // count + maker.rng.randrange(-200, 200) for _ in range(count - 1)]
    parts.append(amount - sum(parts))
    lines = [
        maker.line(
            day + timedelta(days=3 + 7 * i + maker.rng.randrange(5)), part, payer, [str(entry["reference"])]
        )
        for i, part in enumerate(parts)
    ]
    maker.match(lines, [entry])


def _netted(maker: _Maker) -> None:
    payer, day, amount = maker.payer(), maker.day(), maker.amount() + 1000
    entry = maker.entry(day, amount, payer)
    fee = maker.rng.choice(
        (amount * 29 // 1000 + 30, maker.rng.randrange(500, 2500) if amount > 30000 else 35)
    )
    maker.match([maker.line(day + maker.lag(), amount - fee, payer, [str(entry["reference"])])], [entry])


def _short(maker: _Maker) -> None:
    payer, day, amount = maker.payer(), maker.day(), maker.amount() + 1000
    entry = maker.entry(day, amount, payer)
    paid = amount * maker.rng.choice((98, 97, 90, 75, 50)) // 100 if maker.rng.random() < 0.8 else amount - 1
    maker.match([maker.line(day + maker.lag(), paid, payer, [str(entry["reference"])])], [entry])


def _outgoing(maker: _Maker) -> None:
    """A payment out: by cheque (slow, no name) or by transfer."""
    payer, day, amount = maker.payer(), maker.day(), -maker.amount()
    if maker.rng.random() < 0.4:
        maker.check += 1
        entry = maker.entry(day, amount, payer, reference=f"CHK-{maker.check}")
        line = maker.line(day + timedelta(days=maker.rng.randrange(2, 40)), amount, "", [])
        line["description"], line["counterparty"] = f"CHECK #{maker.check}", ""
    else:
        entry = maker.entry(day, amount, payer, reference=f"BILL-{maker.number}")
        line = maker.line(day + maker.lag(), amount, payer, [str(entry["reference"])])
    maker.match([line], [entry])


def _bank_only(maker: _Maker) -> None:
    if maker.rng.random() < 0.5:
        line = maker.line(maker.day(), -maker.rng.randrange(300, 9000), "", [])
        line["description"], line["counterparty"] = maker.rng.choice(BANK_ONLY), ""
    else:
        maker.line(maker.day(), maker.amount(), maker.payer(), [])


def _ledger_only(maker: _Maker) -> None:
    maker.entry(maker.day(), maker.amount(), maker.payer())


def _void(maker: _Maker) -> None:
    payer, day, amount = maker.payer(), maker.day(), -maker.amount()
    entry = maker.entry(day, amount, payer)
    undone = maker.entry(day + timedelta(days=3), -amount, payer, reference=f"{entry['reference']}-V")
    undone["description"] = f"VOID {entry['reference']} {payer}"


def _total(entries: list[dict[str, object]]) -> int:
    return sum(int(str(entry["amount"])) for entry in entries)
