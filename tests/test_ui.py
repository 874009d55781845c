"""The page at /ui in a real browser: by keyboard, on a phone, in the dark, on paper; its figures are the service's."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from page_picture import WIDTH, page_picture
from page_walk import DARK, PHONE, Site, Walk, opened_page
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8").partition("\n")[2]
#: Values that nothing but the patient of these tests has.
SECRET_VALUE, SECRET_AGE = "5.318293847", "61.739482"


@pytest.fixture
def walk(browser: Browser, site: Site, request: pytest.FixtureRequest) -> Iterator[Walk]:
    with opened_page(browser, site, getattr(request, "param", {})) as walk:
        yield walk


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def cells(row: Locator) -> list[str]:
    return row.locator("th, td").all_text_contents()


def press_until_focused(page: Page, target: str, key: str = "Tab", most: int = 30) -> None:
    for _ in range(most):
        if page.locator(target).evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{target} is not reached with {key}")


def test_the_example_is_scored_and_explored_by_keyboard_alone(walk: Walk):
    page = walk.page
    press_until_focused(page, "#take-example")
    page.keyboard.press("Enter")
    expect(page.locator("#score")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#answer-title")).to_be_focused()
    expect(page.locator("#answer-title")).to_have_text("SYNTHETIC example")
    expect(page.locator("#status")).to_contain_text("Median survival")
    button = page.locator(".forest button[aria-expanded]").first
    press_until_focused(page, ".forest tbody tr:first-child button")
    page.keyboard.press("Space")
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(page.locator(".evidence")).to_contain_text("In this cohort")
    page.keyboard.press("Escape")
    expect(button).to_have_attribute("aria-expanded", "false")
    press_until_focused(page, "#tab-patient", "Shift+Tab", most=60)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#tab-cohort")).to_be_focused()
    expect(page.locator("#panel-cohort")).to_be_visible()
    expect(page.locator("#panel-patient")).to_be_hidden()
    press_until_focused(page, ".heat td[tabindex='0']")
    page.keyboard.press("ArrowDown")
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("Enter")
    gene = focused.partition(" ")[0]
    expect(page.locator(".own-cohort figcaption").first).to_contain_text(f"{gene} in SIMULATED-KIRC")


def test_the_figures_on_the_page_are_those_of_the_answer(walk: Walk):
    walk.take_example()
    sent, answer = walk.score()
    page, model, (result,) = walk.page, answer["model"], answer["results"]
    assert len(sent["horizons_months"]) <= 100
    assert max(sent["horizons_months"]) == model["horizon_months_max"]
    figures = page.locator(".key-figures .value").all_text_contents()
    value, _, rest = result["median_survival"]["words"].partition(" (")
    assert figures[0] == value
    assert page.locator(".key-figures .more").first.inner_text() == f"95 % interval {rest.removesuffix(')')}"
    assert figures[2] == f"{result['risk_group']} third"
    expect(page.locator("#position-words")).to_contain_text(f"{result['risk_percentile']:.0f} %")
    by_month = {point["horizon_months"]: point for point in result["survival"]}
    rows = page.locator(".horizons tbody tr").all()
    assert len(rows) == len(model["horizons_months"])
    for row, months in zip(rows, model["horizons_months"], strict=True):
        at = by_month[months]
        ends = f"({percent(at['lower'])} to {percent(at['upper'])})"
        cohort = f"({percent(at['cohort_lower'])} to {percent(at['cohort_upper'])})"
        assert cells(row) == [
            f"{months:g} months",
            f"{percent(at['probability'])} {ends}",
            f"{percent(at['cohort_probability'])} {cohort}",
        ]
    page.locator(".survival-card summary").click()
    assert page.locator(".survival-card details tbody tr").count() == len(result["survival"])
    for warning in result["warnings"]:
        expect(page.locator(".warnings")).to_contain_text(warning[1:])
    assert page.locator(".answer .banner strong").all_text_contents() == ["SYNTHETIC", "SIMULATED", "EXPLORATORY"]
    expect(page.locator(".card-of-model")).to_contain_text(model["bundle_digest"])
    for clause in model["gate"]:
        expect(page.locator(".card-of-model")).to_contain_text(clause["figure"])


def test_contributions_are_summed_by_clinical_column_and_add_up(walk: Walk):
    walk.take_example()
    _, answer = walk.score()
    (result,), covariates = answer["results"], answer["model"]["variants"]["clinical"]["covariates"]
    totals: dict[str, float] = {}
    for name, value in result["contributions"].items():
        group = covariates[name]["column"] or name
        totals[group] = totals.get(group, 0.0) + value
    rows = [cells(row) for row in walk.page.locator(".contributions tbody tr").all()]
    shown = {name: float(value.replace("−", "-")) for name, _, value in rows}
    assert len(shown) == min(16, len(totals))
    for column in ("age", "stage"):
        assert shown[column] == pytest.approx(totals[column], abs=0.0051)
    constant, total = (cells(row)[-1] for row in walk.page.locator(".contributions .sum").all())
    assert float(total.replace("−", "-")) == pytest.approx(result["linear_predictor"], abs=0.0051)
    parts = sum(shown.values()) + float(constant.replace("−", "-"))
    assert parts == pytest.approx(result["linear_predictor"], abs=0.0051 * (len(shown) + 2))


@pytest.mark.parametrize(
    ("field_name", "value", "words"),
    [("clinical-age", "200", "0 to 120"), ("survived", "999", "months"), ("profile", "CD44, 1\nEPCAM, high", "Line 2")],
)
def test_an_error_stands_beside_its_field_and_is_said(walk: Walk, field_name: str, value: str, words: str):
    walk.take_example()
    page = walk.page
    page.fill(f"#{field_name}", value)
    page.click("#score")
    control = page.locator(f"#{field_name}")
    expect(control).to_have_attribute("aria-invalid", "true")
    expect(control).to_be_focused()
    note = page.locator(f"#{field_name}-error")
    expect(note).to_contain_text(words)
    assert note.get_attribute("id") in (control.get_attribute("aria-describedby") or "").split()
    expect(page.locator("#status")).to_contain_text("Not scored")
    walk.take_example()
    page.fill("#survived", "")
    walk.score()
    expect(page.locator(".error")).to_have_count(0)
    expect(control).not_to_have_attribute("aria-invalid", "true")


def as_lines(expression: dict[str, float], separator: str) -> str:
    return "\n".join(
        ["gene" + separator + "value", *(f"{gene}{separator}{value}" for gene, value in expression.items())]
    )


def test_a_profile_is_taken_as_table_json_or_dropped_and_sent_the_same(walk: Walk, tmp_path: Path):
    walk.take_example()
    sent, _ = walk.score()
    expression = sent["profiles"][0]["expression"]
    page = walk.page
    texts = {
        "profile.csv": as_lines(expression, ","),
        "profile.tsv": as_lines(expression, "\t") + "\nNOT_MEASURED\tNA",
        "profile.json": json.dumps(expression),
        "request.json": json.dumps(sent),
    }
    for name, text in texts.items():
        page.fill("#profile", "")
        (tmp_path / name).write_text(text, encoding="utf-8")
        page.set_input_files("#profile-file", tmp_path / name)
        expect(page.locator("#profile")).not_to_have_value("")
        assert walk.score()[0]["profiles"][0]["expression"] == expression
    page.fill("#profile", "")
    drop = """(element, text) => {
        const carried = new DataTransfer();
        carried.items.add(new File([text], "profile.csv", { type: "text/csv" }));
        element.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: carried }));
    }"""
    page.locator("main").evaluate(drop, texts["profile.csv"])
    expect(page.locator("#profile")).not_to_have_value("")
    assert walk.score()[0]["profiles"][0]["expression"] == expression


def test_missing_genes_and_survived_months_reach_the_answer(walk: Walk):
    walk.take_example()
    page = walk.page
    lines = page.input_value("#profile").splitlines()
    page.fill("#profile", "\n".join(lines[2:]))
    page.fill("#survived", "12")
    sent, answer = walk.score()
    (result,) = answer["results"]
    assert sent["profiles"][0]["survived_months"] == 12
    assert min(sent["horizons_months"]) > 12
    missing = [line.partition(",")[0] for line in lines[:2]]
    assert result["missing_genes"] == missing
    expect(page.locator(".profile-facts")).to_contain_text(f"2: {', '.join(missing)}")
    expect(page.locator(".survival-card figcaption")).to_contain_text("given alive at 12 months")


def test_without_clinical_values_the_genes_alone_answer(walk: Walk):
    walk.take_example()
    walk.page.fill("#clinical-age", "")
    for column in ("sex", "stage", "grade"):
        walk.page.select_option(f"#clinical-{column}", "")
    sent, answer = walk.score()
    assert sent["profiles"][0]["clinical"] is None
    assert answer["results"][0]["variant"] == "genes_only"
    expect(walk.page.locator(".profile-facts")).to_contain_text("genes only")


def test_no_value_of_a_patient_is_kept_or_put_into_the_address(walk: Walk, site: Site):
    walk.take_example()
    page = walk.page
    page.fill("#profile", page.input_value("#profile") + f"\nPRIVATE1, {SECRET_VALUE}")
    page.fill("#clinical-age", SECRET_AGE)
    sent, _ = walk.score()
    assert sent["profiles"][0]["expression"]["PRIVATE1"] == float(SECRET_VALUE)
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, history.state])")
    assert kept == '[{},{},"",null]'
    for text in (*walk.asked, page.url, site.log.read_text(encoding="utf-8")):
        assert SECRET_VALUE not in text
        assert SECRET_AGE not in text
    page.click("button[type=reset]")
    expect(page.locator("#profile")).to_have_value("")
    expect(page.locator("#answer-title")).to_have_count(0)


@pytest.mark.parametrize("walk", [PHONE], indirect=True)
def test_on_a_phone_nothing_is_wider_than_the_screen(walk: Walk):
    walk.take_example()
    walk.score()
    page = walk.page
    page.get_by_role("button", name="Show all").click()
    page.locator(".forest button[aria-expanded]").first.click()
    page.locator(".survival-card summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    outside = """() => [...document.querySelectorAll("main *")].filter((each) =>
        !each.closest(".scrolled, .visually-hidden, svg, option") && each.checkVisibility()
        && each.getBoundingClientRect().right > 390.5).map((each) => each.outerHTML.slice(0, 80))"""
    assert page.evaluate(outside) == []
    # The rows with drawings fit as well: nothing in them is reached only by scrolling sideways.
    for table in page.locator(".answer .scrolled:has(.plotted)").all():
        assert table.evaluate("box => box.scrollWidth <= box.clientWidth")
    walk.open_cohort()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate(outside) == []


@pytest.mark.parametrize("walk", [{}, DARK, PHONE], indirect=True, ids=["light", "dark", "phone"])
def test_every_text_stands_out_from_what_is_behind_it(walk: Walk):
    walk.take_example()
    walk.score()
    walk.page.locator(".forest button[aria-expanded]").first.click()
    patient = walk.page.evaluate(CONTRAST)
    walk.paste(json.dumps({"profiles": [{"expression": {"CD44": 1}, "clinical": {"age": 200}}] * 2}))
    walk.page.click("#score")
    expect(walk.page.locator(".error")).to_be_visible()
    refused = walk.page.evaluate(CONTRAST)
    walk.open_cohort()
    cohort = walk.page.evaluate(CONTRAST)
    assert patient["seen"] > 150
    assert refused["seen"] > 30
    assert cohort["seen"] > 100
    assert patient["poor"] + refused["poor"] + cohort["poor"] == []


def test_everything_that_can_be_used_or_seen_has_a_name(walk: Walk):
    walk.take_example()
    walk.score()
    page = walk.page
    unnamed = """() => [...document.querySelectorAll("button, input, select, textarea, a")].filter((each) => {
        const label = each.labels?.[0]?.textContent || each.getAttribute("aria-label") || each.textContent;
        return !label.trim();
    }).map((each) => each.outerHTML)"""
    assert page.evaluate(unnamed) == []
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("h1").count() == page.locator("main").count() == page.locator("footer").count() == 1
    for drawing in page.locator(".drawing svg, svg.strip").all():
        expect(drawing).to_have_role("img")
        expect(drawing).to_have_accessible_name(re.compile(r"\w{4,}"))
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert len(ids) == len(set(ids))
    for attribute in ("aria-controls", "aria-labelledby", "aria-describedby", "for"):
        pointed = page.evaluate(
            "name => [...document.querySelectorAll(`[${name}]`)].flatMap((each) => each.getAttribute(name).split(' '))",
            attribute,
        )
        assert set(pointed) <= set(ids), attribute
    snapshot = page.locator("#answer").aria_snapshot()
    for told in ('table "Contributions to the linear predictor"', 'rowheader "age"', 'heading "The model"'):
        assert told in snapshot


def test_on_paper_there_is_the_answer_in_two_pages_and_no_form(walk: Walk):
    walk.take_example()
    walk.page.fill("#label", "Chart 17")
    walk.score()
    pdf = walk.page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 2
    walk.page.emulate_media(media="print", color_scheme="dark")
    for hidden in ("#patient-form", ".tabs", "button.print", ".alternative"):
        expect(walk.page.locator(hidden).first).to_be_hidden()
    for shown in (".survival-card svg", ".contributions tbody tr", ".forest tbody tr", ".card-of-model", ".banner"):
        expect(walk.page.locator(shown).first).to_be_visible()
    expect(walk.page.get_by_text("For research only").first).to_be_visible()
    expect(walk.page.locator("#answer-title")).to_have_text("Chart 17")
    assert walk.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert walk.page.evaluate(CONTRAST)["poor"] == []


def test_the_cohorts_figures_are_those_of_the_service(walk: Walk, site: Site):
    walk.open_cohort()
    page = walk.page
    scan = site.asked("hazard-ratios/SIMULATED-KIRC")["hazard_ratios"]
    row = next(each for each in scan if each["gene"] == "CD44")
    heat = page.locator(".heat tbody tr", has=page.locator("th", has_text=re.compile("^CD44$")))
    expect(heat.locator("td").first).to_have_text(f"{row['hazard_ratio_per_sd']:.2f}")
    page.select_option("#heatmap-measure", "median_split")
    expect(heat.locator("td").first).to_have_text(f"{row['hazard_ratio_median_split']:.2f}")
    page.select_option("#survival-gene", "CD44")
    expect(page.locator(".own-cohort figcaption").first).to_contain_text("CD44")
    curves = site.asked("kaplan-meier/SIMULATED-KIRC?gene=CD44")["curves"]
    page.locator(".own-cohort summary").first.click()
    assert page.locator(".own-cohort details tbody tr").count() == sum(len(curve["months"]) for curve in curves)
    compared = site.asked("comparison/SIMULATED-KIRC")
    figures = {run["name"]: run["metrics"]["concordance_harrell"] for run in compared["runs"]}
    shown = page.locator(".comparison tbody tr")
    expect(shown).to_have_count(len(figures))
    own = cells(page.locator(".comparison tr.own"))[-1]
    model = figures["penalised_cox"]
    assert own == f"{model['value']:.3f} ({model['lower']:.3f} to {model['upper']:.3f})"
    expect(page.locator(".comparison")).to_contain_text("registered model SIMULATED-KIRC-OS, version 1")
    page.select_option("#cohort-model", label="SIMULATED-LGG, overall survival")
    expect(page.locator(".own-cohort")).to_contain_text("holds no curves by gene")


def test_the_pages_picture_can_be_made_again(walk: Walk):
    picture = Image.open(io.BytesIO(page_picture(walk.page, walk.address)))
    assert (picture.format, picture.width) == ("PNG", WIDTH)
    assert picture.height > 1000


def test_a_browser_without_the_token_is_asked_for_it(site: Site):
    refused = httpx.get(f"{site.address}/ui")
    assert refused.status_code == 401
    assert any(challenge.startswith("Basic ") for challenge in refused.headers.get_list("www-authenticate"))
    assert httpx.get(f"{site.address}/ui/main.js").status_code == 401
