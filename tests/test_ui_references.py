"""The page at /ui with a model of several cohorts: whose scale, curves and ranks a patient is shown on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from page_walk import Site, Walk, opened_page, running_site
from playwright.sync_api import Browser, expect

from training.bundle import read_bundle

if TYPE_CHECKING:
    from conftest import ModelStore

BUNDLES = Path(__file__).resolve().parent / "bundles"
POOLED_NAME, SINGLE_NAME = "SIMULATED-KIRC-OS", "SIMULATED-LGG-OS"


@pytest.fixture(scope="module")
def pooled_site(
    browser: Browser, new_model_store: Callable[[], ModelStore], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    pooled, single = (read_bundle(BUNDLES / name) for name in ("format_4", "format_3"))
    with running_site(pooled, new_model_store(), tmp_path_factory.mktemp("pooled"), other=single) as site:
        yield site


@pytest.fixture
def walk(browser: Browser, pooled_site: Site) -> Iterator[Walk]:
    with opened_page(browser, pooled_site, {}) as walk:
        yield walk


@pytest.fixture(scope="module")
def blocks(pooled_site: Site) -> dict[str, Any]:
    """What is served of each reference, by its name."""
    models = {model["name"]: model for model in pooled_site.asked("models")["models"]}
    return {each["name"]: each for each in models[POOLED_NAME]["references"]}


def test_the_menu_is_there_where_there_is_a_choice(walk: Walk):
    page = walk.page
    expect(page.get_by_label("Scored as a patient of").locator("option")).to_have_text(
        ["first (unless another is chosen)", "second"]
    )
    page.select_option("#model", SINGLE_NAME)
    expect(page.locator("#scored-as-field")).to_be_hidden()
    page.click("#take-example")
    sent, answer = walk.score()
    assert sent.get("reference") is None
    assert answer["model"]["reference"] is None


@pytest.mark.parametrize("name", ["first", "second"])
def test_the_chosen_cohort_sets_scale_and_times_and_is_the_one_that_answers(
    walk: Walk, blocks: dict[str, Any], name: str
):
    page, block = walk.page, blocks[name]
    page.select_option("#scored-as", name)
    expect(page.locator("#scale")).to_have_value(block["scale"])
    expect(page.locator("#model-hint")).to_contain_text(f"{block['n_patients']} patients, {block['n_events']} events")
    walk.take_example()
    sent, answer = walk.score()
    assert (sent["reference"], sent["scale"]) == (name, block["scale"])
    assert max(sent["horizons_months"]) == block["horizon_months_max"]
    assert (answer["model"]["reference"], answer["model"]["n_patients"]) == (name, block["n_patients"])
    expect(page.locator("#answer")).to_contain_text(f"SIMULATED-KIRC, overall survival, {name}; scored")
    default = "(the default)" if name == "first" else "(not the default)"
    expect(page.locator("#answer .model-card")).to_contain_text(f"{name} {default}")


def test_what_a_request_names_is_chosen_and_a_profile_alone_leaves_the_choice(walk: Walk, pooled_site: Site):
    page = walk.page
    second = pooled_site.asked("example/SIMULATED-KIRC?reference=second")
    walk.paste(json.dumps(second))
    expect(page.locator("#scored-as")).to_have_value("second")
    walk.paste("gene,value\nCD44,6.1\nCXCR4,5.2\n")
    expect(page.locator("#scored-as")).to_have_value("second")
    walk.paste(json.dumps({key: value for key, value in second.items() if key != "reference"}))
    expect(page.locator("#scored-as")).to_have_value("first")


@pytest.mark.parametrize(
    "case",
    [
        ({"reference": "third"}, "for the reference “third”, and the model has no such: there is: first, second."),
        ({"reference": "first", "cancer_type": "SIMULATED-LGG"}, "it was trained on one cohort and has none to name"),
    ],
    ids=["unknown", "none"],
)
def test_a_reference_that_is_not_there_is_refused_on_the_page(
    walk: Walk, pooled_site: Site, case: tuple[dict[str, str], str]
):
    change, words = case
    walk.paste(json.dumps(pooled_site.asked("example/SIMULATED-KIRC") | change))
    expect(walk.page.locator("#profile-error")).to_contain_text(words)
    expect(walk.page.locator("#profile")).to_be_focused()


def test_the_second_tab_shows_each_cohort_of_a_pooled_model(walk: Walk, pooled_site: Site, blocks: dict[str, Any]):
    page = walk.page
    walk.open_cohort()
    expect(page.locator("table.heat thead .endpoint")).to_have_text(["OS, first", "OS, second", "OS"])
    with page.expect_response(lambda response: "kaplan-meier" in response.url) as awaited:
        page.select_option("#cohort-model", label="SIMULATED-KIRC, overall survival, second")
    assert "reference=second" in awaited.value.url
    card = page.locator(".own-cohort .model-card")
    expect(card).to_contain_text(f"{blocks['second']['n_patients']} patients, {blocks['second']['n_events']} events")
    expect(card).to_contain_text("second (not the default)")
