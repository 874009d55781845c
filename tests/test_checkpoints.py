"""What is kept of an interrupted training: all that was finished, to the bit, and nothing that was not."""

from __future__ import annotations

import json
import math
import os
import pickle
import signal
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.checkpoints import Checkpoints, as_text, from_text

KEPT = [{"number": 0, "note": "é\n"}, [1, 2.5, None], "text", {"number": 3, "score": -0.1}]


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "kept")


def written(checkpoints, contents=KEPT, name="study"):
    for content in contents:
        checkpoints.append(name, content)
    return checkpoints.folder / f"{name}.jsonl"


def test_lines_are_read_back_in_order(checkpoints):
    written(checkpoints)
    assert Checkpoints(checkpoints.folder).lines("study") == KEPT
    assert checkpoints.lines("another") == []


def test_lines_are_replaced_all_at_once(checkpoints):
    path = written(checkpoints)
    checkpoints.replace("study", KEPT[2:])
    assert checkpoints.lines("study") == KEPT[2:]
    checkpoints.append("study", "more")
    assert checkpoints.lines("study") == [*KEPT[2:], "more"]
    checkpoints.replace("study", [])
    assert checkpoints.lines("study") == []
    assert list(checkpoints.folder.iterdir()) == [path]
    Checkpoints().replace("study", KEPT)


def test_a_file_cut_off_at_any_byte_holds_its_whole_lines_and_goes_on_from_there(checkpoints, tmp_path):
    content = written(checkpoints).read_bytes()
    ends = [position + 1 for position, byte in enumerate(content) if byte == ord("\n")]
    for cut in range(len(content) + 1):
        torn = Checkpoints(tmp_path / f"cut_{cut}")
        torn.folder.mkdir()
        (torn.folder / "study.jsonl").write_bytes(content[:cut])
        whole = sum(end <= cut for end in ends)
        assert torn.lines("study") == KEPT[:whole]
        torn.append("study", KEPT[whole] if whole < len(KEPT) else "one more")
        assert torn.lines("study") == [*KEPT, "one more"][: whole + 1]
        for content_after in KEPT[whole + 1 :]:
            torn.append("study", content_after)
        if whole < len(KEPT):
            assert (torn.folder / "study.jsonl").read_bytes() == content


WRITER = """
import sys
import numpy as np
from pathlib import Path
from training.checkpoints import Checkpoints
kept, number = Checkpoints(Path(sys.argv[1])), 0
while True:
    kept.append("study", {"number": number, "padding": "x" * 5000})
    kept.keep("fold", {"all": np.full(50_000, float(number)), "number": np.array(number)})
    number += 1
"""


@pytest.mark.parametrize("delay", [0.0, 0.007, 0.031])
def test_a_process_that_is_killed_leaves_whole_lines_and_whole_arrays(checkpoints, delay):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(checkpoints.folder)], env=environment)
    try:
        deadline = time.monotonic() + 60
        while checkpoints.arrays("fold") is None:
            assert writer.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(delay)
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    numbers = [line["number"] for line in checkpoints.lines("study")]
    assert numbers == list(range(len(numbers)))
    fold = checkpoints.arrays("fold")
    # A line is written before the array of the same number.
    assert len(numbers) - 2 <= int(fold["number"]) < len(numbers)
    assert (fold["all"] == float(fold["number"])).all()
    checkpoints.append("study", {"number": len(numbers)})
    assert [line["number"] for line in checkpoints.lines("study")] == list(range(len(numbers) + 1))


def test_arrays_are_read_back_to_the_bit(checkpoints):
    kept = {
        "a/b": np.array([[0.1, -0.0], [np.nan, np.inf]]),
        "whole": np.array([1, 2**62]),
        "about": np.array(json.dumps({"auto": [{"boosted": 0.1}]})),
        "empty": np.zeros((0, 3)),
    }
    checkpoints.keep("fold", kept)
    read = Checkpoints(checkpoints.folder).arrays("fold")
    assert set(read) == set(kept)
    for name, values in kept.items():
        assert read[name].dtype == values.dtype
        assert read[name].shape == values.shape
        assert read[name].tobytes() == values.tobytes()


