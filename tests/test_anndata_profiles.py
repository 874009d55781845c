"""AnnData files: what AnnData's own reader finds in them, and nothing of any other file."""

from __future__ import annotations

import shutil
import zlib

import h5py
import numpy as np
import pandas as pd
import psutil
import pytest
import scipy.sparse as sp

from features import anndata_process, anndata_reader
from features.anndata_profiles import AnnDataProfiles
from features.profile_blocks import ProfileFileError

anndata = pytest.importorskip("anndata")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")

N = 9000
GENES = [f"G{j}" for j in range(12)]
SECRET = "TOKEN-LINE-SECRET"


@pytest.fixture(scope="module")
def matrix():
    rng = np.random.default_rng(3)
    return np.where(rng.random((N, len(GENES))) < 0.6, 0.0, rng.normal(size=(N, len(GENES))).round(3))


@pytest.fixture(scope="module")
def obs():
    index = [f"p{i}" for i in range(N)]
    thirds = np.arange(N) % 3
    return pd.DataFrame(
        {
            "whole": thirds,
            "age": np.where(thirds == 0, np.nan, 60.5),
            "sex": pd.Categorical(np.where(thirds == 0, None, np.where(thirds == 1, "male", "female"))),
            "grade": pd.Categorical(thirds.astype(float)),
            "alive": thirds == 1,
            "maybe": pd.array(np.where(thirds == 0, None, thirds == 1), dtype="boolean"),
            "count": pd.array(np.where(thirds == 0, None, thirds), dtype="Int64"),
            "stage": np.array(["Stage II", "III", "ä"], dtype=object)[thirds],
        },
        index=index,
    )


def parts(path, genes, words):
    file = AnnDataProfiles(path, path.name)
    blocks = list(file.blocks(genes, [file.columns.index(word) for word in words]))
    values = np.concatenate([block.numbers for block in blocks])
    found = {word: [cell for block in blocks for cell in block.words[word]] for word in words}
    return [name for block in blocks for name in block.ids], values, found


MATRICES = {
    "dense": (lambda X: X, {}),
    "dense in chunks": (lambda X: X.astype("f4"), {"compression": "gzip"}),
    "whole numbers": (lambda X: X.astype(int), {"compression": "lzf"}),
    "rows": (sp.csr_matrix, {"compression": "gzip"}),
    "columns": (sp.csc_matrix, {}),
}


@pytest.mark.parametrize("name", MATRICES)
def test_what_is_read_is_what_anndata_reads(tmp_path, matrix, obs, name):
    made, options = MATRICES[name]
    path = tmp_path / "p.h5ad"
    anndata.AnnData(X=made(matrix), obs=obs, var=pd.DataFrame(index=GENES)).write_h5ad(path, **options)
    genes, oracle = [7, 0, 11], anndata.read_h5ad(path)
    ids, values, words = parts(path, genes, obs.columns)
    assert ids == list(oracle.obs_names)
    whole = oracle.X.toarray() if sp.issparse(oracle.X) else oracle.X
    np.testing.assert_array_equal(values, whole[:, genes])
    for column in obs.columns:
        expected = [None if pd.isna(cell) else cell for cell in oracle.obs[column].astype(object)]
        assert words[column] == expected, column


def test_a_row_with_duplicated_entries_is_their_sum(tmp_path):
    path = tmp_path / "p.h5ad"
    X = sp.csr_matrix((np.array([1.0, 2.0, 4.0]), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 2))
    anndata.AnnData(X=X, obs=pd.DataFrame(index=["a", "b"]), var=pd.DataFrame(index=["G", "H"])).write_h5ad(path)
    np.testing.assert_array_equal(parts(path, [0, 1], [])[1], [[0, 3], [4, 0]])


@pytest.fixture
def sound(tmp_path, matrix, obs):
    path = tmp_path / "p.h5ad"
    few = obs.iloc[:40].assign(stage="III")
    anndata.AnnData(X=matrix[:40], obs=few, var=pd.DataFrame(index=GENES)).write_h5ad(path)
    return path


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret.txt"
    path.write_text(SECRET * 200)
    return path


def words_dataset(parent, name, n, **options):
    if name in parent:
        del parent[name]
    made = parent.create_dataset(name, shape=(n,), dtype="S16", **options)
    made.attrs["encoding-type"], made.attrs["encoding-version"] = "string-array", "0.2.0"


def external_ids(root, secret):
    words_dataset(root["obs"], "_index", 40, external=[(str(secret), 0, 640)])


def external_genes(root, secret):
    words_dataset(root["var"], "_index", 12, external=[(str(secret), 0, 192)])


def external_stage(root, secret):
    words_dataset(root["obs"], "stage", 40, external=[(str(secret), 0, 640)])


def external_categories(root, secret):
    words_dataset(root["obs/sex"], "categories", 2, external=[(str(secret), 0, 32)])


def external_matrix(root, secret):
    del root["X"]
    root.create_dataset("X", shape=(40, 12), dtype="u1", external=[(str(secret), 0, 480)])


def linked_matrix(root, secret):
    shutil.copy(root.filename, secret.with_name("other.h5ad"))
    del root["X"]
    root["X"] = h5py.ExternalLink(str(secret.with_name("other.h5ad")), "/X")


def linked_stage(root, secret):
    shutil.copy(root.filename, secret.with_name("other.h5ad"))
    del root["obs/stage"]
    root["obs/stage"] = h5py.ExternalLink(str(secret.with_name("other.h5ad")), "/obs/stage")


def linked_obs(root, secret):
    shutil.copy(root.filename, secret.with_name("other.h5ad"))
    del root["obs"]
    root["obs"] = h5py.ExternalLink(str(secret.with_name("other.h5ad")), "/obs")


