"""Splink (4.x on DuckDB) on the same files, set up as its guide advises; in its own environment."""

from __future__ import annotations

import csv
import logging
import re
import sys
from datetime import date
from pathlib import Path

import pandas as pd
import splink.comparison_level_library as cll
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink.blocking_analysis import count_comparisons_from_blocking_rule

MOST_COMPARISONS = 400_000_000
LEAST = 0.5
REFERENCE = re.compile(r"[A-Z]{2,5}[- ]?\d{3,}|#\d{3,}")
NO_NAME = re.compile(
    r"SEPA CREDIT|ACH CREDIT|WIRE IN|TRANSFER FROM|INCOMING PAYMENT|FPS|GIRO|[A-Z]{2,5}[- ]\d+|[^A-Z ]"
)
NEAR = "l.currency = r.currency and abs(l.day - r.day) <= 45"
BLOCKING = [
    block_on("reference"),
    f"l.amount = r.amount and {NEAR}",
    f"l.payer_start = r.payer_start and {NEAR} and l.amount / r.amount > 0.7 and l.amount / r.amount < 1.3",
]


def _rows(path: Path) -> pd.DataFrame:
    """Cleaned as the guide asks: one column a fact, upper case, nothing but what is compared."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    frame = pd.DataFrame(rows).rename(columns={"id": "unique_id"})
    text = (frame["reference"] + " " + frame["description"]).str.upper()
    named = frame["counterparty"].where(frame["counterparty"] != "", frame["description"]).str.upper()
    payer = named.str.replace(NO_NAME, " ", regex=True).str.split().str.join(" ")
    number = text.str.extract(f"({REFERENCE.pattern})")[0].str.replace(r"\D", "", regex=True)
    frame["reference"] = number
    frame["payer"] = payer.where(payer.str.len() >= 3, None)
    frame["payer_start"] = frame["payer"].str[:8]
    frame["amount"] = frame["amount"].astype(float)
    frame["day"] = frame["date"].map(lambda text: date.fromisoformat(text).toordinal())
    return frame[["unique_id", "day", "amount", "currency", "reference", "payer", "payer_start"]]


def _days_apart(most: int) -> cll.CustomLevel:
    return cll.CustomLevel(f"abs(day_l - day_r) <= {most}", f"at most {most} days apart")


def _settings(chance: float) -> SettingsCreator:
    amount = cl.CustomComparison(
        output_column_name="amount",
        comparison_levels=[
            cll.NullLevel("amount"),
            cll.ExactMatchLevel("amount", term_frequency_adjustments=True),
            cll.PercentageDifferenceLevel("amount", 0.03),
            cll.PercentageDifferenceLevel("amount", 0.1),
            cll.ElseLevel(),
        ],
    )
    day = cl.CustomComparison(
        output_column_name="day",
        comparison_levels=[
            cll.NullLevel("day"), *map(_days_apart, (1, 3, 7, 14, 31)), cll.ElseLevel(),
        ],
    )  # fmt: skip
    payer = cl.JaroWinklerAtThresholds("payer", [0.95, 0.88, 0.7]).configure(term_frequency_adjustments=True)
    return SettingsCreator(
        link_type="link_only",
        probability_two_random_records_match=chance,
        blocking_rules_to_generate_predictions=BLOCKING,
        comparisons=[amount, payer, cl.LevenshteinAtThresholds("reference", [1]), day],
    )


def _comparisons(frames: list[pd.DataFrame], database: DuckDBAPI) -> int:
    counts = [
        count_comparisons_from_blocking_rule(
            table_or_tables=frames, blocking_rule=rule, link_type="link_only", db_api=database
        )["number_of_comparisons_generated_pre_filter_conditions"]
        for rule in BLOCKING
    ]
    return sum(int(str(count).replace(",", "")) for count in counts)


def _trained(frames: list[pd.DataFrame], database: DuckDBAPI) -> Linker:
    linker = Linker(frames, _settings(1 / len(frames[1])), database, input_table_aliases=["a", "b"])
    linker.training.estimate_u_using_random_sampling(max_pairs=1e7, seed=1)
    for rule in (block_on("reference"), block_on("amount", "payer_start")):
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    return linker


def main(statement: Path, ledger: Path, output: Path) -> None:
    logging.getLogger("splink").setLevel(logging.ERROR)
    frames = [_rows(statement), _rows(ledger)]
    database = DuckDBAPI()
    wanted = _comparisons(frames, database)
    if wanted > MOST_COMPARISONS:
        sys.exit(f"its blocking rules ask for {wanted:,} comparisons, over {MOST_COMPARISONS:,}")
    linker = _trained(frames, database)
    scored = linker.inference.predict(threshold_match_probability=0.01)
    clusters = linker.clustering.cluster_using_single_best_links(
        scored, duplicate_free_datasets=["a", "b"], threshold_match_probability=LEAST
    )
    pairs = linker.misc.query_sql(
        f"""select p.unique_id_l as line_id, p.unique_id_r as entry_id, p.match_probability as probability
            from {scored.physical_name} p
            join {clusters.physical_name} l on l.unique_id = p.unique_id_l and l.source_dataset = 'a'
            join {clusters.physical_name} r on r.unique_id = p.unique_id_r and r.source_dataset = 'b'
            where l.cluster_id = r.cluster_id"""
    )
    pairs.to_csv(output, index=False)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
