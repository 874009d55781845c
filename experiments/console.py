"""What runs along on the terminal: log lines and progress bars, both on stderr."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator

from tqdm import tqdm

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