def test_arrays_that_were_kept_before_are_put_out_whole(checkpoints):
    checkpoints.keep("fold", {"first": np.arange(1000.0)})
    checkpoints.keep("fold", {"second": np.arange(3.0)})
    assert set(checkpoints.arrays("fold")) == {"second"}
    assert [path.name for path in checkpoints.folder.iterdir()] == ["fold.npz"]


def test_arrays_that_were_not_finished_are_not_found(checkpoints):
    class Unfinished:
        def __array__(self, dtype=None, copy=None):
            raise KeyboardInterrupt  # at a moment that can be chosen

    with pytest.raises(KeyboardInterrupt):
        checkpoints.keep("fold", {"first": np.arange(10_000.0), "second": Unfinished()})
    assert checkpoints.arrays("fold") is None
    checkpoints.keep("fold", {"first": np.arange(3.0)})
    np.testing.assert_array_equal(checkpoints.arrays("fold")["first"], np.arange(3.0))


def test_arrays_that_hold_objects_are_never_unpickled(checkpoints):
    checkpoints.folder.mkdir()
    np.savez(checkpoints.folder / "fold.npz", objects=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        checkpoints.arrays("fold")


@given(arrays(np.float64, st.integers(0, 40), elements=st.floats(width=64)))
def test_numbers_survive_as_text_to_the_bit(values):
    text = json.loads(json.dumps(as_text(values)))
    assert from_text(text).tobytes() == values.tobytes()


def test_every_kind_of_number_survives_as_text():
    payload = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_BEEF))[0]
    values = np.array([0.0, -0.0, 5e-324, -np.inf, np.nan, payload, 0.1 + 0.2])
    assert from_text(as_text(values)).tobytes() == values.tobytes()
    assert from_text(as_text(values[::-2])).tobytes() == values[::-2].tobytes()
    from_text(as_text(values))[0] = 1.0  # not a view of a read-only buffer


@given(st.floats(allow_nan=False))
def test_a_number_in_a_line_is_read_back_to_the_bit(tmp_path_factory, value):
    kept = Checkpoints(tmp_path_factory.mktemp("kept"))
    kept.append("study", {"scores": [value]})
    assert struct.pack("<d", kept.lines("study")[0]["scores"][0]) == struct.pack("<d", value)


def test_numbers_are_kept_by_key(checkpoints):
    assert checkpoints.get("set 3") is None
    checkpoints.put("set 3", 0.1 + 0.2)
    checkpoints.put("set 4", -math.inf)
    for each in (checkpoints, Checkpoints(checkpoints.folder), pickle.loads(pickle.dumps(checkpoints))):
        assert (each.get("set 3"), each.get("set 4"), each.get("set 5")) == (0.1 + 0.2, -math.inf, None)


def test_a_number_whose_line_was_torn_is_not_found(checkpoints):
    checkpoints.put("set 3", 1.0)
    checkpoints.put("set 4", 2.0)
    path = checkpoints.folder / "numbers.jsonl"
    path.write_bytes(path.read_bytes()[:-4])
    again = Checkpoints(checkpoints.folder)
    assert (again.get("set 3"), again.get("set 4")) == (1.0, None)
    again.put("set 4", 2.0)
    assert Checkpoints(checkpoints.folder).get("set 4") == 2.0


def test_parts_have_folders_of_their_own(checkpoints):
    first, second = checkpoints.within("0_1_clinical"), checkpoints.within("0_2_clinical")
    first.append("study", 1)
    assert second.lines("study") == checkpoints.lines("study") == []
    assert checkpoints.within("0_1_clinical").lines("study") == [1]


def test_without_a_folder_nothing_is_kept_and_nothing_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for nowhere in (Checkpoints(), Checkpoints().within("part")):
        nowhere.append("study", 1)
        nowhere.keep("fold", {"a": np.arange(3.0)})
        nowhere.put("set 3", 1.0)
        assert nowhere.lines("study") == []
        assert nowhere.arrays("fold") is None
        assert nowhere.folder is None
        assert Checkpoints().get("set 3") is None
    assert list(tmp_path.iterdir()) == []
