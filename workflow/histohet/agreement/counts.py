"""Counts of genes at spots of spatial transcriptomics, and where those spots lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from histohet.agreement.settings import SpotPlaces
from histohet.agreement.spots import read_positions
from histohet.common.anndata import Texts
from histohet.common.arrays import Floats, Ints
from histohet.common.settings import did_you_mean, quoted
from histohet.common.sheets import (
    SheetError,
    number_of,
    one_line,
    open_lines,
    other_separator,
)

LARGEST_COUNT = 1e9
"""A larger number is no count of molecules at a spot."""

COUNTS_PER_SPOT = 1e4
"""What the counts of a spot are brought to before their logarithm is taken (Scanpy's, Seurat's)."""

N_SHOWN = 3


@dataclass(frozen=True, eq=False)
class GeneCounts:
    """Counts of some genes at spots.

    Attributes
    ----------
    names
        Ids of the spots, str (N,), each once.
    genes
        Names of G genes.
    counts
        int64 (N, G).
    totals
        int64 (N,): counts of a spot over all genes of the table, its sequencing depth.
    """

    names: Texts
    genes: tuple[str, ...]
    counts: Ints
    totals: Ints

    def of(self, gene: str) -> Ints:
        """Return the counts (N,) of a gene.

        Raises
        ------
        ValueError
            If it is none of `genes`.
        """
        if gene not in self.genes:
            raise ValueError(f"gene '{gene}' was not read; there are {quoted(self.genes)}")
        counts: Ints = self.counts[:, self.genes.index(gene)]
        return counts


@dataclass(frozen=True, eq=False)
class MeasuredSpots:
    """Spots with a position and with counts.

    Attributes
    ----------
    centres
        float64 (N, 2), level-0 px.
    counts
        Of these N spots in the same order; every total is above 0.
    n_spots, n_without_counts, n_without_position
        Spots with a position; those of them without any count; those without a position.
    """

    centres: Floats
    counts: GeneCounts
    n_spots: int
    n_without_counts: int
    n_without_position: int


def read_measured_spots(
    path: str | Path, columns: SpotPlaces, counts_path: str | Path, genes: Sequence[str]
) -> MeasuredSpots:
    """Read positions (see `read_positions`) and counts of some genes (see `read_gene_counts`).

    Raises
    ------
    ValueError
        If either cannot be read, or no spot has both; names the files.
    """
    names, centres = read_positions(path, columns)
    counts = read_gene_counts(counts_path, genes)
    try:
        return at_positions(names, centres, counts)
    except ValueError as error:
        raise ValueError(f"{path} and {counts_path}: {error}") from error


def read_gene_counts(path: str | Path, genes: Sequence[str]) -> GeneCounts:
    """Read the counts of some genes, and the total of all.

    The table is read line by line: that of a section may have a hundred million cells.

    Parameters
    ----------
    path
        Table (tab-separated for ``.tsv`` and ``.txt``, else comma-separated, also gzipped) with one
        row per spot: its id, and in further columns, called by the genes, counts as they were
        sequenced.
    genes
        Columns that are wanted; the same may be named twice.

    Raises
    ------
    SheetError
        If a gene is missing or its column comes twice, a spot comes twice, or a cell is not a whole
        number of 0 or above; names file and row.
    """
    wanted = tuple(dict.fromkeys(genes))
    rows_of: dict[str, int] = {}
    kept, totals = [], []
    with open_lines(path) as lines:
        header = [one_line(name) for name in next(lines, (0, []))[1]]
        if not header:
            raise SheetError(f"{path} is empty")
        places = [_place(path, gene, header) for gene in wanted]
        for number, cells in lines:
            if len(cells) != len(header):
                raise SheetError(
                    f"{path}, row {number}: {len(cells)} cells, but {len(header)} in the header"
                )
            name = one_line(cells[0])
            if name in rows_of:
                raise SheetError(
                    f"{path}, row {number}: spot '{name}' stands in row {rows_of[name]}"
                )
            rows_of[name] = number
            values = _counts_of(cells[1:], header[1:], f"{path}, row {number}")
            kept.append(values[places])
            totals.append(values.sum())
    return GeneCounts(
        np.array(list(rows_of), np.str_),
        wanted,
        np.array(kept, np.int64).reshape(-1, len(wanted)),
        np.array(totals, np.int64),
    )


def _place(path: str | Path, gene: str, header: Sequence[str]) -> int:
    """Return the place of a gene among the counts of a row."""
    names = list(header[1:])
    if names.count(gene) == 1:
        return names.index(gene)
    if gene in names:
        raise SheetError(f"{path}: column '{gene}' comes twice")
    there = (
        other_separator(header)
        or did_you_mean(gene, names).removeprefix("; ")
        or f"its {len(names)} other columns begin with {quoted(names[:N_SHOWN])}: there must be "
        "one row per spot and one column per gene"
    )
    raise SheetError(f"{path} has no column for the gene '{gene}'; {there}")


def _counts_of(cells: Sequence[str], header: Sequence[str], where: str) -> Ints:
    """Return the counts of a row, int64 (G,)."""
    text = "".join(cells)
    # Python, and NumPy, also take 1_000 and digits of other scripts for numbers.
    if text.isascii() and "_" not in text:
        try:
            values = np.array(cells, np.float64)
        except ValueError:
            values = np.full(len(cells), np.nan)
        if ((values >= 0) & (values <= LARGEST_COUNT) & (values == np.floor(values))).all():
            return values.astype(np.int64)
    named = zip(header, cells, strict=True)
    return np.array([_count(cell, f"{where}: {gene} is '{cell}'") for gene, cell in named])


def _count(cell: str, what: str) -> int:
    try:
        value = number_of(cell)
    except ValueError as error:
        raise SheetError(f"{what}, {error}: counts are whole numbers of 0 or above") from error
    if not 0 <= value <= LARGEST_COUNT or not value.is_integer():
        raise SheetError(
            f"{what}, not a count: whole numbers of 0 or above are needed, as they were sequenced, "
            "not normalised ones"
        )
    return int(value)


def at_positions(names: Texts, centres: Floats, counts: GeneCounts) -> MeasuredSpots:
    """Join positions and counts by the ids of spots, in the order of the positions.

    Parameters
    ----------
    names, centres
        Ids, str (N,), each once, and float64 (N, 2) in level-0 px.
    counts
        Of spots in any order, of which some may have no position.

    Raises
    ------
    ValueError
        If no spot has both.
    """
    row_of = {name: row for row, name in enumerate(counts.names.tolist())}
    rows = np.array([row_of.get(name, -1) for name in names.tolist()], np.int64)
    joined = rows >= 0
    if not joined.any():
        ours, theirs = (quoted(some[:N_SHOWN].tolist()) for some in (names, counts.names))
        raise ValueError(
            f"no spot has both a position and counts: positions are of {ours or 'none'}, counts of "
            f"{theirs or 'none'}; is 'spot' the column with the same ids?"
        )
    joined[joined] = counts.totals[rows[joined]] > 0
    found = rows[joined]
    return MeasuredSpots(
        centres[joined],
        GeneCounts(names[joined], counts.genes, counts.counts[found], counts.totals[found]),
        n_spots=len(names),
        n_without_counts=int((~joined).sum()),
        n_without_position=int((~np.isin(counts.names, names)).sum()),
    )


def normalised(counts: Ints, totals: Ints) -> Floats:
    """Return the logarithm of counts per ten thousand: ln(1 + 10,000 count / total).

    Ranks of it are those of the gene's share of its spot.

    Parameters
    ----------
    counts, totals
        int64 (N,) each, totals above 0.
    """
    values: Floats = np.log1p(COUNTS_PER_SPOT * counts / totals)
    return values
