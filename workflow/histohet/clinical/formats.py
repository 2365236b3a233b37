"""What the columns of clinical tables mean: as configured, or as their publishers write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from histohet.clinical.endpoints import Endpoint
from histohet.clinical.tables import ClinicalError, ClinicalSource, read_header
from histohet.common.settings import check_keys, codes, quoted

_CDR_MAIN, _CDR_EXTRA = "TCGA-CDR", "ExtraEndpoints"


def _cbioportal(name: str, time: str, event: str, happened: str, censored: str) -> Endpoint:
    """Describe an endpoint by its status with and without cBioPortal's prefix (``1:DECEASED``)."""
    return Endpoint(
        name, time, time, "months", event, (f"1:{happened}", happened), (f"0:{censored}", censored)
    )


def _cdr(name: str, time: str, event: str, *competing: str) -> Endpoint:
    return Endpoint(name, time, time, "days", event, ("1",), ("0", *competing))


CBIOPORTAL = ClinicalSource(
    path="",
    patient="Patient ID",
    endpoints=(
        _cbioportal(
            "OS", "Overall Survival (Months)", "Overall Survival Status", "DECEASED", "LIVING"
        ),
        _cbioportal(
            "DSS",
            "Months of disease-specific survival",
            "Disease-specific Survival status",
            "DEAD WITH TUMOR",
            "ALIVE OR DEAD TUMOR FREE",
        ),
        _cbioportal(
            "DFS",
            "Disease Free (Months)",
            "Disease Free Status",
            "Recurred/Progressed",
            "DiseaseFree",
        ),
        _cbioportal(
            "PFS",
            "Progress Free Survival (Months)",
            "Progression Free Status",
            "PROGRESSION",
            "CENSORED",
        ),
    ),
)
"""Clinical data as cBioPortal lets it be downloaded; every study has some of these endpoints."""

TCGA_CDR = (
    ClinicalSource(
        path="",
        patient="bcr_patient_barcode",
        sheet=_CDR_MAIN,
        endpoints=(
            _cdr("OS", "OS.time", "OS"),
            _cdr("DFI", "DFI.time", "DFI"),
            _cdr("PFI", "PFI.time", "PFI"),
        ),
    ),
    ClinicalSource(
        path="",
        patient="bcr_patient_barcode",
        sheet=_CDR_EXTRA,
        endpoints=(
            # 2 is death of another cause (sheet ExtraEndpoints_Notes): censored, so that the hazard
            # is that of the disease, and DSS the same as on the main sheet.
            _cdr("DSS", "DSS.time.cr", "DSS_cr", "2"),
            _cdr("PFS", "PFS.time", "PFS"),
        ),
    ),
)
"""Supplementary table 1 of Liu et al. 2018 (doi:10.1016/j.cell.2018.02.052), the TCGA Clinical Data
Resource."""

GDC = ClinicalSource(
    path="",
    patient="bcr_patient_barcode",
    header_lines=3,
    endpoints=(
        Endpoint(
            "OS",
            event_time="death_days_to",
            censored_time="last_contact_days_to",
            unit="days",
            event="vital_status",
            events=("Dead",),
            censored=("Alive",),
        ),
    ),
)
"""Patient table of a TCGA project at the GDC (``clinical_patient_luad.txt``)."""

FORMATS: Mapping[str, tuple[ClinicalSource, ...]] = {
    "cbioportal": (CBIOPORTAL,),
    "tcga_cdr": TCGA_CDR,
    "gdc": (GDC,),
}
"""Ready-made mappings by name."""


def clinical_sources(config: Sequence[Mapping[str, Any]]) -> tuple[ClinicalSource, ...]:
    """Read the list of clinical tables from the configuration.

    A table is ``{table, format}``, of a ready-made mapping, with the list of ``endpoints`` to take
    of it (without: all); or ``{table, patient, endpoints: {name: {time, unit, event, events,
    censored}}}``, with the ``sheet`` of a workbook (without: its first) and the number of
    ``header_lines``. Endpoints of a ready-made mapping whose columns are absent are passed over,
    unless they are named.

    Returns
    -------
    tuple
        One entry per table, or sheet of one, in the order of the list.

    Raises
    ------
    ClinicalError
        If a key is unknown or unfit, a file that must be looked into cannot be read, or two tables
        define the same endpoint.
    """
    sources: list[ClinicalSource] = []
    for number, table in enumerate(config, start=1):
        try:
            check_keys(table, required={"table"}, known=set(table), where="it")
            found = _ready_made(table) if "format" in table else [_spelled_out(table)]
        except ClinicalError:
            raise
        except ValueError as error:
            name = table.get("table", "without name")
            raise ClinicalError(f"clinical table {number} ({name}): {error}") from error
        sources += [source for source in found if source not in sources]
    defined: dict[str, str] = {}
    for source in sources:
        for endpoint in source.endpoints:
            if endpoint.name in defined:
                raise ClinicalError(
                    f"endpoint '{endpoint.name}' is in {defined[endpoint.name]} and in "
                    f"{source.name}: name those to take of each table, `endpoints: [...]`"
                )
            defined[endpoint.name] = source.name
    return tuple(sources)


def _spelled_out(config: Mapping[str, Any]) -> ClinicalSource:
    known = {"table", "patient", "endpoints", "sheet", "header_lines"}
    check_keys(config, required={"table", "patient"}, known=known, where="it")
    endpoints = config.get("endpoints", {})
    if not isinstance(endpoints, Mapping):
        raise ValueError("without a 'format', say what the columns of its 'endpoints' are")
    return ClinicalSource(
        path=str(config["table"]),
        patient=str(config["patient"]),
        endpoints=tuple(Endpoint.from_config(name, each) for name, each in endpoints.items()),
        sheet=str(config.get("sheet", "")),
        header_lines=int(config.get("header_lines", 1)),
    )


def _ready_made(config: Mapping[str, Any]) -> list[ClinicalSource]:
    known = {"table", "format", "endpoints"}
    check_keys(config, required={"table"}, known=known, where="a ready-made format")
    if config["format"] not in FORMATS:
        raise ValueError(f"format '{config['format']}' is not one of {' | '.join(FORMATS)}")
    sources = FORMATS[config["format"]]
    there = sorted(endpoint.name for source in sources for endpoint in source.endpoints)
    wanted = codes(config["endpoints"]) if "endpoints" in config else None
    unknown = [name for name in wanted or () if name not in there]
    if unknown:
        raise ValueError(
            f"format '{config['format']}' has no endpoint {quoted(unknown)}; it has {quoted(there)}"
        )
    placed = [replace(source, path=str(config["table"])) for source in sources]
    return [replace(source, endpoints=tuple(_taken(source, wanted))) for source in placed]


def _taken(source: ClinicalSource, wanted: Sequence[str] | None) -> Iterator[Endpoint]:
    """Yield the endpoints that are wanted, or without wishes those whose columns are there."""
    header = set(read_header(source)) if wanted is None else set()
    for endpoint in source.endpoints:
        if endpoint.name in wanted if wanted is not None else header.issuperset(endpoint.columns):
            yield endpoint
