"""What the terminal shows: log lines and progress bars on stderr, tables and results on stdout."""

from __future__ import annotations

import contextlib
import logging
import math
import sys
from collections.abc import Callable, Iterator, Sequence

from tqdm import tqdm

from training.results import Estimate

type Progress = Callable[[str, int, int], None]

OUR_LOGGERS = ("features", "training", "serving", "experiments")


class _AroundBars(logging.Handler):
    """Write log lines to stderr without breaking a progress bar in two."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


def show_log_lines() -> None:
    """Send this project's log lines, one per stage, to stderr."""
    handler = _AroundBars()
    handler.setFormatter(logging.Formatter("%(message)s"))
    for name in OUR_LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.handlers = [handler]


@contextlib.contextmanager
def progress_bars() -> Iterator[Progress]:
    """Yield what reports progress: a bar per stage on stderr, and nothing where stderr is no terminal."""
    bars: dict[str, tqdm[None]] = {}

    def progress(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            bars[stage] = tqdm(total=total, desc=stage, disable=None, leave=False, file=sys.stderr)
        bars[stage].update(done - bars[stage].n)

    try:
        yield progress
    finally:
        for bar in bars.values():
            bar.close()


def with_interval(estimate: Estimate) -> str:
    """Write a figure with its interval, ``0.751 (0.702 to 0.799)``."""
    if math.isnan(estimate.lower):
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.lower:.3f} to {estimate.upper:.3f})"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align rows under their header, two spaces between columns."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (header, *rows))
    return "\n".join(line.rstrip() for line in lines)
