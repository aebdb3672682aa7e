"""Measure matching on generated workloads: quality against the known truth, time and peak memory."""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Sequence

from benchmarks import foreign
from benchmarks.scoring import Figures, figures
from benchmarks.workloads import Noise, Workload, generate
from reconciliation.matching.engine import match
from reconciliation.matching.proposals import Proposal


def main() -> None:
    arguments = _arguments()
    print("lines    entries  precision recall  F1      exact   auto@99.9 seconds CPU s  peak MB")
    for size in arguments.sizes:
        work = _workload(size, arguments)
        lines, entries = work.tables()
        started, worked = time.perf_counter(), time.process_time()
        result = match(lines, entries)
        seconds, processor = time.perf_counter() - started, time.process_time() - worked
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        figures = quality(result.proposals, work)
        columns = " ".join(f"{figure:.4f} " for figure in figures)
        print(
            f"{len(lines):<8} {len(entries):<8} {columns:<40} {seconds:>7.1f} {processor:>7.1f} {peak:>8}",
            flush=True,
        )
        for limit in result.limits_reached:
            print(f"  {limit}", file=sys.stderr)
        if arguments.reliability:
            _reliability(result.proposals, work)


def _workload(size: int, arguments: argparse.Namespace) -> Workload:
    if arguments.style:
        return foreign.generate(arguments.style, size, seed=arguments.seed)
    return generate(size, seed=arguments.seed, noise=Noise(text=not arguments.no_text))


def quality(proposals: Sequence[Proposal], work: Workload) -> Figures:
    """Figures of the proposals against the workload's truth."""
    pairs = (
        (line, entry, one.probability)
        for one in proposals
        for line in one.line_ids
        for entry in one.entry_ids
    )
    return figures(pairs, work.truth, [str(line["id"]) for line in work.lines])


def _reliability(proposals: list[Proposal], work: Workload) -> None:
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    edges = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.01)
    for one in proposals:
        right = all((line, entry) in work.truth for line in one.line_ids for entry in one.entry_ids)
        bins[sum(one.probability >= edge for edge in edges)].append((one.probability, right))
    for place in sorted(bins):
        rows = bins[place]
        said, came = sum(p for p, _ in rows) / len(rows), sum(right for _, right in rows) / len(rows)
        print(f"  said {said:.4f} came true {came:.4f} ({len(rows)})")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=[10_000, 100_000])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-text", action="store_true", help="only dates and amounts")
    parser.add_argument("--style", choices=foreign.STYLES, help="text of another country or kind")
    parser.add_argument("--reliability", action="store_true", help="how often probabilities come true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
