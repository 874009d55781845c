"""GCT folders: both versions as GSEA and the Connectivity Map document and write them, with every quirk of theirs.

Layouts: GSEA's page on data formats (1.2); GTEx's gene_tpm.gct (Ensembl ids with versions, symbols as descriptions);
files that cmapPy is tested on (lines filled up with tabs, -666 where nothing is known, ids with colons; 1.3).
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from features.cohort import Cohort
from features.errors import CohortError, ScaleError
from features.readers import read_cohort

SETTINGS = 'cancer_type = "KIRC"\nscale = "log2_tpm_1"\n'
PROBES = """#1.2\t\t\t\t
4\t3\t\t\t
Name\tDescription\tp1\tp2\tp3
212063_at\tCD44\t2.5\t2.0\t1.0
202637_s_at\tICAM1\t0.5\t1.5\t3.0
209687_at\tSDF1\t1.0\t2.0\t4.0
AFFX-BioB-3_at\tna\t9.0\t8.0\t7.0
"""
GTEX = """#1.2
3\t3
Name\tDescription\tp1\tp2\tp3
ENSG00000026508.18\tCD44\t2.5\t2.0\t1.0
ENSG00000090339.9\tICAM1\t0.5\t1.5\t3.0
ENSG00000223972.5\tDDX11L1\t0.1\t0.2\t0.4
"""
CLINICAL = "id\tOS_STATUS\tOS_DAYS\tage\np1\t1\t100\t50\np2\t0\t2000\t60\np3\t1\t300\t\n"
METADATA = """#1.3
2\t4\t2\t6
id\tpr_gene_symbol\tpr_gene_id\ts:1\ts:2\ts:3\ts:4
patient_id\t-666\t-666\tp1\tp1\tp2\tp3
sample_type\t\t\tPrimary\tMetastatic\tPrimary\tNormal tissue
OS_STATUS\t-666\t-666\t1:DECEASED\t1:DECEASED\t0:LIVING\t0:LIVING
OS_MONTHS\t-666\t-666\t10\t10\t20\t30
age\t-666\t-666\t50\t50\t-666\t70
grade\t-666\t-666\tG2\tG3\tG1\tG1
row:1\tCD44\t960\t2.5\t7.5\t2.0\t9.0
row:2\tICAM1\t3383\t0.5\t7.5\t1.5\t-666
"""


def folder_of(folder: Path, gct: str, clinical: str | None = CLINICAL, settings: str = SETTINGS) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "cohort.toml").write_text(settings)
    (folder / "expression.gct").write_bytes(gct.encode())
    if clinical is not None:
        (folder / "clinical.tsv").write_text(clinical)
    return folder


def read(folder: Path, **declared: object) -> Cohort:
    return read_cohort(folder, endpoint="OS", **declared)  # type: ignore[arg-type]


def told(cohort: Cohort) -> list[str]:
    return [str(entry) for entry in cohort.ledger.entries]


def test_probes_with_symbols_beside_them_are_read_by_the_symbols(tmp_path: Path):
    cohort = read(folder_of(tmp_path / "cohort", PROBES))
    assert (cohort.source, cohort.cancer_type, cohort.scale) == ("GCT folder cohort", "KIRC", "log2_tpm_1")
    assert cohort.expression.to_dict("list") == {"CD44": [2.5, 2, 1], "CXCL12": [1, 2, 4], "ICAM1": [0.5, 1.5, 3]}
    assert cohort.time.tolist() == [100, 2000, 300]
    assert cohort.event.tolist() == [True, False, True]
    assert cohort.clinical["age"].fillna(-1).tolist() == [50, 60, -1]
    assert (
        "mapped 3: genes are named by column Description (no other names more: 3 genes of the panel; Name: 0)"
        in told(cohort)
    )
    assert "dropped 1: rows without any gene identifier" in told(cohort)


def test_versioned_ensembl_ids_with_symbols_beside_them_are_read_by_the_ids(tmp_path: Path):
    cohort = read(folder_of(tmp_path / "cohort", GTEX))
    assert list(cohort.expression.columns) == ["CD44", "ENSG00000223972", "ICAM1"]
    assert any("genes are named by column Name (no other names more: 2 genes" in line for line in told(cohort))


def test_the_column_of_genes_can_be_stated(tmp_path: Path):
    folder = folder_of(tmp_path / "cohort", GTEX, settings=SETTINGS + 'gene_column = "Description"\n')
    cohort = read(folder)
    assert list(cohort.expression.columns) == ["CD44", "DDX11L1", "ICAM1"]
    assert any("column Description (as cohort.toml says: 2" in line for line in told(cohort))
    folder_of(folder, GTEX, settings=SETTINGS + 'gene_column = "symbol"\n')
    with pytest.raises(CohortError, match="no column 'symbol' of genes; it has Name, Description"):
        read(folder)


def test_metadata_of_samples_holds_outcomes_patients_and_kinds_of_samples(tmp_path: Path):
    cohort = read(folder_of(tmp_path / "cohort", METADATA, clinical=None))
    assert list(cohort.patients) == ["p1", "p2"]
    assert cohort.time.tolist() == [304, 609]  # 10 and 20 times 30.436875 days
    assert cohort.event.tolist() == [True, False]
    assert cohort.expression.to_dict("list") == {"CD44": [2.5, 2.0], "ICAM1": [0.5, 1.5]}
    assert cohort.clinical["age"].fillna(-1).tolist() == [50, -1]
    assert cohort.clinical["grade"].tolist() == ["G2", "G1"]
    lines = told(cohort)
    assert "dropped 1: normal or control samples (s:4)" in lines
    assert "dropped 1: further samples of a patient (kept: the primary tumour's) (s:2)" in lines
    assert "dropped 1: patients without expression (p3)" in lines
    assert "mapped 4: column patient_id of the samples read as patient" in lines
    assert "mapped 1: values of -666, which stands for missing" in lines


def test_a_table_beside_the_file_goes_before_its_metadata_which_adds_what_the_table_has_not(tmp_path: Path):
    clinical = "patient,OS_STATUS,OS_DAYS\np1,0,999\np2,1,40\n"
    folder = folder_of(tmp_path / "cohort", METADATA, clinical=None)
    (folder / "outcome.csv").write_text(clinical)
    cohort = read(folder)
    assert cohort.time.tolist() == [999, 40]
    assert cohort.event.tolist() == [False, True]
    assert cohort.clinical["grade"].tolist() == ["G2", "G1"]


def test_samples_of_one_patient_never_lend_each_other_half_an_outcome(tmp_path: Path):
    gct = METADATA.replace("\t1:DECEASED\t1:DECEASED\t", "\t1:DECEASED\t0:LIVING\t").replace("\t10\t10\t", "\t\t25\t")
    cohort = read(folder_of(tmp_path / "cohort", gct, clinical=None))
    # The first sample's status is without a time, the second's has one.
    assert (cohort.event.tolist(), cohort.time.tolist()) == ([False, False], [761, 609])
    assert any("samples have different outcomes" in line and "(p1)" in line for line in told(cohort))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n\n",
        lambda text: "".join(line + "\t\n" for line in text.splitlines()),
    ],
)
@pytest.mark.parametrize("only", [None, ["CD44", "ICAM1"]])
@pytest.mark.parametrize("packed", [False, True])
def test_line_ends_marks_and_packing_change_nothing(tmp_path: Path, change, only, packed: bool):
    for text, clinical in ((GTEX, CLINICAL), (METADATA, None)):
        folder = folder_of(tmp_path / text[1:4], change(text), clinical)
        if packed:
            (folder / "expression.gct").unlink()
            (folder / "expression.gct.gz").write_bytes(gzip.compress(change(text).encode()))
        sound = read(folder_of(tmp_path / f"sound {text[1:4]}", text, clinical), only=["CD44", "ICAM1"])
        found = read(folder, only=only)
        assert found.expression[["CD44", "ICAM1"]].equals(sound.expression)
        assert found.time.tolist() == sound.time.tolist()


@pytest.mark.parametrize("text", [PROBES, GTEX, METADATA])
def test_a_panel_only_is_what_the_whole_holds_of_it(tmp_path: Path, text: str):
    folder = folder_of(tmp_path / "cohort", text, None if text is METADATA else CLINICAL)
    whole, part = read(folder), read(folder, only=["ICAM1"])
    assert part.expression.equals(whole.expression[["ICAM1"]])
    n_others = sum(entry.count for entry in part.ledger.entries if "not asked for" in entry.what)
    assert n_others == len(text.splitlines()) - (9 if text is METADATA else 3) - 1


def test_the_scale_is_never_guessed(tmp_path: Path):
    folder = folder_of(tmp_path / "cohort", GTEX, settings='cancer_type = "KIRC"\n')
    with pytest.raises(ScaleError, match="declare one of log2_tpm_1"):
        read(folder)
    assert read(folder, scale="log2_rsem_1").scale == "log2_rsem_1"


def test_the_cancer_type_is_in_a_name_or_asked_for(tmp_path: Path):
    folder = folder_of(tmp_path / "cohort", GTEX, settings='scale = "log2_tpm_1"\n')
    with pytest.raises(CohortError, match=r"write cancer_type in cohort\.toml"):
        read(folder)
    (folder / "expression.gct").rename(folder / "KIRC.gct")
    cohort = read(folder)
    assert cohort.cancer_type == "KIRC"
    assert "guessed 1: cancer type, from the name of the files (KIRC)" in told(cohort)


def test_of_two_files_one_has_to_be_named(tmp_path: Path):
    folder = folder_of(tmp_path / "cohort", GTEX)
    (folder / "other.gct").write_text(PROBES)
    with pytest.raises(CohortError, match=r"has 2 GCT files \(expression.gct, other.gct\); name one in cohort\.toml"):
        read(folder)
    assert "CXCL12" in read(folder, profile="other.gct").expression


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("#1.2\n", "#1.4\n", r"expression\.gct: begins with '#1\.4'"),
        ("#1.2\n", "", r"begins with '3', but a GCT file|begins with '3\\t3'"),
        ("3\t3\n", "3\n", "second line must state 2 sizes"),
        ("3\t3\n", "three\t3\n", "second line must state 2 sizes"),
        ("3\t3\n", "0\t3\n", "needs some of both"),
        ("3\t3\n", "4\t3\n", "states 4 rows in its second line, but has 3: it was cut short"),
        ("3\t3\n", "3\t2\n", "states 2 samples in its second line, but has 3"),
        ("3\t3\n", "3\t4\n", "states 4 samples in its second line, but has 3"),
        ("\t0.1\t0.2\t0.4", "", "fewer fields than the header"),
        ("\t0.1\t0.2\t0.4", "\tlow\t0.2\t0.4", r"column 'p1' holds 1 words \(first: 'low'\)"),
        ("\tp1\tp2\tp3", "\tq1\tq2\tq3", "use the same ids in both"),
        (GTEX[5:], "", "ends before its size"),
        (GTEX, "", "ends before its version"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, old: str, new: str, message: str):
    assert old in GTEX
    with pytest.raises(CohortError, match=message):
        read(folder_of(tmp_path / "cohort", GTEX.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2\t4\t2\t6", "2\t4\t2", "second line must state 4 sizes"),
        ("2\t4\t2\t6", "2\t4\t2\t7", "holds 1 words|fields|states"),
        ("2\t4\t2\t6", "2\t4\t2\t5", "states 2 rows in its second line, but has 3|words"),
        ("2\t4\t2\t6", "2\t4\t3\t6", "states 4 samples in its second line, but has 3"),
        (
            "OS_MONTHS\t-666\t-666\t10\t10\t20\t30",
            "OS_MONTHS\t-666\t-666\t10",
            "metadata 'OS_MONTHS' has 1 values for 4 samples",
        ),
        ("OS_MONTHS", "OS_STATUS", "metadata 'OS_STATUS' occurs twice"),
        ("OS_MONTHS", "months", r"has no outcome .* add clinical\.tsv"),
    ],
)
def test_what_is_wrong_with_metadata_is_said(tmp_path: Path, old: str, new: str, message: str):
    assert old in METADATA
    with pytest.raises(CohortError, match=message):
        read(folder_of(tmp_path / "cohort", METADATA.replace(old, new, 1), clinical=None))
