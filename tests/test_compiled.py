"""Compiled functions: what their machine code is kept under, and that it is never another state's."""

from __future__ import annotations

import ast
import fcntl
import threading
from pathlib import Path

import numpy as np
from numba.core import config

from training.compiled import PACKAGE, cache_folder, compiled, defining_sources, digest
from training.scan.cox_kernel import fit_blocks


@compiled
def twice(x):
    return 2 * x


def decorated(tree: ast.Module) -> list[ast.FunctionDef]:
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [each for each in functions if any("compiled" in ast.unparse(one) for one in each.decorator_list)]


def test_a_constant_that_changes_in_any_kernel_gives_another_folder():
    sources = defining_sources()
    before = digest(sources)
    assert cache_folder().name.endswith(before)
    changed = sources["scan/cox_kernel.py"].replace(b"LANES = 32", b"LANES = 16")
    assert changed != sources["scan/cox_kernel.py"]
    assert digest({**sources, "scan/cox_kernel.py": changed}) != before
    assert digest({name: source for name, source in sources.items() if name != "scan/compiled_math.py"}) != before


def test_what_compiled_functions_take_from_elsewhere_comes_from_modules_of_the_digest():
    sources = defining_sources()
    assert {"scan/several_kernel.py", "scan/firth_likelihood.py", "tree_kernel.py", "univariate_cox.py"} <= set(sources)
    for name, source in sources.items():
        tree = ast.parse(source)
        used = {node.id for each in decorated(tree) for node in ast.walk(each) if isinstance(node, ast.Name)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith(("features", "training")):
                taken = used & {alias.asname or alias.name for alias in node.names} - {"compiled", "CONTRACT"}
                path = f"{node.module.removeprefix('training.').replace('.', '/')}.py"
                assert not taken or path in sources, f"{name} takes {taken} from {node.module}"


def test_nothing_is_compiled_but_by_the_one_decorator():
    root = PACKAGE.parent
    folders = [root / name for name in ("features", "training", "serving", "experiments")]
    others = [path for folder in folders for path in folder.rglob("*.py") if "njit" in path.read_text("utf-8")]
    assert others == [PACKAGE / "compiled.py"]


def test_kernels_keep_their_machine_code_in_the_folder_of_their_state():
    assert Path(fit_blocks._cache.cache_path).parent == cache_folder()


def test_folders_of_other_states_are_removed_and_a_place_that_cannot_be_written_to_is_done_without(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "kept"))
    folder = cache_folder.__wrapped__()
    assert folder.is_relative_to(tmp_path / "kept")
    older = folder.with_name("compiled-0123")
    older.mkdir()
    assert cache_folder.__wrapped__() == folder
    assert older.exists()
    folder.rmdir()
    assert cache_folder.__wrapped__() == folder
    assert not older.exists()
    (tmp_path / "file").touch()
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "file"))
    assert cache_folder.__wrapped__() is None


def test_one_process_at_a_time_writes_machine_code():
    kept = twice._cache._cache_file
    assert twice(2) == 4
    index = Path(kept._index_path)
    before = index.stat().st_mtime_ns
    with (cache_folder() / "lock").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = threading.Thread(target=twice, args=(np.float32(2),))
        kept.flush()
        flushed = index.stat().st_mtime_ns
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        assert index.stat().st_mtime_ns == flushed > before
    waiting.join(30)
    assert index.stat().st_mtime_ns > flushed


def test_machine_code_that_cannot_be_kept_is_used_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(twice._cache._cache_file, "_index_path", str(tmp_path / "gone" / "index"))
    assert twice(np.int8(3)) == 6
    assert not (tmp_path / "gone").exists()
