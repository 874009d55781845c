"""Makes the README's picture of the page: the synthetic patient of a simulated model, never a real one.

With the service running on simulated cohorts (``make run``, or ``prognosis serve``)::

    .venv/bin/python tests/page_picture.py http://127.0.0.1:3000 docs/serving/page.png
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from page_walk import opened_browser
from PIL import Image
from playwright.sync_api import Page, expect

WIDTH = 1200
_LAST_SEEN = ".survival-card"
#: Pixels below the last card that is seen.
_MARGIN = 10
LARGEST_BYTES = 300_000


def page_picture(page: Page, address: str) -> bytes:
    """Score the synthetic patient of the first simulated model; return the page down to the curves, as a PNG.

    Raises
    ------
    AssertionError
        If the page does not say that the patient is synthetic and the model simulated.
    """
    page.set_viewport_size({"width": WIDTH, "height": 900})
    page.goto(f"{address}/ui")
    expect(page.locator("body")).to_have_attribute("data-ready", "yes")
    simulated = page.locator("#model option", has_text="SIMULATED-").first.get_attribute("value")
    page.select_option("#model", simulated)
    page.click("#take-example")
    expect(page.locator("#score")).to_be_focused()
    page.click("#score")
    expect(page.locator(".survival-card svg")).to_have_count(3)
    expect(page.locator(".banner strong", has_text="SIMULATED")).to_be_visible()
    expect(page.locator(".banner strong", has_text="SYNTHETIC")).to_be_visible()
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    last = page.locator(_LAST_SEEN).bounding_box()
    assert last is not None
    seen = {"x": 0.0, "y": 0.0, "width": float(WIDTH), "height": float(round(last["y"] + last["height"] + _MARGIN))}
    return _with_palette(page.screenshot(animations="disabled", full_page=True, clip=seen))


def _with_palette(png: bytes) -> bytes:
    written = io.BytesIO()
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    picture.save(written, "PNG", optimize=True)
    if len(written.getvalue()) > LARGEST_BYTES:
        raise ValueError(f"the picture has {len(written.getvalue())} bytes, above {LARGEST_BYTES}; show less.")
    return written.getvalue()


if __name__ == "__main__":
    source, target = sys.argv[1:]
    with opened_browser() as browser:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_bytes(page_picture(browser.new_page(), source))
