"""What the page at /ui asks for beside scores: its files, the example, the cohort's curves, the learners compared."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import numpy as np
import pytest
from starlette.applications import Starlette

from serving.answers import render
from serving.bundle_cache import RegisteredVersion
from serving.champions import ServedModel, Snapshot
from serving.cohort_answers import SYNTHETIC_ID, comparison
from serving.middleware import Edge
from serving.pages import page_files
from serving.security_headers import PAGE_POLICY
from serving.settings import Settings, SettingsError
from training.bundle import read_bundle, write_bundle
from training.patient_scores import PatientScore
from training.profiles import Profile
from training.scoring import score_profiles
from training.synthetic_profile import DEVIATIONS, synthetic_profile

if TYPE_CHECKING:
    from training.model import PrognosticModel
    from training.results import TrainingResult

Ask = Callable[..., httpx.Response]
TEXTS = (".js", ".css", ".html", ".svg")


def served(model: PrognosticModel) -> ServedModel:
    version = RegisteredVersion(model.name, "3", "candidate", "0" * 64)
    return ServedModel(version, model, render(version, model), datetime.now(UTC))


@pytest.fixture(scope="module")
def model(small_training: TrainingResult) -> PrognosticModel:
    return small_training.model


@pytest.fixture(scope="module")
def ask(model: PrognosticModel) -> Ask:
    older = replace(model, cancer_type="SIMULATED-LGG", tables={})

    class Desk:
        snapshot = Snapshot(MappingProxyType({each.name: served(each) for each in (model, older)}))
        threads = anyio.CapacityLimiter(1)

    installation = Settings(home=Path(), tracking_uri="", cohorts=Path())
    edge = Edge(Starlette(), desk=Desk, installation=installation, write=lambda line: None)

    def asked(path: str, **options: Any) -> httpx.Response:
        async def once() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url="http://127.0.0.1") as http:
                return await http.get(path, **options)

        return asyncio.run(once())

    return asked


def test_the_page_is_answered_with_its_policy_and_a_digest(ask: Ask):
    page = ask("/ui")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["content-security-policy"] == PAGE_POLICY
    assert "unsafe" not in PAGE_POLICY
    assert page.headers["cache-control"] == "private, no-cache"
    again = ask("/ui", headers={"If-None-Match": f'"other", W/{page.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert ask("/ui", headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_address_with_a_slash_leads_to_the_page(ask: Ask):
    response = ask("/ui/")
    assert (response.status_code, response.headers["location"]) == (308, "../ui")


def test_every_file_that_the_page_names_is_there_with_its_media_type(ask: Ask):
    named = set(re.findall(r'(?:src|href)="ui/([^"]+)"', ask("/ui").text))
    for name, file in page_files().items():
        named |= set(re.findall(r'from "\./([^"]+)"', file.content.decode())) if name.endswith(".js") else set()
    assert named == set(page_files()) - {"index.html"}
    expected = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
    for name in named:
        response = ask(f"/ui/{name}")
        assert response.headers["content-type"] == expected[name.rpartition(".")[2]]


def test_no_file_loads_anything_from_elsewhere_or_holds_style_or_script_in_markup():
    for name, file in page_files().items():
        text = file.content.decode()
        assert not re.search(r"(src|import|url\(|@import)[^\n]{0,12}https?:", text), name
        assert "localStorage" not in text, name
        assert "innerHTML" not in text, name
        if name == "index.html":
            assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src=)", text)


def test_what_lies_in_the_folder_is_served_and_nothing_beside_it(ask: Ask):
    folder = files("serving").joinpath("ui")
    assert {entry.name for entry in folder.iterdir() if entry.name.endswith(TEXTS)} == set(page_files())
    for path in ("/ui/nothing.js", "/ui/../routes.py", "/ui/%2e%2e%2froutes.py", "/ui/index.html/x"):
        assert ask(path).status_code == 404


def test_the_example_is_scored_as_nobody_remarkable_and_says_what_it_is(ask: Ask, model: PrognosticModel):
    request = ask(f"/example/{model.cancer_type}").json()
    (profile,) = request["profiles"]
    assert profile["id"] == SYNTHETIC_ID
    assert "SYNTHETIC" in SYNTHETIC_ID
    (score,) = score_profiles(
        model,
        [Profile("p", profile["expression"], profile["clinical"])],
        scale=request["scale"],
        zscore_reference=request["zscore_reference"],
        horizons_months=None,
    )
    assert isinstance(score, PatientScore)
    assert score.variant == "clinical"
    assert not score.missing_genes
    assert 2 < score.risk_percentile < 98


def test_the_examples_heaviest_genes_lie_where_it_is_said_and_all_within_the_cohorts(model: PrognosticModel):
    expression, clinical = synthetic_profile(model)
    variant = model.variants["clinical"]
    references = variant.features.references
    heaviest = sorted(variant.genes, key=lambda gene: (-variant.gene_weights[gene], gene))
    for gene, deviation in zip(heaviest, DEVIATIONS, strict=False):
        reference = references[gene]
        assert reference.score(np.array([expression[gene]]))[0] == pytest.approx(deviation, abs=0.05)
    for gene, value in expression.items():
        assert references[gene].knots[0] <= value <= references[gene].knots[-1]
    assert set(clinical) == set(variant.clinical)
    assert clinical["sex"] in {"female", "male"}


def test_curves_of_a_gene_are_the_bundles_own(ask: Ask, model: PrognosticModel, tmp_path: Path):
    write_bundle(model, tmp_path / "bundle")
    read = read_bundle(tmp_path / "bundle").tables["gene_curves"]
    gene = read["gene"].iloc[0]
    answer = ask(f"/kaplan-meier/{model.cancer_type}", params={"gene": gene}).json()
    assert (answer["gene"], answer["simulated"]) == (gene, True)
    for curve in answer["curves"]:
        rows = read[(read["gene"] == gene) & (read["group"] == curve["group"])]
        assert curve["survival"] == list(rows["survival"])
        assert curve["at_risk"] == list(rows["at_risk"])
        np.testing.assert_allclose(curve["months"], rows["days"] / 30.436875, atol=0.05)
    assert {curve["group"] for curve in answer["curves"]} == {"high", "low"}
    assert sum(curve["at_risk"][0] for curve in answer["curves"]) == model.cohort.n_patients


def test_the_comparison_names_every_evaluation_with_its_figures(ask: Ask, small_training: TrainingResult):
    model = small_training.model
    answer = ask(f"/comparison/{model.cancer_type}").json()
    assert [run["name"] for run in answer["runs"]] == list(small_training.evaluations)
    for run, evaluation in zip(answer["runs"], small_training.evaluations.values(), strict=True):
        harrell = evaluation.metrics["concordance_harrell"]
        shown = run["metrics"]["concordance_harrell"]
        assert shown["value"] == pytest.approx(harrell.value, rel=1e-15)
        assert (shown["lower"], shown["upper"]) == pytest.approx((harrell.lower, harrell.upper), rel=1e-15)
    assert answer["curve_genes"] == list(model.tables["gene_curves"]["gene"].unique())
    assert answer["mlflow"] is None


def test_mlflow_is_linked_where_its_address_is_set(model: PrognosticModel):
    given = Settings.from_environment({"PROGNOSIS_MLFLOW_UI": "https://mlflow.example/"})
    link = comparison(served(model), given.mlflow_ui).mlflow
    assert link == "https://mlflow.example/#/models/SIMULATED-KIRC-OS/versions/3"
    with pytest.raises(SettingsError, match=r"PROGNOSIS_MLFLOW_UI is 'javascript:x'; it must begin with http"):
        Settings.from_environment({"PROGNOSIS_MLFLOW_UI": "javascript:x"})


def test_a_bundle_without_the_tables_is_read_and_says_so(ask: Ask, model: PrognosticModel, tmp_path: Path):
    write_bundle(replace(model, tables={}), tmp_path / "bundle")
    assert read_bundle(tmp_path / "bundle").tables == {}
    answer = ask("/comparison/SIMULATED-LGG").json()
    assert (answer["runs"], answer["curve_genes"]) == ([], [])
    refused = ask("/kaplan-meier/SIMULATED-LGG", params={"gene": "CD44"})
    assert (refused.status_code, refused.json()["field"]) == (404, "gene")


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/kaplan-meier/SIMULATED-KIRC", 422, "gene"),
        ("/kaplan-meier/SIMULATED-KIRC?gene=NOBODY", 404, "gene"),
        ("/example/NOWHERE", 404, "cancer_type"),
        ("/example/SIMULATED-KIRC?endpoint=XY", 422, "endpoint"),
        ("/comparison/SIMULATED-KIRC?endpoint=PFI", 404, "endpoint"),
    ],
)
def test_what_is_not_there_is_refused_with_the_field(ask: Ask, path: str, status: int, field: str):
    response = ask(path)
    assert (response.status_code, response.json()["field"]) == (status, field)
