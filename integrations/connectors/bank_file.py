"""Bank files (source): statements somebody uploads; the records come from the statement readers.

The bank account is chosen for each file, so the record carries it: `account` is its code in the books.
"""

from __future__ import annotations

from integrations.rules import Output, rule, same
from integrations.spec import Connector, Setting, Stream

STATEMENTS = Stream(
    key="statements",
    label="Statement lines",
    help="Lines of the statements you upload as CSV, OFX or QFX.",
    schedule_minutes=0,
    outputs=(
        Output(
            key="line",
            kind="bank_transaction",
            rules=(
                rule("bank_transaction.external_id", "id"),
                rule("bank_transaction.date", "date", "iso_date"),
                rule("bank_transaction.currency", "currency", "upper"),
                rule("bank_transaction.total", "amount", "decimal"),
                *same("bank_transaction", "", "description counterparty reference"),
                rule("bank_transaction.balance", "balance", "decimal"),
                rule("bank_transaction.pending", "pending"),
                rule("bank_transaction.memo", "kind"),
                rule("bank_transaction.bank_account", "account"),
            ),
        ),
    ),
)

connector = Connector(
    key="bank_file",
    label="Bank statement files",
    category="bank",
    summary="Upload the statements your bank lets you download.",
    settings=(
        Setting(
            "bank_account",
            "Bank account",
            "account",
            help="The one your files are mostly of; you choose again with each file",
        ),
    ),
    streams=(STATEMENTS,),
)
