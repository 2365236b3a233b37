"""Any bytes in a sheet, CSV or clinical table: a value, or the reader's own error in one line."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest

from helpers.mutations import Reader
from histohet.agreement.counts import read_gene_counts
from histohet.agreement.pathologist import read_counts
from histohet.agreement.settings import SpotColumns
from histohet.agreement.spots import read_spots
from histohet.agreement.truth import read_truth
from histohet.clinical.formats import ClinicalError, clinical_sources
from histohet.clinical.join import read_clinical
from histohet.clinical.settings import Covariate
from histohet.common.sheets import SheetError
from histohet.measures.traits import read_trait_map
from histohet.slides.sheet import SLIDE_ID, read_slide_sheet
from histohet.tumour.attention import read_attention

TOKENS = (
    *(b"\t", b",", b";", b"\n", b"\r", b"\r\n", b'"', b'""', b"'", b"\0", b"\\", b" ", b"\x0b"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xc3\xa4", b"\xe2\x80\xa8", b"\xed\xa0\x80"),
    *(b"1e999", b"-1e308", b"nan", b"inf", b"1_0", b"0x10", b"9" * 30, b"1,5", b"-0", b".", b"+"),
    *("١٢".encode(), b"True", b"NA", b"[Not Available]", b"../", b"$(rm)", b"=1+1"),
)
OS = {"time": "OS", "unit": "months", "event": "E", "events": [1], "censored": [0]}


def sheet(path: Path) -> None:
    found = read_slide_sheet(path)
    assert found.slides
    for slide, row in found.slides.items():
        assert row.slide == slide
        assert row.patient
        assert SLIDE_ID.fullmatch(slide)
        assert path.parent / slide / "x" == (path.parent / slide / "x").resolve()


def attention(path: Path) -> None:
    xy, values = read_attention(path)
    assert xy.shape == (len(values), 2)
    assert np.isfinite(values).all()


def traits(path: Path) -> None:
    found = read_trait_map(path)
    assert found.votes.shape == (len(found.coords), len(found.names))
    assert found.names


def truth(path: Path) -> None:
    found = read_truth(path)
    assert len(found.coords) == len(found.subclones)


def spots(path: Path) -> None:
    found = read_spots(path, SpotColumns(label="cluster"))
    assert np.isfinite(found.centres).all()
    assert len(found.centres) == len(found.labels)


def gene_counts(path: Path) -> None:
    found = read_gene_counts(path, ["B"])
    assert found.counts.shape == (len(found.names), 1)
    assert ((found.of("B") >= 0) & (found.of("B") <= found.totals)).all()


def counts(path: Path) -> None:
    found = read_counts(path, "slide", "n")
    assert (found >= 0).all()
    assert found.index.is_unique


def clinical(path: Path) -> None:
    table = {"table": str(path), "patient": "id", "endpoints": {"OS": OS}}
    covariates = [
        Covariate(column="age", kind="numeric", name="age"),
        Covariate(column="N", kind="categorical", name="N", reference="N0"),
    ]
    found = read_clinical(clinical_sources([table]), [{"site": ["x"]}], covariates)
    months = found.frame["OS_months"].dropna()
    assert ((months >= 0) & (months < math.inf)).all()
    assert set(found.where({}).index) == set(found.frame["patient"])
    assert found.where({}).index.is_unique


def gdc(path: Path) -> None:
    read_clinical(clinical_sources([{"table": str(path), "format": "gdc"}]))


SPOTS = b"spot,x,y,cluster\na,10.5,20,T1\nb,-1,0,NA\nc,5,7,\n"


READERS = {
    "slide sheet": Reader(
        sheet,
        SheetError,
        "table.tsv",
        (
            b"slide\tpatient\tpath\tmpp\nS1\tp1\ta.svs\t0.5\nS2\t\tb b.svs\t\n",
            b'slide\tpath\tmask\tfeatures\n"S1"\t"my ""a"".svs"\tm.tif\t\n\nS2\t\t\tf.h5\n',
        ),
    ),
    "attention": Reader(
        attention,
        ValueError,
        "table.csv",
        (b"x_coord,y_coord,attention_value\n0,512,0.5\n1024,512,-1e-3\n",),
    ),
    "traits": Reader(traits, ValueError, "table.tsv", (b"x\ty\tA\tB\n0\t0\t1\t0\n256\t0\t0\t1\n",)),
    "truth": Reader(truth, ValueError, "table.tsv", (b"x\ty\tsubclone\n0\t0\t1\n256\t0\t2\n",)),
    "spots": Reader(spots, ValueError, "table.csv", (SPOTS,)),
    "compressed spots": Reader(spots, ValueError, "table.tsv.gz", (gzip.compress(SPOTS, mtime=0),)),
    "gene counts": Reader(
        gene_counts, SheetError, "table.tsv", (b"\tA\tB\ns1\t3\t0\ns2\t1e2\t4.0\n",)
    ),
    "counts": Reader(counts, ValueError, "table.tsv", (b"slide\tn\nS1\t3\nS2\tNA\nS3\t2.5\n",)),
    "clinical table": Reader(
        clinical,
        ClinicalError,
        "table.tsv",
        (
            b"id\tOS\tE\tage\tN\tsite\na\t10\t1\t60\tN0\tx\nb\t12.5\t0\t71\tN1\ty\n",
            b"id\tOS\tE\tage\tN\tsite\n" + b"a\t10\t1\tNA\tNX\tx\na\t11\t0\t71\tN1\ty\n" * 3,
        ),
    ),
    "clinical table of the GDC": Reader(
        gdc,
        ClinicalError,
        "table.txt",
        (
            b"bcr_patient_barcode\tvital_status\tlast_contact_days_to\tdeath_days_to\n" * 3
            + b"a\tAlive\t304\t[Not Applicable]\nb\tDead\t\t608\n",
        ),
    ),
}


@pytest.mark.parametrize("name", READERS)
def test_any_bytes_give_a_table_or_one_message(name: str, tmp_path: Path) -> None:
    READERS[name].check(tmp_path, TOKENS)
