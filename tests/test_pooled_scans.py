"""Scans of several cohorts pooled: each gene as its own meta-analysis, who is left out named, a transcriptome soon."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.scan.meta_analysis import TOO_ALIKE, TWO_COHORTS, PoolingError, pooled_hazard_ratio
from training.scan.pooled_scans import pool_scans


def scan(seed: int, genes: list[str], cuts=("per_sd", "per_unit", "median", "optimal")) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = pd.MultiIndex.from_product([["KIRC"], ["OS"], genes, cuts], names=["cancer_type", "endpoint", "gene", "cut"])
    table = rows.to_frame(index=False)
    return table.assign(
        n=80 + seed,
        events=20 + seed,
        status="converged",
        log_hazard_ratio=rng.normal(0.3, 0.4, len(table)),
        standard_error=rng.uniform(0.1, 0.5, len(table)),
    )


@pytest.fixture
def scans() -> dict[str, pd.DataFrame]:
    tables = {name: scan(seed, ["CD44", "IL6ST", "NOTCH1"]) for seed, name in enumerate(["B0", "CJ", "BP"])}
    separated = tables["BP"]["gene"] == "NOTCH1"
    tables["BP"].loc[separated, ["log_hazard_ratio", "standard_error"]] = np.nan
    tables["BP"].loc[separated, "status"] = "separated"
    # One cohort did not measure one gene.
    tables["CJ"] = tables["CJ"][tables["CJ"]["gene"] != "IL6ST"]
    return tables


def test_each_row_is_the_meta_analysis_of_its_own_estimates(scans):
    pooled = pool_scans(scans).set_index(["gene", "cut"])
    for (gene, cut), row in pooled.iterrows():
        parts = [table[(table["gene"] == gene) & (table["cut"] == cut)] for table in scans.values()]
        estimates = pd.concat(parts).dropna()
        alone = pooled_hazard_ratio(estimates["log_hazard_ratio"], estimates["standard_error"])
        assert row["log_hazard_ratio"] == pytest.approx(alone.log_hazard_ratio, rel=1e-12)
        assert row["lower"] == pytest.approx(np.exp(alone.log_lower), rel=1e-12)
        assert row["p"] == pytest.approx(alone.p_value, rel=1e-12)
        assert (row["n"], row["events"]) == (estimates["n"].sum(), estimates["events"].sum())


def test_only_what_can_be_compared_between_cohorts_is_pooled(scans):
    assert list(pool_scans(scans)["cut"].unique()) == ["per_sd", "median"]


def test_cohorts_without_an_estimate_are_named_with_the_reason(scans):
    pooled = pool_scans(scans).query("cut == 'per_sd'").set_index("gene")
    assert list(pooled.loc["CD44", ["cohorts", "left_out", "remark"]]) == ["B0, CJ, BP", "", TOO_ALIKE]
    assert list(pooled.loc["NOTCH1", ["cohorts", "left_out", "remark"]]) == ["B0, CJ", "BP: separated", TWO_COHORTS]
    assert list(pooled.loc["IL6ST", ["cohorts", "left_out"]]) == ["B0, BP", "CJ: lacks the gene"]


def test_false_discovery_is_counted_over_the_rows_of_one_cut(scans):
    pooled = pool_scans(scans)
    for _, rows in pooled.groupby("cut"):
        p = np.sort(rows["held_p"])
        by_hand = np.minimum.accumulate((p * 3 / [1, 2, 3])[::-1])[::-1]
        np.testing.assert_allclose(np.sort(rows["q"]), np.minimum(by_hand, 1), rtol=1e-12)


def test_what_cannot_be_pooled_is_refused_with_its_reason(scans):
    with pytest.raises(PoolingError, match="scans of two cohorts, but there are 1"):
        pool_scans({"B0": scans["B0"]})
    with pytest.raises(PoolingError, match="the scan of CJ lacks the column 'status'"):
        pool_scans(scans | {"CJ": scans["CJ"].drop(columns="status")})
    with pytest.raises(PoolingError, match="the scan of B0: 6 rows occur twice"):
        pool_scans(scans | {"B0": pd.concat([scans["B0"]] * 2)})


def test_a_transcriptome_over_five_cohorts_is_pooled_whole():
    genes = [f"gene {number}" for number in range(20_000)]
    tables = {f"site {seed}": scan(seed, genes, cuts=("per_sd",)) for seed in range(5)}
    pooled = pool_scans(tables)
    assert len(pooled) == 20_000
    assert pooled["tau_squared"].notna().all()
