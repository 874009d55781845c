"""The page of a scan in a real browser: it sorts, searches, stands alone and shows the table's own figures."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from playwright.sync_api import Browser, Page, expect
from scan_tables import row, table_of

from experiments.scan_columns import PageColumn, packed, wide_table
from experiments.scan_page import scan_page, svg

N_GENES = 20_000
NO_EVIDENCE = pd.DataFrame({"gene": pd.Series(dtype=object)})


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """A transcriptome in two cohorts, at three cuts; every hundredth gene has no estimate."""
    rng = np.random.default_rng(11)
    rows = len(names := [f"GENE{i}" for i in range(N_GENES)])
    parts = []
    for cancer_type in ("KIRC", "LGG"):
        for cut in ("per_sd", "median", "optimal"):
            log_ratio = np.where(np.arange(rows) % 100 == 7, np.nan, rng.normal(0, 0.4, rows))
            p = np.where(np.isnan(log_ratio), np.nan, rng.uniform(size=rows) ** 3)
            part = pd.DataFrame(
                {**row("", cancer_type, 1.0, cut=cut), "gene": names, "p": p, "q": np.minimum(1, 2 * p)}
            )
            ratios = {
                "hazard_ratio": np.exp(log_ratio),
                "lower": np.exp(log_ratio - 0.4),
                "upper": np.exp(log_ratio + 0.4),
            }
            parts.append(part.assign(log_hazard_ratio=log_ratio, **ratios))
    together = pd.concat(parts, ignore_index=True)
    optimal = together["cut"] == "optimal"
    together.loc[optimal, "shrunken_hazard_ratio"] = np.sqrt(together.loc[optimal, "hazard_ratio"])
    # A naive ratio that could not be overlooked.
    together.loc[optimal, "hazard_ratio"] = 777.0
    return together


@pytest.fixture(scope="module")
def evidence() -> pd.DataFrame:
    known = {"literature_direction": "high expression worse", "drugs": "anakinra", "trials": "NCT00000001"}
    return pd.DataFrame([{"gene": "GENE5", "cancer_type": "LGG", **known}])


@pytest.fixture(scope="module")
def address(table: pd.DataFrame, evidence: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> str:
    figure = Figure()
    figure.subplots().plot([1, 2])
    figure.suptitle("A curve")
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(scan_page(table, evidence, {"curve": figure}), encoding="utf-8")
    return path.as_uri()


def opened(browser: Browser, address: str, **options: object) -> Page:
    page = browser.new_context(**options).new_page()
    page.goto(address)
    page.wait_for_selector("#grid[data-ready=yes]")
    return page


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    shown = opened(browser, address)
    yield shown
    shown.context.close()


def first_column(page: Page) -> list[str]:
    return page.locator("#grid tbody tr[data-position] th").all_text_contents()


def cells_of_first_row(page: Page) -> dict[str, str]:
    heads = page.locator("#grid thead button").all_text_contents()
    return dict(zip(heads, page.locator("#grid tr[data-position='0'] > *").all_text_contents(), strict=True))


def sort_by(page: Page, label: str) -> None:
    page.get_by_role("button", name=label, exact=True).click()


def expected_order(wide: pd.DataFrame, column: str, *, ascending: bool) -> list[str]:
    ordered = wide.assign(kept=wide[column].astype(np.float32)).sort_values(
        "kept", ascending=ascending, kind="stable", na_position="last"
    )
    return list(ordered["gene"])


@pytest.mark.parametrize(("label", "column"), [("HR per SD", "per_sd"), ("p median", "p_median")])
def test_a_heading_sorts_and_sorts_the_other_way_when_asked_again(page, table, evidence, label, column):
    wide, _ = wide_table(table, evidence)
    for ascending, said in ((True, "ascending"), (False, "descending")):
        sort_by(page, label)
        assert first_column(page)[:5] == expected_order(wide, column, ascending=ascending)[:5]
        head = page.locator("#grid thead th", has=page.get_by_role("button", name=label, exact=True))
        assert head.get_attribute("aria-sort") == said


def test_what_is_missing_stays_last_both_ways(page):
    page.locator("#grid").focus()
    for _ in range(2):
        sort_by(page, "HR per SD")
        page.locator("#grid").focus()
        page.keyboard.press("End")
        last = page.locator("#grid tbody tr[data-position]").last.locator("td").all_text_contents()
        assert last[1] == "–"


def test_the_page_opens_sorted_by_q(page, table, evidence):
    wide, _ = wide_table(table, evidence)
    assert wide["q_per_sd"].dropna().is_monotonic_increasing
    assert first_column(page)[:5] == list(wide["gene"][:5])


def test_a_cell_shows_the_tables_figures(page, table):
    page.fill("#search", "gene4242")
    page.select_option("select[data-column]", label="KIRC")
    expect(page.locator("#count")).to_have_text(f"1 of {2 * N_GENES:,} rows")
    shown = cells_of_first_row(page)
    mine = table[(table["gene"] == "GENE4242") & (table["cancer_type"] == "KIRC")].set_index("cut")
    found = mine.loc["per_sd"]
    assert shown["HR per SD"] == f"{found['hazard_ratio']:.2f} ({found['lower']:.2f} to {found['upper']:.2f})"
    assert float(shown["p"]) == pytest.approx(found["p"], rel=0.06, abs=0.0006)
    assert shown["HR at optimum, shrunken"] == f"{mine.loc['optimal', 'shrunken_hazard_ratio']:.2f}"
    assert (shown["gene"], shown["cancer"], shown["patients"], shown["events"]) == ("GENE4242", "KIRC", "100", "40")


def test_the_naive_ratio_of_an_optimal_cut_is_nowhere_on_the_page(table, evidence):
    wide, columns = wide_table(table, evidence)
    shown = wide[[part for column in columns for part in column.parts]]
    assert not shown.select_dtypes("number").eq(777.0).any(axis=None)
    assert not any("naive" in part for column in columns for part in column.parts)


def test_filters_count_what_the_table_holds(page, table):
    per_sd = table[table["cut"] == "per_sd"]
    page.fill("#limit", "0.01")
    expected = int((per_sd["q"] <= 0.01).sum())
    expect(page.locator("#count")).to_have_text(f"{expected:,} of {2 * N_GENES:,} rows")
    page.select_option("select[data-column]", label="LGG")
    expected = int(((per_sd["q"] <= 0.01) & (per_sd["cancer_type"] == "LGG")).sum())
    expect(page.locator("#count")).to_have_text(f"{expected:,} of {2 * N_GENES:,} rows")


def test_the_evidence_is_found_and_shown_beside_its_gene_and_cancer_type(page):
    page.fill("#search", "anakinra")
    expect(page.locator("#count")).to_have_text(f"1 of {2 * N_GENES:,} rows")
    shown = cells_of_first_row(page)
    assert (shown["gene"], shown["cancer"], shown["drugs"]) == ("GENE5", "LGG", "anakinra")
    page.locator("#grid tr[data-position='0']").click()
    assert "NCT00000001" in page.locator("#about").inner_text()


def test_only_the_rows_in_sight_are_in_the_document(page):
    assert 10 < page.locator("#grid tbody tr").count() < 80
    page.evaluate("document.getElementById('rows').scrollTop = 300000")
    page.wait_for_selector("#grid tr[data-position='10005']")
    assert page.locator("#grid tbody tr").count() < 80


def test_forty_thousand_rows_sort_and_filter_in_a_blink(page):
    # Milliseconds that the browser stands still; a tenth of this is usual.
    still = "f => { const t = performance.now(); f(); return performance.now() - t; }"
    clicked = page.evaluate(f"({still})(() => document.querySelectorAll('#grid thead button')[2].click())")
    chosen = (
        "const s = document.querySelector('select[data-column]'); s.value = '1'; s.dispatchEvent(new Event('change'))"
    )
    assert clicked < 1000
    assert page.evaluate(f"({still})(() => {{ {chosen} }})") < 1000


def test_the_keyboard_alone_sorts_and_moves_through_the_rows(page):
    page.locator("#grid thead button").nth(2).focus()
    page.keyboard.press("Enter")
    assert page.locator("#grid thead th").nth(2).get_attribute("aria-sort") == "ascending"
    page.locator("#grid").focus()
    for key, position in (("ArrowDown", 0), ("ArrowDown", 1), ("ArrowUp", 0), ("End", 2 * N_GENES - 1), ("Home", 0)):
        page.keyboard.press(key)
        assert page.locator("#grid").get_attribute("aria-activedescendant") == f"row-{position}"
        chosen = page.locator("#grid tr[aria-selected=true]")
        assert chosen.get_attribute("data-position") == str(position)
        box, pane = chosen.bounding_box(), page.locator("#rows").bounding_box()
        assert box is not None
        assert pane is not None
        assert pane["y"] + 40 <= box["y"]
        assert box["y"] + box["height"] <= pane["y"] + pane["height"] + 1
    assert page.locator("#about dt").count() > 5


def test_the_page_stands_alone_and_complains_of_nothing(browser, address):
    page = browser.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address)
    page.wait_for_selector("#grid[data-ready=yes]")
    assert [url for url in asked if not url.startswith("data:")] == [address]
    assert said == []
    assert page.locator("figure img").evaluate("image => image.naturalWidth") > 100
    assert page.locator("figure img").get_attribute("alt") == "A curve."
    page.context.close()


def test_nothing_runs_out_of_a_telephone(browser, address):
    page = opened(browser, address, viewport={"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#grid tr[data-position='0']").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    # The gene stays in sight when the table is moved sideways.
    page.evaluate("document.getElementById('rows').scrollLeft = 400")
    box = page.locator("#grid tr[data-position='0'] th").bounding_box()
    assert box is not None
    assert 0 <= box["x"] < 40
    page.context.close()


def luminance(colour: str) -> float:
    channels = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_colours_of_text_can_be_read_in_the_light_and_in_the_dark(browser, address, scheme):
    page = opened(browser, address, color_scheme=scheme)
    ground = luminance(page.locator("body").evaluate("e => getComputedStyle(e).backgroundColor"))
    assert (ground < 0.1) == (scheme == "dark")
    for place in ("body", ".faint >> nth=0", "td.worse >> nth=0", "td.better >> nth=0", "#grid thead button >> nth=0"):
        text = luminance(page.locator(place).evaluate("e => getComputedStyle(e).color"))
        low, high = sorted([text, ground])
        assert (high + 0.05) / (low + 0.05) >= 4.5, place
    page.context.close()


def test_text_from_data_stays_text(browser, tmp_path):
    wicked = "</script><img src=x onerror=\"document.title='caught'\">"
    evidence = pd.DataFrame([{"gene": wicked, "drugs": wicked}])
    path = tmp_path / "index.html"
    path.write_text(scan_page(table_of(row(wicked, "KIRC", 1.5)), evidence, {}), encoding="utf-8")
    page = opened(browser, path.as_uri())
    assert first_column(page) == [wicked]
    page.locator("#grid tr[data-position='0']").click()
    assert page.title() == "Univariate hazard ratios"
    assert page.locator("img").count() == 0
    page.context.close()


def test_simulated_patients_are_marked():
    simulated = scan_page(table_of(row("A", "SIMULATED-KIRC", 1.5)), NO_EVIDENCE, {})
    real = scan_page(table_of(row("A", "KIRC", 1.5)), NO_EVIDENCE, {})
    assert "SIMULATED: some of these patients" in simulated
    assert "SIMULATED" not in real


def test_the_overview_counts_the_cohorts_genes():
    rows = [row("A", "KIRC", 2.0, q=0.01), row("B", "KIRC", 0.5, q=0.02), row("C", "KIRC", np.nan, q=np.nan)]
    page = scan_page(table_of(*rows, row("D", "KIRC", 3.0, q=0.03)), NO_EVIDENCE, {})
    cells = "".join(f'<td class="number">{count}</td>' for count in (100, 40, 4, 1, 2, 1))
    assert f"<td>KIRC/OS</td>{cells}" in page


@given(st.lists(st.floats(-1e30, 1e30, allow_subnormal=False) | st.just(float("nan")), min_size=1))
def test_packed_numbers_keep_five_digits(numbers):
    column = PageColumn("x", "number", ("x",))
    _, text = packed(pd.DataFrame({"x": numbers}), [column])
    found = np.frombuffer(gzip.decompress(base64.b64decode(text)), dtype="<f4").astype(np.float64)
    np.testing.assert_allclose(found, numbers, rtol=1e-5, atol=1e-37)


@given(st.lists(st.text(max_size=5), min_size=1))
def test_packed_texts_come_back_and_sort_as_their_places(texts):
    header, packed_text = packed(pd.DataFrame({"x": pd.Series(texts, dtype=object)}), [PageColumn("x", "text", ("x",))])
    places = np.frombuffer(gzip.decompress(base64.b64decode(packed_text)), dtype="<u4")
    distinct = header[0]["texts"]
    assert isinstance(distinct, list)
    assert [distinct[place] for place in places] == texts
    assert distinct == sorted(set(texts))


def test_the_same_table_gives_the_same_page(table, evidence):
    small = table[table["gene"].isin(["GENE1", "GENE2"])]
    assert scan_page(small, evidence, {}) == scan_page(small, evidence, {})
    figure = Figure()
    figure.subplots().plot([1, 2])
    assert svg(figure) == svg(figure)
