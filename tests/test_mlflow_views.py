"""MLflow's own pages in a real browser, over a training: views, descriptions, pictures and links."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Page, expect
from service_process import free_port, wait_for

from experiments.contests import Contest
from experiments.mlflow_pages import start_pages
from experiments.mlflow_views import MODEL_CARD, NOTE, PICTURES, SAVED_VIEW, VIEWS, experiment_tags, view_path
from experiments.supervisor import Supervisor, answers
from experiments.tracking import TrackedModel, client_of, experiment_of, track
from serving.settings import Settings
from training.bundle import write_bundle
from training.challenge import Challenge
from training.definition import GateDefinition, Range
from training.estimate import Estimate
from training.paired_comparison import CONCORDANCE, Comparison, Difference

if TYPE_CHECKING:
    from conftest import ModelStore

    from training.results import TrainingResult

PATIENCE = 60_000.0
_SAME = Estimate(0.0, -0.1, 0.1)
_COMPARED = Comparison(50, 20, {CONCORDANCE: Difference(_SAME, _SAME, _SAME)})
_GATE = GateDefinition(
    minimum_events=1,
    concordance_lower_above=0.5,
    gain_upper_least=0.0,
    calibration_slope=Range(low=0.5, high=1.5),
    random_signature_percentile_above=90,
)
CHALLENGE = Challenge(_COMPARED, _COMPARED, False, {}, share_held=0.0, gate=_GATE, locked_gate=_GATE, doubt="")
#: What a training that was compared with nothing does not say, or one that was given no name.
OF_RETRAININGS = {
    *(f"metrics.`{name}`" for name in Contest(challenge=CHALLENGE, tried=1).metrics()),
    *(f"tags.`{name}`" for name in ("compared_with", "definition", "training")),
}


@pytest.fixture(scope="module")
def installation(new_model_store: Callable[[], ModelStore]) -> Settings:
    store = new_model_store()
    return Settings.from_environment({"PROGNOSIS_HOME": str(store.folder), "MLFLOW_TRACKING_URI": store.uri})


@pytest.fixture(scope="module")
def tracked(
    small_training: TrainingResult, installation: Settings, tmp_path_factory: pytest.TempPathFactory
) -> TrackedModel:
    folder = tmp_path_factory.mktemp("written") / "bundle"
    write_bundle(small_training.model, folder)
    return track(small_training, folder, settings=installation)


@pytest.fixture(scope="module")
def experiment(tracked: TrackedModel, installation: Settings) -> Any:
    return client_of(installation).get_experiment_by_name(tracked.name)


@pytest.fixture(scope="module")
def pages(browser: Browser, tracked: TrackedModel, installation: Settings) -> Iterator[str]:
    with Supervisor(installation.home / "logs") as supervisor:
        address = start_pages(supervisor, free_port(), installation)
        wait_for(lambda: answers(f"{address}/health"), seconds=60)
        yield address


@pytest.fixture
def page(browser: Browser, pages: str) -> Iterator[Page]:
    # Columns beyond the window are not drawn.
    page = browser.new_page(viewport={"width": 4500, "height": 900})
    page.set_default_timeout(PATIENCE)
    yield page
    page.close()


def columns(page: Page) -> list[str]:
    expect(page.locator(".ag-header-cell").first).to_be_visible(timeout=PATIENCE)
    drawn = page.locator(".ag-header-cell").evaluate_all(
        "cells => cells.map(cell => [cell.getBoundingClientRect().x, cell.getAttribute('col-id')])"
    )
    return [column for _, column in sorted(drawn)]


def test_an_experiment_says_how_to_read_it_and_keeps_a_description_of_somebody_elses(
    experiment: Any, tracked: TrackedModel, installation: Settings, small_training: TrainingResult
) -> None:
    client, model = client_of(installation), replace(small_training.model, cancer_type="SIMULATED-OTHER")
    assert experiment.tags[NOTE].startswith("**SIMULATED patients")
    own = experiment_of(client, model, settings=installation)
    client.set_experiment_tag(own, NOTE, "What the registry of our clinic is.")
    client.set_experiment_tag(own, f"{SAVED_VIEW}learners", "{}")
    assert experiment_of(client, model, settings=installation) == own
    tags = client.get_experiment(own).tags
    wanted = experiment_tags(own, model.name, "")
    assert tags[NOTE] == "What the registry of our clinic is."
    assert tags[f"{SAVED_VIEW}learners"] == wanted[f"{SAVED_VIEW}learners"]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.key)
def test_a_view_opens_with_its_runs_and_its_columns_in_their_order(
    view: Any, page: Page, pages: str, experiment: Any, installation: Settings
) -> None:
    page.goto(f"{pages}/{view_path(experiment.experiment_id, view)}")
    expect(page.locator(".ag-row").first).to_be_visible(timeout=PATIENCE)
    known = {f"metrics.`{name}`" for run in runs(installation, experiment, "") for name in run.data.metrics}
    known |= {f"tags.`{name}`" for run in runs(installation, experiment, "") for name in run.data.tags}
    expect(page.locator("[col-id='metrics.`concordance_harrell`']").first).to_be_visible(timeout=PATIENCE)
    shown = [column for column in columns(page) if column in view.columns]
    assert shown == [column for column in view.columns if column in known]
    assert set(view.columns) - known <= OF_RETRAININGS
    expect(page.get_by_text(f"{len(runs(installation, experiment, view.runs))} matching run")).to_be_visible()
    expect(page.get_by_test_id("saved-views-trigger")).to_have_text(view.name)


def runs(installation: Settings, experiment: Any, search: str) -> list[Any]:
    return list(client_of(installation).search_runs([experiment.experiment_id], search))


def test_the_versions_description_shows_pictures_and_leads_to_run_and_card(
    page: Page, pages: str, experiment: Any, tracked: TrackedModel
) -> None:
    page.goto(f"{pages}/#/models/{tracked.name}/versions/{tracked.version}")
    expect(page.get_by_role("link", name="the model card")).to_be_visible(timeout=PATIENCE)
    page.wait_for_function("[...document.images].filter(i => i.src.includes('get-artifact')).every(i => i.complete)")
    loaded = page.evaluate(
        "[...document.images].filter(i => i.src.includes('get-artifact')).map(i => [i.src, i.naturalWidth])"
    )
    assert len(loaded) == len(PICTURES)
    assert all(width > 100 for _, width in loaded)
    expect(page.get_by_role("link", name="the run", exact=True)).to_have_attribute(
        "href", f"#/experiments/{experiment.experiment_id}/runs/{tracked.run_id}"
    )
    page.goto(f"{pages}/{page.get_by_role('link', name='the model card').get_attribute('href')}")
    expect(page.get_by_text(MODEL_CARD).first).to_be_visible(timeout=PATIENCE)
    expect(page.frame_locator("iframe").get_by_role("heading", name=f"Model card: {tracked.name}")).to_be_visible(
        timeout=PATIENCE
    )


def test_the_runs_description_leads_to_its_version(installation: Settings, tracked: TrackedModel) -> None:
    run = client_of(installation).get_run(tracked.run_id)
    assert f"(#/models/{tracked.name}/versions/{tracked.version})" in run.data.tags["mlflow.note.content"]


def test_every_view_is_saved_as_mlflow_saves_one(experiment: Any) -> None:
    for view in VIEWS:
        saved = json.loads(experiment.tags[f"{SAVED_VIEW}{view.key}"])
        assert saved["name"] == view.name
        assert json.loads(saved["state"])["selectedColumns"] == list(view.columns)
