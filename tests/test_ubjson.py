"""Boosters are read from xgboost's own files without xgboost."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from training.ubjson import read_ubjson


def fitted(objective: str) -> xgboost.Booster:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 5))
    rows = xgboost.DMatrix(X, label=np.exp(X[:, 0] + rng.normal(size=60)))
    return xgboost.train({"objective": objective, "max_depth": 3, "seed": 1, "nthread": 1}, rows, num_boost_round=7)


def same(ours: object, theirs: object) -> bool:
    """Compare with what xgboost writes as JSON, in which a single-precision number is its shortest decimal."""
    if isinstance(ours, np.ndarray):
        if ours.dtype == np.float32:
            return np.array_equal(ours, np.array(theirs, dtype=np.float32))
        return np.array_equal(ours, np.array(theirs, dtype=ours.dtype))
    if isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[name], theirs[name]) for name in theirs)
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return type(ours) is type(theirs) and ours == theirs


@pytest.mark.parametrize("objective", ["survival:cox", "reg:squarederror"])
def test_a_booster_is_read_as_xgboost_itself_writes_it_as_json(objective: str):
    booster = fitted(objective)
    ours = read_ubjson(bytes(booster.save_raw("ubj")))
    assert len(ours["learner"]["gradient_booster"]["model"]["trees"]) == 7
    assert same(ours, json.loads(bytes(booster.save_raw("json"))))


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"Z", None),
        (b"T", True),
        (b"F", False),
        (b"i\xff", -1),
        (b"U\xff", 255),
        (b"I\xff\xfe", -2),
        (b"l\x00\x00\x01\x00", 256),
        (b"L" + struct.pack(">q", -(2**40)), -(2**40)),
        (b"d" + struct.pack(">f", 0.5), 0.5),
        (b"D" + struct.pack(">d", 0.1), 0.1),
        (b"SU\x03\xe2\x82\xac", "€"),
        (b"[]", []),
        (b"[U\x01T[]]", [1, True, []]),
        (b"[#U\x02U\x01Z", [1, None]),
        (b"{}", {}),
        (b"{U\x01aU\x01U\x01b{U\x01cF}}", {"a": 1, "b": {"c": False}}),
    ],
)
def test_each_kind_of_value_by_hand(content: bytes, value: object):
    found = read_ubjson(content)
    assert found == value
    assert type(found) is type(value)


def test_a_list_of_numbers_of_one_type_is_an_array():
    found = read_ubjson(b"[$I#U\x03\x00\x01\xff\xff\x7f\xff")
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found, [1, -1, 32767])


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "ends early"),
        (b"l\x00\x00", "ends early"),
        (b"{U\x01a", "ends early"),
        (b"[$l#U\x7f\x00", "ends early"),
        (b"ZZ", "1 bytes follow"),
        (b"no trees", "begins no UBJSON value"),
        (b"[$lU\x01", "without a length"),
        (b"[$S#U\x01", "no type of number"),
        (b"[#d\x00\x00\x00\x00", "begins no length"),
        (b"Si\xff", "length at byte 3 is -1"),
        (b"SU\x01\xff", "utf-8"),
        (b"[" * 10_000, "too deep"),
    ],
)
def test_what_is_no_ubjson_is_refused(content: bytes, rule: str):
    with pytest.raises(ValueError, match=rule):
        read_ubjson(content)


CONTENT = bytes(fitted("survival:cox").save_raw("ubj"))


@given(st.integers(0, len(CONTENT) - 1), st.integers(0, 255))
def test_a_damaged_booster_is_another_value_or_a_value_error(place: int, byte: int):
    damaged = CONTENT[:place] + bytes([byte]) + CONTENT[place + 1 :]
    try:
        found = read_ubjson(damaged)
    except ValueError:
        return
    assert isinstance(found, dict)


@given(st.integers(0, len(CONTENT) - 1))
def test_a_booster_that_was_cut_off_is_refused(length: int):
    with pytest.raises(ValueError, match="UBJSON"):
        read_ubjson(CONTENT[:length])
