"""The form of the page at /ui: all that is pasted is taken over or refused, and no answer outlives what it was of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from page_walk import Site, Walk, opened_page
from playwright.sync_api import Browser, Route, expect

from features.scales import SCALES

CLINICAL = {"age": 71, "sex": "male", "stage": "Stage IIIA", "grade": "G4"}


@pytest.fixture
def walk(browser: Browser, site: Site) -> Iterator[Walk]:
    with opened_page(browser, site, {}) as walk:
        yield walk


@pytest.fixture(scope="module")
def example(site: Site) -> dict[str, Any]:
    """A request for the synthetic patient of the second model."""
    return dict(site.asked("example/SIMULATED-LGG"))


def full(example: dict[str, Any]) -> dict[str, Any]:
    """The same request with everything that a profile can state."""
    request = deepcopy(example)
    request["profiles"][0] |= {"id": "Chart 17", "clinical": CLINICAL, "survived_months": 6.5}
    return request


def error_at(walk: Walk, field_name: str, words: str | re.Pattern[str]) -> None:
    control, note = walk.page.locator(f"#{field_name}"), walk.page.locator(f"#{field_name}-error")
    expect(note).to_contain_text(words)
    expect(control).to_be_focused()
    expect(control).to_have_attribute("aria-invalid", "true")
    assert f"{field_name}-error" in (control.get_attribute("aria-describedby") or "").split()


def no_answer(walk: Walk) -> None:
    """Nothing of an answer is left, on the screen or on paper."""
    expect(walk.page.locator("#answer-title, #answer .value, #answer svg, button.print")).to_have_count(0)


@pytest.mark.parametrize("way", ["paste", "type", "drop", "submit"])
def test_all_that_a_request_states_is_taken_over_and_seen(
    walk: Walk, example: dict[str, Any], way: str, tmp_path: Path
):
    page, request, text = walk.page, full(example), json.dumps(full(example))
    if way == "paste":
        walk.paste(text)
    elif way == "type":
        page.fill("#profile", text)
    elif way == "drop":
        (tmp_path / "request.json").write_text(text, encoding="utf-8")
        page.set_input_files("#profile-file", tmp_path / "request.json")
    else:
        page.locator("#profile").evaluate("(area, text) => { area.value = text; }", text)
    if way != "submit":
        expect(page.locator("#survived")).to_have_value("6.5")
    sent, answer = walk.score()
    assert (sent["cancer_type"], sent["endpoint"], sent["scale"]) == ("SIMULATED-LGG", "OS", example["scale"])
    (profile,) = sent["profiles"]
    assert profile["expression"] == request["profiles"][0]["expression"]
    assert (profile["clinical"], profile["survived_months"]) == (CLINICAL, 6.5)
    assert answer["results"][0]["variant"] == "clinical"
    shown = {column: page.input_value(f"#clinical-{column}") for column in CLINICAL}
    assert shown == {column: str(value) for column, value in CLINICAL.items()}
    assert page.input_value("#model") == "SIMULATED-LGG-OS"
    expect(page.locator("#answer-title")).to_have_text("Chart 17")
    expect(page.locator("#profile-taken")).to_contain_text("age 71; sex male; stage Stage IIIA; grade G4; survived 6.5")


def test_what_is_not_taken_over_is_said(walk: Walk, example: dict[str, Any]):
    request = full(example)
    request["profiles"][0]["clinical"] |= {"smoker": "yes", "sex": None}
    first = request["profiles"][0]
    request["profiles"] += [{**first, "id": "second"}, {**first, "id": "third"}]
    walk.paste(json.dumps(request))
    taken = walk.page.locator("#profile-taken")
    expect(taken).to_contain_text("holds 3 profiles and this page scores one: the first, Chart 17.")
    expect(taken).to_contain_text("Not scored here: second, third.")
    expect(taken).to_contain_text("does not read it: smoker")
    assert walk.page.input_value("#clinical-sex") == ""


@pytest.mark.parametrize("way", ["paste", "drop"])
@pytest.mark.parametrize(
    "case",
    [
        ({"cancer_type": "LUAD"}, "for LUAD, overall survival, and no model here answers that; there is: SIMULATED-"),
        ({"endpoint": "DSS"}, "for SIMULATED-LGG, disease-specific survival, and no model"),
        ({"survived": 4}, "“survived” is nothing that a request has"),
        ({"profiles": [{"expression": {"CD44": 1}, "age": 61}]}, "“age” is nothing that a profile has"),
        ({"profiles": [{"expression": {"CD44": 1}, "clinical": {"age": [61]}}]}, "must be a number or a word"),
        ({"profiles": [{"expression": {"CD44": "1"}}]}, "The value of CD44 is no number; write it without quotes"),
    ],
    ids=["cancer type", "endpoint", "request", "profile", "clinical", "gene"],
)
def test_a_request_that_no_model_here_answers_as_it_stands_is_refused(
    walk: Walk, example: dict[str, Any], case: tuple[dict[str, Any], str], way: str, tmp_path: Path
):
    change, words = case
    text = json.dumps(example | change)
    if way == "paste":
        walk.paste(text)
    else:
        (tmp_path / "request.json").write_text(text, encoding="utf-8")
        walk.page.set_input_files("#profile-file", tmp_path / "request.json")
    error_at(walk, "profile", words)
    walk.page.click("#score")
    error_at(walk, "profile", words)
    no_answer(walk)
    assert not any(url.endswith("/score") for url in walk.asked)


def test_a_scale_or_a_reference_that_the_model_does_not_have_is_refused_and_not_replaced(
    walk: Walk, example: dict[str, Any]
):
    page = walk.page
    walk.paste(json.dumps(example | {"scale": "log2_cpm"}))
    assert page.input_value("#scale") == "log2_cpm"
    page.click("#score")
    error_at(walk, "scale", "The scale of the values must be one of")
    walk.paste(json.dumps(example | {"scale": "zscore", "zscore_reference": "elsewhere:all"}))
    assert page.input_value("#reference") == "elsewhere:all"
    walk.paste(json.dumps(example | {"scale": "zscore"}))
    assert page.input_value("#reference") == "own"


def test_nothing_of_another_patient_stays_with_new_genes(walk: Walk, example: dict[str, Any]):
    page = walk.page
    genes = json.dumps(example["profiles"][0]["expression"])
    walk.paste(json.dumps(full(example)))
    expect(page.locator("#clinical-age")).to_have_value("71")
    walk.paste(genes)
    expect(page.locator("#profile-taken")).to_contain_text("came with the profile before were taken away")
    for field_name in ("clinical-age", "clinical-stage", "survived", "label"):
        expect(page.locator(f"#{field_name}")).to_have_value("")
    page.fill("#clinical-age", "50")
    walk.paste(genes)
    expect(page.locator("#clinical-age")).to_have_value("50")
    expect(page.locator("#profile-taken")).to_contain_text("stay as they are: see that they fit")


@pytest.mark.parametrize(
    ("field_name", "value"),
    [("clinical-age", "20"), ("survived", "6"), ("profile", "CD44, 5"), ("clinical-stage", "IV"), ("scale", "tpm")],
)
def test_an_answer_goes_when_what_it_was_of_is_changed(walk: Walk, field_name: str, value: str):
    walk.take_example()
    walk.score()
    control = walk.page.locator(f"#{field_name}")
    if control.evaluate("element => element.tagName") == "SELECT":
        control.select_option(value)
    else:
        control.fill(value)
    expect(walk.page.locator("#answer")).to_contain_text("The form has changed")
    no_answer(walk)


def test_an_answer_goes_when_another_profile_is_taken_and_is_renamed_by_the_label(
    walk: Walk, example: dict[str, Any], tmp_path: Path
):
    walk.take_example()
    walk.score()
    walk.page.fill("#label", "Chart 18")
    expect(walk.page.locator("#answer-title")).to_have_text("Chart 18")
    (tmp_path / "request.json").write_text(json.dumps(full(example)), encoding="utf-8")
    walk.page.set_input_files("#profile-file", tmp_path / "request.json")
    expect(walk.page.locator("#answer")).to_contain_text("The form has changed")
    no_answer(walk)


@pytest.mark.parametrize("status", [None, 401, 429, 503])
def test_no_answer_outlives_a_failure(walk: Walk, status: int | None):
    walk.take_example()
    walk.score()
    walk.expected.append("Failed to load resource")

    def fail(route: Route) -> None:
        if status is None:
            route.abort()
        else:
            problem = {"title": "No", "status": status, "detail": "ask again in 7 s.", "field": None}
            route.fulfill(status=status, json=problem, content_type="application/problem+json")

    walk.page.route("**/score", fail)
    walk.page.click("#score")
    words = {None: "The service cannot be reached", 401: "load this page anew"}.get(status, "Ask again in 7 s.")
    expect(walk.page.locator("#trouble")).to_contain_text(words)
    no_answer(walk)
    expect(walk.page.locator("#answer")).to_contain_text("Not scored")


def test_no_answer_outlives_a_refusal(walk: Walk):
    walk.take_example()
    walk.score()
    walk.page.fill("#clinical-age", "200")
    walk.page.click("#score")
    error_at(walk, "clinical-age", "Age must be a number of years from 0 to 120")
    no_answer(walk)
    expect(walk.page.locator("#answer")).to_contain_text("Not scored")


def test_an_answer_to_what_was_changed_meanwhile_is_not_shown(walk: Walk):
    walk.take_example()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    walk.page.route("**/score", hold)
    walk.page.click("#score")
    expect(walk.page.locator("#answer")).to_contain_text("on its way")
    walk.page.fill("#clinical-age", "20")
    with walk.page.expect_response("**/score"):
        held[0].continue_()
    expect(walk.page.locator("#score")).not_to_have_attribute("aria-busy", "true")
    expect(walk.page.locator("#status")).to_contain_text("has changed since")
    no_answer(walk)


@pytest.mark.parametrize(
    ("field_name", "value", "words"),
    [
        ("survived", "0", "The months survived must be a number above 0"),
        ("survived", "six", "The months survived must be a number above 0"),
        ("survived", "999", re.compile(r"^The months survived must lie before [\d.]+ months")),
        ("clinical-age", "old", "Age must be a number of years from 0 to 120"),
        ("profile", "CD44, 5", re.compile(r"^Holds 1 of the \d+ genes that SIMULATED-KIRC-OS reads")),
        ("profile", f"{'G' * 201}, 5", re.compile(r"^The value of G+… must have at most 200 characters")),
    ],
)
def test_a_refusal_speaks_of_the_form_and_stands_at_its_field(
    walk: Walk, field_name: str, value: str, words: str | re.Pattern[str]
):
    walk.take_example()
    walk.page.fill(f"#{field_name}", value)
    walk.page.click("#score")
    error_at(walk, field_name, words)
    said = walk.page.locator(".error").inner_text()
    assert not re.search(r"profiles|survived_months|JSON|\[0\]|horizon_months|log2_", said)


@pytest.mark.parametrize(
    ("problem", "field_name", "words"),
    [
        (
            ("profiles[0].expression.CD44", "must be a number, but is a string; send it as a bare JSON number."),
            "profile",
            "The value of CD44 must be a number",
        ),
        (("profiles[0].survived_months", "must be above 0."), "survived", "The months survived must be above 0."),
        (
            ("profiles[0].clinical.age", "must be a number, a string or null, but is a list."),
            "clinical-age",
            "Age must be a number or a word.",
        ),
        (("scale", "must not be log2_tpm_1."), "scale", "The scale of the values must not be log2(TPM + 1)."),
    ],
)
def test_what_the_service_says_of_a_field_is_said_in_the_forms_words(
    walk: Walk, problem: tuple[str, str], field_name: str, words: str
):
    field, rule = problem
    walk.take_example()
    body = {"title": "No", "status": 422, "detail": f"{field} {rule}", "field": field}
    walk.page.route("**/score", lambda route: route.fulfill(status=422, json=body))
    walk.page.click("#score")
    error_at(walk, field_name, words)
    assert field not in walk.page.locator("main").inner_text() or field == "scale"


READ = """async (text) => {
    const { readProfile } = await import("/ui/profile_text.js");
    try { return readProfile(text); } catch (error) { return error.message; }
}"""


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("CD44,5.31\nEPCAM,2", {"CD44": 5.31, "EPCAM": 2}),
        ("Hugo_Symbol\tTCGA-1\nCD44\t5.31", {"CD44": 5.31}),
        ('"","x"\n"CD44","5.31"', {"CD44": 5.31}),
        ("\n\nCD44;5,31\nEPCAM;1,234", {"CD44": 5.31, "EPCAM": 1.234}),
        ("CD44\t0,123\nEPCAM\t-1,234", {"CD44": 0.123, "EPCAM": -1.234}),
        ("CD44;NA\nEPCAM;1e-3", {"EPCAM": 0.001}),
        ('\ufeff{"CD44": 1, "EPCAM": null}', {"CD44": 1}),
    ],
)
def test_a_profile_is_read(walk: Walk, text: str, expression: dict[str, float]):
    assert walk.page.evaluate(READ, text)["expression"] == expression


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("CD44,abc\nEPCAM,2", "Line 1: the value of CD44 is no number."),
        ("920,abc\nEPCAM,2", "Line 1: the value of 920 is no number."),
        ("CD44,0x1F", "Line 1: the value of CD44 is no number."),
        ("gene,value\nCD44,abc", "Line 2: the value of CD44 is no number."),
        ("CD44;1,234\nEPCAM;2,345", "Line 1: the comma in the value of CD44 may stand for decimals or between"),
        ("EPCAM\t12\nCD44\t1,234", "Line 2: the comma in the value of CD44"),
        ("EPCAM\t5.3\nCD44\t5,31", "Line 2: the comma in the value of CD44"),
        ("EPCAM,5.3\n,5.31", "Line 2: the gene's name is missing"),
        ("\nEPCAM 5.3", "Line 2: a gene and a value must stand there"),
        ("CD44,1\nCD44,2", "Line 2: CD44 stands there a second time"),
        ('{"CD44": 1, "CD44": 2}', "“CD44” stands twice"),
        ('[{"CD44": 1}]', "must be one object"),
        ('{"CD44": 1', "begins like JSON and is none"),
        ("gene,value", "holds no gene with a value"),
    ],
)
def test_what_is_no_profile_is_refused_with_its_line(walk: Walk, text: str, words: str):
    assert words in walk.page.evaluate(READ, text)


def test_a_header_and_lines_without_a_value_are_said(walk: Walk):
    walk.page.fill("#profile", "gene,value\nCD44,1\nEPCAM,2\nIL6,NA")
    expect(walk.page.locator("#profile-count")).to_contain_text("2 values; ")
    expect(walk.page.locator("#profile-count")).to_contain_text("Line 1 (gene, value) was taken as the header.")
    expect(walk.page.locator("#profile-count")).to_contain_text("1 without a value.")


def test_a_faulty_file_is_shown_whole_so_that_no_part_of_it_is_scored(walk: Walk, tmp_path: Path):
    lines = [f"GENE{number},{number}" for number in range(2000)] + ["CD44,abc"]
    (tmp_path / "profile.csv").write_text("\n".join(lines), encoding="utf-8")
    walk.page.set_input_files("#profile-file", tmp_path / "profile.csv")
    error_at(walk, "profile", "Line 2001: the value of CD44 is no number.")
    assert walk.page.input_value("#profile") == "\n".join(lines)


def test_horizons_that_are_all_survived_are_said_in_words(walk: Walk, site: Site):
    model = site.asked("models")["models"][0]
    months = max(model["horizons_months"]) + 1
    assert months < model["horizon_months_max"]
    walk.take_example()
    walk.page.fill("#survived", str(months))
    walk.score()
    expect(walk.page.locator(".horizons")).to_contain_text(f"lie before the {months:g} months survived already")
    expect(walk.page.locator(".horizons table")).to_have_count(0)


def test_measured_coverage_is_said_beneath_the_curve(walk: Walk, site: Site):
    words = "In simulation such intervals held the true survival 93 times of 100."

    def with_coverage(route: Route) -> None:
        answer = site.asked("score", json.loads(route.request.post_data or ""))
        for variant in answer["model"]["variants"].values():
            variant["interval_coverage"] = {"measured": 0.93, "nominal": 0.95, "words": words}
        route.fulfill(json=answer)

    walk.take_example()
    walk.page.route("**/score", with_coverage)
    walk.score()
    expect(walk.page.locator(".survival-card .coverage")).to_have_text(words)


def test_the_scales_are_those_of_the_service(walk: Walk):
    offered = walk.page.locator("#scale option").evaluate_all("options => options.map((each) => each.value)")
    assert offered == list(SCALES)
