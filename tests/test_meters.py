"""What is counted: by bins only, for many at once as for one, over all workers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from serving import meters

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of_model(model: str, name: str) -> dict[str, float]:
    """Read a histogram of a model: its cumulative bins by their upper bound, and its sum."""
    read = samples(meters.exposition().decode())
    found = {}
    for (sample, labels), value in read.items():
        told = dict(labels)
        if sample.startswith(name) and told.get("model") == model:
            found[told.get("le", sample.removeprefix(name))] = value
    return found


def test_a_profile_is_tallied_in_its_bins_by_hand():
    meters.observe_result("by hand", missing_share=0.0, outside_share=0.07, percentile=93.7)
    missing = of_model("by hand", "prognosis_missing_gene_share")
    assert (missing["0.0"], missing["_count"], missing["_sum"]) == (1, 1, 0)
    outside = of_model("by hand", "prognosis_outside_gene_share")
    assert (outside["0.05"], outside["0.1"], outside["_sum"]) == (0, 1, pytest.approx(0.075))
    percentile = of_model("by hand", "prognosis_risk_percentile")
    assert (percentile["90.0"], percentile["95.0"], percentile["_sum"]) == (0, 1, 92.5)


def test_no_observed_value_can_be_read_from_the_meters():
    meters.observe_result("secret", missing_share=0.123456, outside_share=0.654321, percentile=71.7182)
    text = meters.exposition().decode()
    for secret in ("0.1234", "0.6543", "71.7"):
        assert secret not in text


def test_without_a_range_nothing_is_said_of_it_and_nan_is_not_counted():
    meters.observe_result("no range", missing_share=0.5, outside_share=None, percentile=float("nan"))
    assert of_model("no range", "prognosis_outside_gene_share")["_count"] == 0
    assert of_model("no range", "prognosis_risk_percentile")["_count"] == 0
    assert of_model("no range", "prognosis_missing_gene_share")["_count"] == 1


def bins(tally: meters.Tally) -> list[float]:
    return [sample.value for family in tally.collect() for sample in family.samples if "created" not in sample.name]


NUMBERS = st.floats(0, 100) | st.sampled_from([0.0, 5.0, 50.0, 95.0, 100.0, float("nan")])


@given(st.lists(NUMBERS, max_size=40))
def test_many_at_once_are_counted_as_one_by_one(percentiles: Sequence[float]):
    first, second = (
        meters.Tally("profiles", "…", buckets=(0, 5, 50, 95, 100), registry=CollectorRegistry()) for _ in range(2)
    )
    for value in percentiles:
        first.add(value)
    second.add_all(np.array(percentiles, dtype=np.float64))
    assert bins(first) == pytest.approx(bins(second))
    assert bins(second)[-2] == np.sum(~np.isnan(percentiles))


def test_arrays_of_a_model_go_into_its_tallies():
    meters.observe_results("arrays", missing_shares=[0, 0.5], outside_shares=None, percentiles=np.array([1, 99]))
    assert of_model("arrays", "prognosis_missing_gene_share")["_count"] == 2
    assert of_model("arrays", "prognosis_outside_gene_share")["_count"] == 0
    assert of_model("arrays", "prognosis_risk_percentile")["_sum"] == 2.5 + 97.5


def test_refusals_are_counted_by_kind():
    meters.count_refusals("refusing", "not-scorable", 3)
    meters.count_refusals("refusing", "invalid-request", 0)
    read = samples(meters.exposition().decode())
    assert read["prognosis_refusals_total", (("kind", "not-scorable"), ("model", "refusing"))] == 3
    assert ("prognosis_refusals_total", (("kind", "invalid-request"), ("model", "refusing"))) not in read


COUNT = """
import sys
from serving import meters
for _ in range(int(sys.argv[1])):
    meters.observe_result("m", missing_share=0.0, outside_share=0.3, percentile=50.0)
    meters.count_request("/score", "200", 0.01)
meters.count_refusals("m", "not-scorable", int(sys.argv[1]))
meters.MODELS.set(int(sys.argv[1]))
if len(sys.argv) > 2:
    print(meters.exposition().decode())
"""


def test_the_counts_of_workers_add_up_and_an_ended_worker_has_no_models_loaded(tmp_path: Path):
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", COUNT, "3"], env=environment, check=True)
    done = subprocess.run(
        [sys.executable, "-c", COUNT, "4", "tell"], env=environment, check=True, capture_output=True, text=True
    )
    read = samples(done.stdout)
    assert read["prognosis_requests_total", (("route", "/score"), ("status", "200"))] == 7
    assert read["prognosis_refusals_total", (("kind", "not-scorable"), ("model", "m"))] == 7
    assert read["prognosis_risk_percentile_bucket", (("le", "50.0"), ("model", "m"))] == 7
    assert read["prognosis_risk_percentile_bucket", (("le", "45.0"), ("model", "m"))] == 0
    assert read["prognosis_risk_percentile_count", (("model", "m"),)] == 7
    assert read["prognosis_models", ()] == 4