def soft_stage(root, secret):
    del root["obs/stage"]
    root["obs/stage"] = h5py.SoftLink("/obs/age")


def virtual_matrix(root, secret):
    shutil.copy(root.filename, secret.with_name("other.h5ad"))
    layout = h5py.VirtualLayout(shape=(40, 12), dtype="f8")
    layout[:] = h5py.VirtualSource(str(secret.with_name("other.h5ad")), "X", shape=(40, 12))
    del root["X"]
    root.create_virtual_dataset("X", layout)


@pytest.mark.parametrize(
    "evil",
    [
        *[external_ids, external_genes, external_stage, external_categories, external_matrix],
        *[linked_matrix, linked_stage, linked_obs, soft_stage, virtual_matrix],
    ],
)
def test_nothing_of_another_file_is_read(sound, secret, evil):
    with h5py.File(sound, "r+") as root:
        evil(root, secret)
    with pytest.raises(ProfileFileError, match=r"p\.h5ad: .*(is a link|keeps its values in another file)") as caught:
        parts(sound, [0, 1], ["age", "sex", "stage"])
    assert SECRET[:5] not in str(caught.value)


def without_matrix(root):
    del root["X"]


def words_for_matrix(root):
    del root["X"]
    root.create_dataset("X", data=np.full((40, 12), b"abc"))


def truths_for_matrix(root):
    del root["X"]
    root.create_dataset("X", data=np.ones((40, 12), dtype=bool))


def another_shape(root):
    del root["X"]
    root.create_dataset("X", data=np.ones((40, 11)))


def struck_chunk(root):
    values = root["X"][()]
    del root["X"]
    made = root.create_dataset("X", data=values, chunks=(10, 12), compression="gzip")
    made.id.write_direct_chunk((0, 0), b"\xff" * 50)


def bottomless_chunk(root):
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(2**24)) for _ in range(32)) + packer.flush()
    del root["X"]
    made = root.create_dataset("X", shape=(40, 12), dtype="f8", chunks=(40, 12), compression="gzip")
    made.id.write_direct_chunk((0, 0), packed)


def large_chunks(root):
    del root["X"]
    root.create_dataset("X", shape=(40, 12), maxshape=(None, None), dtype="f8", chunks=(10_000, 1000))


def codes_of_nothing(root):
    root["obs/sex/codes"][3] = 7


def endless_words(root):
    words_dataset(root["obs"], "stage", 40)
    del root["obs/stage"]
    root["obs"].create_dataset("stage", data=["x" * 100_000] * 40, dtype=h5py.string_dtype())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without_matrix, "has no X"),
        (words_for_matrix, "its X holds values of type .S3, where numbers must stand"),
        (truths_for_matrix, "its X holds values of type bool, where numbers must stand"),
        (another_shape, r"its X has shape \(40, 11\), but there are 40 patients and 12 genes"),
        (struck_chunk, "is damaged"),
        (bottomless_chunk, "unpacks to more than it should"),
        (large_chunks, "in chunks of 80000000 bytes"),
        (codes_of_nothing, "codes of no category"),
        (endless_words, "holds words of 100000 bytes; 4096 at most are read"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(sound, change, words):
    with h5py.File(sound, "r+") as root:
        change(root)
    with pytest.raises(ProfileFileError, match=rf"p\.h5ad: .*{words}"):
        parts(sound, [0, 1], ["age", "sex", "stage"])


def test_a_small_file_of_many_genes_is_read_in_bounded_memory(tmp_path):
    # 2 GB as it states, a few kilobytes as it is.
    path, n, n_genes = tmp_path / "p.h5ad", 4096, 60_000
    with h5py.File(path, "w") as root:
        root.create_dataset("X", shape=(n, n_genes), dtype="f8", chunks=(1024, 6000), compression="gzip")
        for name, size in (("obs", n), ("var", n_genes)):
            root.create_group(name).attrs["_index"] = "_index"
            names = np.array([f"{name}{i}" for i in range(size)], dtype="S10")
            root[name].create_dataset("_index", data=names, compression="gzip")
    assert path.stat().st_size < 2**20
    ids, values, _ = parts(path, [0, 59_999], [])
    assert (len(ids), values.shape, float(np.abs(values).max())) == (n, (n, 2), 0.0)
    assert anndata_reader.MEMORY_BYTES <= 2**32


def heap_of(whole):
    """Where the file keeps the words that its arrays refer to."""
    return whole.find(b"GCOL")


def with_another_kind_of_text(whole):
    # The name of the index, stated to be neither text nor a sequence: h5py follows a pointer that leads nowhere.
    stated = b"_index\0\0\x19"
    assert stated + b"\x01" in whole
    return whole.replace(stated + b"\x01", stated + b"\xff")


def with_an_empty_heap(whole):
    # HDF5 2.0 steps from object to object by their sizes: by none, for ever.
    at = heap_of(whole) + 16
    return whole[:at] + bytes(4080) + whole[at + 4080 :]


@pytest.mark.parametrize("damaged", [with_another_kind_of_text, with_an_empty_heap])
def test_a_file_that_breaks_hdf5_is_refused_and_breaks_nothing_else(sound, monkeypatch, damaged):
    monkeypatch.setattr(anndata_process, "SECONDS_OF_ANY_FILE", 3)
    sound.write_bytes(damaged(sound.read_bytes()))
    with pytest.raises(ProfileFileError, match=r"p\.h5ad: is not an AnnData file, or is damaged"):
        parts(sound, [0, 1], [])


def test_a_reader_that_is_left_half_way_ends(sound):
    blocks = AnnDataProfiles(sound, "p.h5ad").blocks([0], [])
    next(blocks)
    blocks.close()
    assert not [child for child in psutil.Process().children() if "features.anndata_reader" in child.cmdline()]
