"""Pure: what a system takes from us: documents as requests, each looked for before it is sent again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from integrations.standing import Books, Standing
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger.payment_state import PaymentState

if TYPE_CHECKING:
    from integrations.spec import Read

What = Literal["account", "tax", "contact", "item", "bank"]
Mode = Literal["each", "daily", "payout"]


class Made(NamedTuple):
    """What stands over there: its id, its version where updates must name one (a SyncToken), its number, and
    what it says where the answer tells it. `fingerprint` is that of what we left there, kept with the
    delivery: from it we know whether people changed it since."""

    id: str
    version: str = ""
    number: str = ""
    stands: Standing | None = None
    fingerprint: str = ""


class Named(NamedTuple):
    """One thing of theirs that ours can be mapped to; `group` sorts a long list (an account's type);
    `account`: the id of the account that an item is booked to."""

    id: str
    name: str
    group: str = ""
    code: str = ""
    active: bool = True
    account: str = ""


class Names(Protocol):
    """What the destination calls something of ours. Raises RecordError, in words with what to do, where
    nobody has said; `key` is an account's code, a tax rate, a contact's or an item's name. `group` is that
    of the thing as listed over there (an account's type), empty where it was not listed."""

    def __call__(self, what: What, key: str) -> str: ...

    def group(self, what: What, key: str) -> str: ...

    def through(self, role: str, group: str) -> str:
        """The code of an account of ours of that role that has a name over there in that group: what a
        document's parts meet on. Raises RecordError in words where there is none."""


class JournalLine(NamedTuple):
    """A posting on its way: the account's code, minor units with debits positive, currency, and words; the
    account's role in our chart, and the day it is booked on."""

    account: str
    amount: int
    currency: str
    memo: str = ""
    role: str = ""
    date: dt.date | None = None

    @property
    def credit(self) -> int:
        """The amount as a credit is written: without its sign."""
        return -self.amount


class Party(NamedTuple):
    """Whom a document is with, as our books know them; `supplier` where we owe them. `known`: their id over
    there, of a contact that came to us from there."""

    key: str
    name: str
    email: str = ""
    supplier: bool = False
    known: str = ""


class LeftOut(RecordError):
    """The document does not go there, and need not: it stays here until that changes."""


class Link(NamedTuple):
    """An invoice or bill that a document settles, as it stands over there; `amount` in minor units of
    `currency` is what goes to it: never more than is still open of it. `document` is its id here."""

    kind: str
    made: Made
    amount: int
    currency: str
    document: int = 0


class Piece(NamedTuple):
    """A part of what a document says, where it takes several documents over there to say it: lines that
    balance, what of others it settles, and how much of the first piece (`of_first`, minor units). One that
    has no lines ties the first to others."""

    journal: tuple[JournalLine, ...]
    links: tuple[Link, ...] = ()
    of_first: int = 0


@dataclass(frozen=True, slots=True)
class Parcel:
    """One document on its way. `reference` is short, unique, ours, and put where `Takes.find` looks for it.
    `draft` is the document (money in minor units), `journal` what it posted; `contact` is the id over there
    of the document's party; `made` is what stands over there, None before the first delivery; `paid` says
    what became of an invoice, where the destination follows that. `links` are what it settles, `applied` is
    what others were applied to it (minor units); `base` is the currency our books are kept in."""

    reference: str
    draft: Mapping[str, Any]
    journal: tuple[JournalLine, ...]
    settings: Mapping[str, Any]
    names: Names
    party: Party | None = None
    contact: str = ""
    made: Made | None = None
    paid: PaymentState | None = None
    links: tuple[Link, ...] = ()
    applied: int = 0
    base: str = ""
    part: int = 0
    first: Link | None = None

    @property
    def is_tie(self) -> bool:
        """Whether it is to move nothing, but to tie the document's first piece to what that settles."""
        return self.part > 0 and not self.journal and self.made is None


@dataclass(frozen=True, slots=True)
class Write:
    """One request that changes something over there; `body` is sent as JSON, Decimals as numbers. `alone`: it
    cannot go with others in one."""

    path: str
    body: Mapping[str, Any] | list[Any] = field(default_factory=dict)
    method: Literal["POST", "PUT", "PATCH", "DELETE"] = "POST"
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    bucket: str = ""
    cost: float = 1.0
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Takes:
    """How one kind of document is delivered.

    `create` and `update` make the request, `made` reads its answer; `find` asks for what may already be there
    (several requests where it may be of several kinds) and `found` picks ours out of an answer (None: it is
    not there). Without `update` a change is a void and
    a new document, as it is where `update` gives None: what stands cannot become what it is to be. Without
    `void` it cannot be taken back and a person is told. All of them raise RecordError in words where the
    document cannot be said in the destination's terms. `needs_contact`: where the document names nobody, the
    destination's `nobody` stands in. `attach` ties what was made or changed to others over there, in a
    request that does no harm when it is sent twice. `follows_payments`: a change, too, is what settles the
    document, credits it or gives it back. `split` takes a document apart that no one document there can say:
    its pieces in the order they are made (taken back the other way round), whose lines together are its
    journal to the cent; each then goes as a parcel of its own.
    """

    kind: str
    label: str
    create: Callable[[Parcel], Write]
    made: Callable[[Any], Made]
    find: Callable[[Parcel], Read | tuple[Read, ...]]
    found: Callable[[Any, Parcel], Made | None]
    update: Callable[[Parcel], Write | None] | None = None
    void: Callable[[Parcel], Write] | None = None
    needs_contact: bool = False
    attach: Callable[[Parcel, Made], Write | None] | None = None
    follows_payments: bool = False
    split: Callable[[Parcel], Sequence[Piece]] | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Several creations in one request: `join` makes it of (mark, write) pairs, `split` takes the answer
    apart: mark -> the answer of that write, or Refused with words where it was not taken. The mark is our
    reference. `alike`: only writes to the same path go together. `ask` looks for
    several lost ones at once, in an answer that each one's `Takes.found` reads."""

    size: int
    join: Callable[[list[tuple[str, Write]]], Write]
    split: Callable[[Any], Mapping[str, Any]]
    ask: Callable[[list[Parcel]], Read] | None = None
    alike: bool = False


class Refused(NamedTuple):
    """One write of a batch that the system did not take, and why in words."""

    words: str


class Ours(NamedTuple):
    """An account of ours as it may be made over there: its type and role in our chart, its currency where it
    is not that of the books; `account`: their id of the account, where a product for it is to be made."""

    name: str
    type: str
    role: str = ""
    currency: str = ""
    account: str = ""


class Makes(NamedTuple):
    """How what is missing from a list of theirs is made there: the request, and the row in its answer."""

    create: Callable[[Ours], Write]
    made: Callable[[Any], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of theirs (chart of accounts, tax codes, contacts) that ours are mapped to in a form; `makes`
    where we may add to it what a person asks for."""

    what: What
    label: str
    read: Read
    pick: Callable[[Mapping[str, Any]], Named]
    makes: Makes | None = None


class Need(NamedTuple):
    """A name of theirs that deliveries ask for beside those of accounts: `names("tax", "taxed")`; `usual`:
    what it mostly is there, by id or name, suggested where it is listed."""

    what: What
    key: str
    label: str
    usual: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preparation:
    """What must be there before anything is sent (fields of our own): `ask` reads what is there, `lacking`
    makes the request that adds the rest; None where nothing lacks."""

    ask: Read
    lacking: Callable[[Any], Write | None]


@dataclass(frozen=True, slots=True)
class Destination:
    """What a system takes: `takes` by kind; the idempotency key goes into the header or the parameter named;
    `contact` makes a party that is not there yet (a name that is taken is tried with a suffix), `contacts`
    several in one request, looked for together before that, `nobody` is
    the name of the one for summaries and for documents without any; `needs` are names to choose beside those
    of our accounts, `items`: the roles of accounts that need an item; `at_once`: how many requests may be
    under way together; `books`: how what stands there is seen, where it can be; `modes`: how documents may go
    out there, one by one or summed up. One that does not `keep_books` (a CRM) needs no names for accounts and
    takes no summaries. `makes_contacts`: the setting without which a contact that is not there is not made,
    and what is with them left out. `settles`: what can be settled there -> what settles it ("Invoice":
    ("Payment",)), where ids begin with the entity (`Invoice:129`); a payment then waits for its invoice and
    is applied to it."""

    takes: tuple[Takes, ...]
    listings: tuple[Listing, ...] = ()
    contact: Takes | None = None
    contacts: Batch | None = None
    nobody: str = ""
    items: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    key_header: str = ""
    key_param: str = ""
    at_once: int = 1
    batch: Batch | None = None
    books: Books | None = None
    keeps_books: bool = True
    makes_contacts: str = ""
    preparation: Preparation | None = None
    settles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    modes: tuple[Mode, ...] = ("each", "daily", "payout")

    @property
    def usable_modes(self) -> tuple[Mode, ...]:
        """Summaries are journal entries: who takes none of these takes documents one by one."""
        return self.modes if self.keeps_books and self.of("journal_entry") else ("each",)

    @property
    def may_sum_up(self) -> bool:
        return len(self.usable_modes) > 1

    @property
    def wants_names(self) -> bool:
        return self.keeps_books or bool(self.needs)

    @property
    def follows(self) -> tuple[str, ...]:
        """Kinds of which payments are a change, too."""
        return tuple(one.kind for one in self.takes if one.follows_payments)

    def may_make_contacts(self, settings: Mapping[str, Any]) -> bool:
        return not self.makes_contacts or bool(settings.get(self.makes_contacts))

    @property
    def makes(self) -> Mapping[str, Listing]:
        """Lists that we may add to, by what is in them."""
        return {one.what: one for one in self.listings if one.makes}

    def of(self, kind: str) -> Takes | None:
        return next((one for one in self.takes if one.kind == kind), None)
