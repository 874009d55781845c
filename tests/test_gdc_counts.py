"""STAR-counts files: one list of genes, whole tables of numbers, and an error with the file's name for all else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gdc_folders import GENES, HEADER, counts_text, tpm

from features.errors import CohortError
from features.gdc_counts import CountsFile, read_counts


def read(folder: Path, *texts: str, column: str = "tpm_unstranded", md5: str | None = None):
    files = {}
    for number, text in enumerate(texts):
        path = folder / f"f{number}.tsv"
        path.write_bytes(text.encode())
        files[f"s{number}"] = CountsFile(path, md5)
    return read_counts(files, column=column, unit="tpm", scale="tpm")


def test_values_stand_under_their_sample_and_gene(tmp_path: Path):
    values, genes = read(tmp_path, counts_text(0), counts_text(4))
    assert list(values.columns) == ["s0", "s1"]
    # The Y copy is left out.
    np.testing.assert_array_equal(values, [[tpm(seed, gene) for seed in (0, 4)] for gene in range(len(GENES) - 1)])
    assert genes.symbols[:4].tolist() == ["CD44", "CXCR4", "ICAM1", "TSPAN6"]
    assert genes.rows.tolist() == list(range(4, 11))


def test_a_missing_value_stays_missing(tmp_path: Path):
    values, _ = read(tmp_path, counts_text(0).replace("\t1.0000\t", "\t\t"))
    assert np.isnan(values).to_numpy().ravel().tolist() == [False, True, False, False, False, False, False]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "f1.tsv: is empty"),
        ("<html><body>504 Gateway Time-out</body></html>\n", "f1.tsv: is a web page"),
        ('{"message": "file not found"}\n', "f1.tsv: is a server's message"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "f1.tsv: is a Git LFS pointer"),
        (counts_text(1)[:-5], "f1.tsv: its last line has no end"),
        ("".join(counts_text(1).splitlines(keepends=True)[:-1]), r"f1.tsv: has other genes than .*f0.tsv .11 rows"),
        ("\n".join([*counts_text(1).splitlines()[:-1], "ENSG00000182378.15_PAR_Y\tx\n"]), "Expected 9 columns, got 2"),
        (counts_text(1).replace("1.0000", "1,0000"), "f1.tsv: is not a whole table of numbers .*conversion"),
        (counts_text(1).replace("\t1.0000", "\t-1.0000"), "f1.tsv: 1 values of tpm_unstranded are negative"),
        (counts_text(1).replace("\t1.0000", "\tinf"), "f1.tsv: 1 values of tpm_unstranded are negative or infinite"),
        (counts_text(1).replace(HEADER, HEADER.replace("tpm_unstranded", "tpm")), "has 0 columns 'tpm_unstranded'"),
        (
            counts_text(1).replace(HEADER, HEADER.replace("fpkm_unstranded", "tpm_unstranded")),
            "f1.tsv: has 2 columns 'tpm_unstranded'",
        ),
        (counts_text(1, GENES[::-1]), "f1.tsv: has other genes than .*another order"),
        (counts_text(1, [("ENSG00000026508.14", "CD44"), *GENES[1:]]), "f1.tsv: has other genes"),
        (f"# gene-model: GENCODE v36\n{HEADER}\n", "f1.tsv: has other genes"),
        ("# gene-model: GENCODE v36\n", "f1.tsv: has 0 columns 'gene_id'"),
        ("\n\n", "f1.tsv: is empty"),
    ],
)
def test_a_damaged_file_is_named_with_its_reason(tmp_path: Path, text: str, words: str):
    with pytest.raises(CohortError, match=words):
        read(tmp_path, counts_text(0), text)


def test_a_file_without_genes_is_refused(tmp_path: Path):
    with pytest.raises(CohortError, match=r"f0.tsv: has no gene; download"):
        read(tmp_path, f"{HEADER}\n")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path):
    path = tmp_path / "f.tsv"
    path.write_bytes(counts_text(0).encode().replace(b"ICAM1", b"IC\xff\xfe1"))
    with pytest.raises(CohortError, match="is not a whole table"):
        read_counts({"s": CountsFile(path)}, column="tpm_unstranded", unit="tpm", scale="tpm")


def test_a_broken_archive_is_refused(tmp_path: Path):
    path = tmp_path / "f.tsv.gz"
    path.write_bytes(b"\x1f\x8b\x08\x00rest")
    with pytest.raises(CohortError, match="cannot be read"):
        read_counts({"s": CountsFile(path)}, column="tpm_unstranded", unit="tpm", scale="tpm")


def test_another_checksum_than_the_manifest_s_is_refused(tmp_path: Path):
    with pytest.raises(CohortError, match=r"f0.tsv: its MD5 is not the manifest's"):
        read(tmp_path, counts_text(0), md5="0" * 32)


def test_genes_that_no_file_has_are_asked_for_in_vain(tmp_path: Path):
    path = tmp_path / "f.tsv"
    path.write_text(counts_text(0))
    with pytest.raises(CohortError, match=r"f.tsv: has none of the 1 genes that are asked for"):
        read_counts({"s": CountsFile(path)}, column="tpm_unstranded", unit="tpm", scale="tpm", only=["TP53"])


def test_a_file_without_a_single_value_is_refused(tmp_path: Path):
    lines = [
        line if line[:4] != "ENSG" else "\t".join([*line.split("\t")[:6], "", "", ""])
        for line in counts_text(0).splitlines()
    ]
    with pytest.raises(CohortError, match=r"f0.tsv: has no gene with a value of tpm_unstranded"):
        read(tmp_path, "\n".join([*lines, ""]))
