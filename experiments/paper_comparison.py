"""Table 2 of the paper beside what cohorts show: every printed row, its direction set right, and what holds of it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.card_markdown import bullets
from experiments.card_markdown import table as markdown_table
from experiments.scan_rows import MEDIAN, OPTIMAL, PER_SD, is_simulated, rows_of_cut
from features.cohort import ENDPOINTS, SIMULATED_PREFIX
from features.published import published_hazard_ratios
from training.scan.scan import FEWEST_EVENTS
from training.univariate import PUBLISHED_ENDPOINT

LEVEL = 0.05
#: The columns of each way to cut, as (column of the scan, name here).
TAKEN = {
    PER_SD: ("hazard_ratio", "lower", "upper", "p", "q"),
    MEDIAN: ("hazard_ratio", "lower", "upper", "p", "q"),
    OPTIMAL: ("cut_point", "hazard_ratio", "lower", "upper", "p_lausen_schumacher_1994", "naive_hazard_ratio"),
}
RENAMED = {
    "hazard_ratio_optimal": "shrunken_hazard_ratio_optimal",
    "naive_hazard_ratio_optimal": "naive_hazard_ratio_optimal_biased",
}
#: What "agrees" is asked of: the ratio, and the p-value that goes with it.
JUDGED = {
    "per_sd": ("hazard_ratio_per_sd", "p_per_sd"),
    "median": ("hazard_ratio_median", "p_median"),
    "optimal": ("shrunken_hazard_ratio_optimal", "p_lausen_schumacher_1994_optimal"),
}


def compare_with_table_2(table: pd.DataFrame) -> pd.DataFrame:
    """Set every row of the paper's Table 2 beside the scan of the cohort that it is about.

    Parameters
    ----------
    table : DataFrame
        The long table of a scan, of overall survival; other endpoints are passed over.

    Returns
    -------
    DataFrame
        One row a row of Table 2, in its order: ``gene``, ``cancer_type`` (the paper's code), ``cohort`` (None if there
        is none), ``n``, ``events``; ``hazard_ratio_as_printed`` (low against high), ``hazard_ratio_published`` (its
        inverse: high against low, above 1 worse), ``p_published``; hazard ratio, interval, p and q ``…_per_sd`` and
        ``…_median``; at the optimal cut the cut point, the shrunken ratio with its interval, the corrected p, and the
        naive ratio, marked ``…_biased``; ``agrees_per_sd``, ``agrees_median``, ``agrees_optimal`` (in direction with
        ``hazard_ratio_published``: ``yes``, ``no``, or ``none`` where the ratio is 1; missing where not tested);
        ``not_tested``, why, empty where tested.

    Raises
    ------
    ScanTableError
        If simulated and real cohorts are mixed, or two cohorts are of one cancer type.
    """
    is_simulated(table)
    published = published_hazard_ratios().rename(
        columns={"hazard_ratio_high_vs_low": "hazard_ratio_published", "p_value": "p_published"}
    )
    concerned = table[table["endpoint"] == PUBLISHED_ENDPOINT]
    compared = published[
        [
            "gene",
            "cancer_type",
            "cohort_cancer_type",
            "hazard_ratio_as_printed",
            "hazard_ratio_published",
            "p_published",
        ]
    ]
    for cut in TAKEN:
        compared = compared.join(_columns_of(concerned, cut), on=["gene", "cohort_cancer_type"])
    compared = compared.assign(not_tested=_why_not_tested(compared, table))
    names = {_bare(name): name for name in concerned["cancer_type"].unique()}
    compared.insert(2, "cohort", compared["cohort_cancer_type"].map(names).astype(object))
    for name, (ratio, _) in JUDGED.items():
        compared[f"agrees_{name}"] = _agrees(compared[ratio], compared["hazard_ratio_published"])
    return compared.drop(columns="cohort_cancer_type")


def _bare(cancer_type: str) -> str:
    return cancer_type.removeprefix(SIMULATED_PREFIX)


def _columns_of(table: pd.DataFrame, cut: str) -> pd.DataFrame:
    """Return the columns of one cut under their names in the comparison, by gene and cohort."""
    rows = rows_of_cut(table, cut)
    index = pd.MultiIndex.from_arrays([rows["gene"], rows["cancer_type"].map(_bare)])
    names = {column: f"{column}_{cut}" for column in TAKEN[cut]}
    if cut == PER_SD:
        names |= {"n": "n", "events": "events", "status": "status"}
    return rows[list(names)].rename(columns=names).rename(columns=RENAMED).set_axis(index, axis=0)


def _agrees(found: pd.Series, published: pd.Series) -> pd.Series:
    """Say whether both are on the same side of 1; "none" where what was found is 1, nothing where nothing was found."""
    side = np.sign(np.log(found))
    words = np.select([found.isna(), side == 0, side == np.sign(np.log(published))], ["", "none", "yes"], "no")
    return pd.Series(words.astype(object), index=found.index).where(found.notna(), None)


def _why_not_tested(compared: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """Say of each row why it could not be tested; empty where it was."""
    endpoints: dict[str, set[str]] = {}
    for cancer_type, endpoint in table[["cancer_type", "endpoint"]].drop_duplicates().itertuples(index=False):
        endpoints.setdefault(_bare(cancer_type), set()).add(endpoint)
    return [_reason(row, endpoints.get(row["cohort_cancer_type"], set())) for _, row in compared.iterrows()]


def _reason(row: pd.Series, endpoints: set[str]) -> str:
    if not endpoints:
        return f"no cohort of {row['cohort_cancer_type']}"
    if PUBLISHED_ENDPOINT not in endpoints:
        return f"the cohort was scanned for {', '.join(sorted(endpoints))}, Table 2 is of {ENDPOINTS['OS']}"
    if pd.isna(row["n"]):
        return "the cohort lacks the gene, or it was not scanned"
    if pd.isna(row["hazard_ratio_per_sd"]):
        return f"not estimable: {row['status']}"
    return ""


def summary(compared: pd.DataFrame) -> list[str]:
    """Say in sentences what holds of Table 2; every count is taken from the comparison.

    Parameters
    ----------
    compared : DataFrame
        As `compare_with_table_2` returns it.
    """
    tested = compared[compared["not_tested"] == ""]
    lines = [_simulated_words(compared), _tested_words(compared)]
    if len(tested):
        lines += [
            _direction_words(tested),
            _disagreement_words(tested),
            _significance_words(tested),
            _size_words(tested),
        ]
    return [line for line in lines if line]


def _simulated_words(compared: pd.DataFrame) -> str:
    names = compared["cohort"].dropna().astype(str)
    if not names.str.startswith(SIMULATED_PREFIX).any():
        return ""
    return "SIMULATED patients, drawn with the paper's own hazard ratios: that they agree says nothing of the paper."


def _tested_words(compared: pd.DataFrame) -> str:
    reasons = compared.loc[compared["not_tested"] != "", "not_tested"].value_counts()
    why = "; ".join(f"{count} not: {reason}" for reason, count in reasons.items())
    tested = len(compared) - int(reasons.sum())
    return f"{tested} of the {len(compared)} rows of Table 2 could be tested" + (f" ({why})." if why else ".")


def _direction_words(tested: pd.DataFrame) -> str:
    inverted = _agreeing(tested, "median")
    as_printed = _agrees(tested["hazard_ratio_median"], tested["hazard_ratio_as_printed"]).dropna()
    return (
        f"Direction at the median split: {inverted} agree with the inverse of the printed hazard ratio, "
        f"{int((as_printed == 'yes').sum())} with the ratio as printed; the printed ratios run low against high. Per "
        f"standard deviation, {_agreeing(tested, 'per_sd')} agree with the inverse. At the optimal cut-off, shrunken: "
        f"{_counted(tested['agrees_optimal'])}."
    )


def _agreeing(tested: pd.DataFrame, name: str) -> str:
    agrees = tested[f"agrees_{name}"].dropna()
    return f"{int((agrees == 'yes').sum())} of {len(agrees)}"


def _counted(agrees: pd.Series) -> str:
    yes, no, none = (int((agrees == word).sum()) for word in ("yes", "no", "none"))
    if not yes + no + none:
        return "none tested"
    return f"{yes} agree, {no} against, {none} shrunken to exactly 1, which is no direction"


def _disagreement_words(tested: pd.DataFrame) -> str:
    against = tested[tested["agrees_median"] == "no"]
    if against.empty:
        return ""
    rows = ", ".join(f"{row['gene']} in {row['cancer_type']}" for _, row in against.iterrows())
    return f"Against it at the median split: {rows}; the smallest p among them is {against['p_median'].min():.2g}."


def _significance_words(tested: pd.DataFrame) -> str:
    enough = tested["events"] >= FEWEST_EVENTS
    few = int((~enough).sum())
    left_out = f" Rows with fewer than {FEWEST_EVENTS} events are not counted: {few}." if few else ""

    def below(column: str) -> str:
        known = tested.loc[enough, column].dropna()
        return f"{int((known < LEVEL).sum())} of {len(known)}"

    return (
        f"Significance: the paper prints p < 0.05 for {below('p_published')}. Here p < 0.05 per standard deviation for "
        f"{below('p_per_sd')} (q < 0.05 for {below('q_per_sd')}), at the median split for {below('p_median')} "
        f"(q < 0.05 for {below('q_median')}), and at the optimal cut-off, corrected for the search, for "
        f"{below('p_lausen_schumacher_1994_optimal')}.{left_out}"
    )


def _size_words(tested: pd.DataFrame) -> str:
    """Say how the published effects compare with those at cuts that were not chosen for their result."""

    def median_size(column: str) -> float:
        return float(np.exp(np.log(tested[column]).abs().median()))

    published = median_size("hazard_ratio_published")
    parts = {"at the median split": "hazard_ratio_median", "shrunken, at the optimum": "shrunken_hazard_ratio_optimal"}
    known = {words: median_size(column) for words, column in parts.items() if tested[column].notna().any()}
    found = ", ".join(f"{size:.2f} {words}" for words, size in known.items())
    return (
        f"Size: the median hazard ratio, turned to lie above 1, is {published:.2f} in the paper; {found}. Published "
        "hazard ratios come from cut-offs that were chosen by their result, and are not to be taken for truth."
    )


def comparison_markdown(compared: pd.DataFrame) -> str:
    """Return summary and table as Markdown, hazard ratios with their 95 % intervals."""
    header = ["gene", "cancer type", "printed HR", "high against low", "HR per SD", "p", "HR at the median", "p",
              "HR at the optimum, shrunken", "corrected p", "agrees per SD / median / optimum"]  # fmt: skip
    rows = [_cells(row) for _, row in compared.iterrows()]
    return f"{bullets(summary(compared))}\n\n{markdown_table(header, rows)}\n"


def _cells(row: pd.Series) -> list[str]:
    published = [row["gene"], row["cancer_type"], f"{row['hazard_ratio_as_printed']:.2f}",
                 f"{row['hazard_ratio_published']:.2f}"]  # fmt: skip
    if row["not_tested"]:
        return [*published, row["not_tested"], *[""] * 6]
    judged = [_ratio(row, *names) for names in JUDGED.values()]
    verdicts = " / ".join(_verdict(row[f"agrees_{name}"]) for name in JUDGED)
    return [*published, *(cell for pair in judged for cell in pair), verdicts]


def _ratio(row: pd.Series, ratio: str, p: str) -> tuple[str, str]:
    cut = ratio.removeprefix("shrunken_").removeprefix("hazard_ratio_")
    if not np.isfinite(row[ratio]):
        return "–", "–"
    return f"{row[ratio]:.2f} ({row[f'lower_{cut}']:.2f} to {row[f'upper_{cut}']:.2f})", f"{row[p]:.2g}"


def _verdict(agrees: object) -> str:
    return str(agrees) if isinstance(agrees, str) else "–"
