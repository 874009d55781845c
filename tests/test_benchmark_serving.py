"""The race of the service: the load is what was asked for, ratios are of one round, and the rival answers the same."""

from __future__ import annotations

import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest

from experiments.benchmarks.http_load import LoadError, load
from experiments.benchmarks.plain_service import score_plainly
from experiments.benchmarks.serving import (
    LEAN,
    MANY,
    MLFLOW,
    MLFLOW_LEAN,
    OURS,
    PLAIN,
    ServingBenchmark,
    write_patients,
)
from experiments.benchmarks.serving_tables import write_serving
from training.profiles import Profile
from training.scoring import score_profiles
from training.synthetic_profile import synthetic_profile


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[bytes]

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append(body)
        self.send_response(200 if self.path == "/score" else 422)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture
def echo():
    seen: list[bytes] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Seen", (Echo,), {"seen": seen})) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1], seen
        server.shutdown()
        thread.join()


def test_every_request_is_sent_once_and_measured(echo):
    port, seen = echo
    found = load(port, "/score", b"patient", n_requests=37, connections=4)
    assert seen == [b"patient"] * 37
    assert found.body == b"patient"
    assert len(found.latencies) == 37
    assert (found.latencies > 0).all()
    assert found.per_second == pytest.approx(37 / found.seconds)
    assert found.quantile(0.5) <= found.quantile(0.99) <= found.seconds


def test_an_answer_that_is_none_ends_the_load(echo):
    port, _ = echo
    with pytest.raises(LoadError, match=r"http/1\.1 422.*: patient"):
        load(port, "/elsewhere", b"patient", n_requests=3, connections=2)


@pytest.fixture
def measured():
    return ServingBenchmark(
        loads={
            OURS: [(100.0, 0.01, 0.03), (50.0, 0.02, 0.06), (400.0, 0.002, 0.01)],
            PLAIN: [(80.0, 0.01, 0.02), (100.0, 0.01, 0.05), (400.0, 0.002, 0.01)],
            LEAN: [(100.0, 0.01, 0.02)] * 3,
            MLFLOW: [(5.0, 0.1, 0.2)] * 3,
            MLFLOW_LEAN: [(10.0, 0.1, 0.2)] * 3,
        },
        many=[0.2, 0.4, 0.3],
        file_seconds=42.0,
        file_bytes=2**30,
        n_file=1_000_000,
        n_memory=200_000,
        memory=(400 * 2.0**20, 401 * 2.0**20),
        body_bytes=12_345,
    )


def test_ratios_are_the_median_of_each_rounds_own(measured):
    assert measured.ratio(OURS, PLAIN) == 1.0
    assert measured.ratio(OURS, PLAIN, 2) == 1.2
    assert measured.ratio(OURS, MLFLOW) == 20.0
    assert measured.cheaper_together == pytest.approx(0.01 / (0.3 / MANY))


def test_the_table_says_what_was_measured(measured, tmp_path):
    text = write_serving(measured, tmp_path)
    assert "| requests/s against plain FastAPI | 1.00 | 0.85; 1.0 as the stretch |" in text
    assert "| `prognosis score`, 1,000,000 patients of a CSV file | 42 s | 60 s a million |" in text
    assert "400 and 401 MiB" in text
    assert (tmp_path / "serving.md").read_text() == text
    assert len(pd.read_csv(tmp_path / "serving.csv")) == 15


def test_the_plain_rival_answers_as_the_service_does(small_training):
    model, rival = small_training.model, replace(small_training.model)
    score_plainly(rival)
    expression, clinical = synthetic_profile(model)
    profiles = [Profile("whole", expression, clinical), Profile("less", dict(list(expression.items())[2:]))]
    asked = {"scale": model.scale, "zscore_reference": None, "horizons_months": None}
    for ours, plain in zip(
        score_profiles(model, profiles, **asked), score_profiles(rival, profiles, **asked), strict=True
    ):
        assert plain.linear_predictor == pytest.approx(ours.linear_predictor, abs=1e-9)
        assert plain.contributions == pytest.approx(ours.contributions, abs=1e-9)
        assert [at.upper for at in plain.survival] == pytest.approx([at.upper for at in ours.survival], abs=1e-9)


def test_patients_of_the_file_are_of_the_models_kind(small_training, tmp_path):
    model = small_training.model
    write_patients(replace(model, provenance={**model.provenance, "seed": "2023"}), tmp_path / "p.csv", 50)
    table = pd.read_csv(tmp_path / "p.csv")
    assert table["id"].is_unique
    assert {"age", "sex", "stage", "grade"} <= set(table)
    values = table.drop(columns=["id", "sex", "stage", "grade", "age"]).to_numpy(np.float64)
    assert 0 < np.isnan(values).mean() < 0.05
    assert (values[~np.isnan(values)] >= 0).all()
