"""The frame of a picture that belongs to no single training: title, whose patients, caption, the SIMULATED mark."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.figure import Figure

from experiments.figure_style import CAPTION_CHARACTERS, INK, SMALLEST

MINUS = "\N{MINUS SIGN}"


def frame(figure: Figure, *, title: str, subtitle: str, caption: str, simulated: bool) -> None:
    """Say what a picture shows, of whom and how to read it, and SIMULATED where its patients were.

    Parameters
    ----------
    figure : Figure
        In constrained layout.
    title, subtitle : str
        Above; broken into lines here.
    caption : str
        Below; broken into lines here.
    simulated : bool
        Whether its patients were made by the generator.
    """
    width = int(figure.get_figwidth() * CAPTION_CHARACTERS)
    lines = textwrap.wrap(subtitle, int(width * 0.8))
    # The title's box holds the subtitle's lines too, so that the layout leaves room for them.
    figure.suptitle("\n".join([title, *(" " for _ in lines)]), x=0.015, ha="left", fontweight="bold", fontsize=13)
    top = 1 - 0.36 / figure.get_figheight()
    figure.text(0.015, top, "\n".join(lines), fontsize=10, color=INK, va="top", linespacing=1.35)
    figure.supxlabel("\n".join(textwrap.wrap(caption, width)), x=0.015, ha="left", fontsize=SMALLEST, color=INK)
    if simulated:
        figure.text(0.5, 0.5, "SIMULATED", fontsize=44, color="red", alpha=0.15, rotation=25, ha="center", va="center")


def ratio_words(ratio: float, lower: float, upper: float) -> str:
    """Write a hazard ratio with its interval, ``1.42 (1.10 to 1.84)``; *not estimable* where there is none."""
    if not np.isfinite(ratio):
        return "not estimable"
    return f"{ratio:.2f} ({lower:.2f} to {upper:.2f})" if np.isfinite(lower) else f"{ratio:.2f}"


def p_words(p: float) -> str:
    """Write a p-value, ``p = 0.018`` or ``p < 0.001``; *p not assessed* where there is none."""
    if not np.isfinite(p):
        return "p not assessed"
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.2f}" if p >= 0.0995 else f"p = {p:.3f}"
