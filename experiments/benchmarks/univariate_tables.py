"""The univariate benchmark as a table that people read."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pandas as pd

from experiments.benchmarks.origin import code_in_words
from experiments.benchmarks.tables import write_pair
from experiments.benchmarks.univariate import ROUNDS, Agreement, Timed, UnivariateBenchmark

#: What is raced: ours, the rival, in words, and the least ratio that was aimed at.
RACES = (
    ("kernel", "lifelines", "kernel, prepared arrays", "lifelines' CoxPHFitter", 3_000),
    ("kernel", "coxph", "kernel, prepared arrays", "a loop of R's coxph", 200),
    ("kernel", "coxph.fit", "kernel, prepared arrays", "a loop of R's bare coxph.fit", 30),
    ("table", "lifelines", "DataFrame to finished table", "lifelines' CoxPHFitter", 500),
    ("table", "coxph", "DataFrame to finished table", "a loop of R's coxph", 35),
    ("table", "coxph.fit", "DataFrame to finished table", "a loop of R's bare coxph.fit", 5),
    ("two threads", "one thread", "kernel, two threads", "one thread (wall clock)", 1.7),
    ("cut-offs", "maxstat92", "all cut-offs of a gene", "R's maxstat.test, pmethod Lau92", 50),
    ("cut-offs", "maxstat94", "all cut-offs of a gene", "R's maxstat.test, pmethod Lau94", 50),
)


def write_univariate(found: UnivariateBenchmark, folder: Path) -> None:
    """Write ``univariate.csv`` and ``univariate.md``."""
    write_pair("univariate", rows(found), markdown(found), folder)


def rows(found: UnivariateBenchmark) -> pd.DataFrame:
    """Return one row a race, with what it was run on."""
    timed = {each.name: each for each in found.timed}
    raced = [
        {
            "ours": ours,
            "rival": rival,
            "our_microseconds_a_gene": 1e6 * timed[name].per_gene,
            "rival_microseconds_a_gene": 1e6 * timed[against].per_gene,
            "ratio": _ratio(timed[name], timed[against]),
            "target": target,
            "rival_genes": timed[against].genes,
        }
        for name, against, ours, rival, target in RACES
    ]
    return pd.DataFrame(raced).assign(**found.about)


def _ratio(ours: Timed, rival: Timed) -> float:
    """Return the median of the rounds' own ratios: what slows one round down meets both."""
    rounds = zip(ours.seconds, rival.seconds, strict=True)
    return median(theirs / rival.genes / (mine / ours.genes) for mine, theirs in rounds)


def markdown(found: UnivariateBenchmark) -> str:
    """Return the benchmark as Markdown."""
    about = found.about
    lines = [
        "# The univariate scan beside other packages",
        "",
        f"Made {str(about['created'])[:10]} with {code_in_words(about)} by `prognosis benchmark univariate` (`make "
        f"bench`), on {about['processors']} processors (load average {about['load']} when it ended); {about['R']}.",
        "",
        f"{about['genes']:,} simulated genes × {about['patients']} patients, {about['events']} events; one covariate a "
        f"model, Efron's ties; one thread. Seconds are the processor's, of {ROUNDS} rounds in which all take turns: "
        "medians of the seconds and of each round's own ratio; compiling is not in them. Rivals run on the first genes "
        "only, at their own speed. The finished table begins with a data frame and has normal scores, hazard ratios "
        "with intervals, Wald, score and likelihood-ratio tests, the test of proportional hazards, q-values and words; "
        "the rivals' loops give "
        "coefficients.",
        "",
        "| ours | µs a gene | rival | µs a gene | genes | ratio | target |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_race(row) for row in rows(found).to_dict("records")),
        "",
        f"Memory of a scan with every cut, at its peak, the matrix included: {found.memory:.1f} copies of the matrix "
        "(target: at most 4).",
        "",
        "## Equal to R",
        "",
        "Every gene of these cohorts per unit, against `coxph(control = coxph.control(eps = 1e-14, iter.max = 200))`: "
        "the largest relative difference among genes with a finite maximum. Listed are genes that separate the outcome "
        "or are constant; R's list is of those that it warns of, or gives no coefficient.",
        "",
        "| cohort | genes | with a maximum | coefficient | standard error | separated | listed by us only | by R | not "
        "converged, R finite |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_agreement(each) for each in found.agreement),
        "",
    ]
    return "\n".join(lines)


def _race(row: dict[str, object]) -> str:
    mine, theirs = (f"{row[f'{whose}_microseconds_a_gene']:,.3g}" for whose in ("our", "rival"))
    ratio = f"**{row['ratio']:,.3g} ×**"
    cells = [row["ours"], mine, row["rival"], theirs, f"{row['rival_genes']:,}", ratio, f"{row['target']:,g} ×"]
    return "| " + " | ".join(map(str, cells)) + " |"


def _agreement(found: Agreement) -> str:
    lists = (", ".join(genes) or "none" for genes in (found.only_ours, found.only_r, found.not_converged))
    counts = (f"{found.genes:,}", f"{found.converged:,}")
    differences = (f"{found.coefficient:.1e}", f"{found.standard_error:.1e}")
    return "| " + " | ".join([found.cohort, *counts, *differences, str(found.separated), *lists]) + " |"
