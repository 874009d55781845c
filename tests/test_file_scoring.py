"""Files are scored block by block, in order, in one thread or in several."""

from __future__ import annotations

import numpy as np
import pytest

from features.profile_blocks import Block, ProfileFileError
from training.file_scoring import Asked, score_file


class Blocks:
    """The cohort's patients, five at a time; the last block may be damaged."""

    def __init__(self, cohort, *, damaged=False):
        self._cohort, self._damaged = cohort, damaged
        self.columns = tuple(cohort.expression.columns)
        self.gene_positions, self.clinical_positions = range(len(self.columns)), ()

    def blocks(self, numbers, words):
        values, ids = self._cohort.expression.to_numpy(np.float64), [str(name) for name in self._cohort.patients]
        for start in range(0, 40, 5):
            rows = np.arange(start + 1, start + 6)
            yield Block(rows, ids[start : start + 5], values[start : start + 5][:, list(numbers)], {}, {})
        if self._damaged:
            raise ProfileFileError("the file: is damaged.")


@pytest.fixture(scope="module")
def model(small_training):
    return small_training.model


def test_several_threads_give_the_answers_of_one_in_the_same_order(model, small_training):
    asked = Asked(model.scale)
    one, three = (list(score_file(model, Blocks(small_training.cohort), asked, threads=threads)) for threads in (1, 3))
    assert [block.rows.tolist() for block in three] == [list(range(i + 1, i + 6)) for i in range(0, 40, 5)]
    assert all(a.table().equals(b.table()) for a, b in zip(one, three, strict=True))


@pytest.mark.parametrize("threads", [1, 2])
def test_what_was_scored_before_a_file_turns_out_damaged_is_not_lost_silently(model, small_training, threads):
    answered = []
    with pytest.raises(ProfileFileError, match="damaged"):
        answered.extend(
            score_file(model, Blocks(small_training.cohort, damaged=True), Asked(model.scale), threads=threads)
        )
    assert len(answered) >= 8 - threads


def test_whoever_stops_early_waits_for_no_block_that_was_not_begun(model, small_training):
    blocks = score_file(model, Blocks(small_training.cohort), Asked(model.scale), threads=2)
    assert next(blocks).rows[0] == 1
    blocks.close()
    with pytest.raises(StopIteration):
        next(blocks)
