"""Annotations of GeoJSON, in the dialects of QuPath's versions and of the tools around it."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from histohet.epithelium.base import MaskError
from histohet.slides.files import GEOJSON, GZIP, LARGEST_GEOJSON, ZIP

NOT_READ = (OSError, EOFError, zlib.error, BadZipFile, RuntimeError, ValueError)
"""What gzip, zipfile and json raise for files that are damaged, encrypted or something else."""

CLASSIFICATION = "classification"
"""The property in which QuPath keeps the class of an annotation."""

EXPORT = "export annotations as a GeoJSON FeatureCollection"

LONGEST_NAME = 40
"""Characters of the name of an annotation in a message."""

RESOURCE_FORK = "__MACOSX/"
"""Folder of a zip in which macOS keeps what is no content of the files of the same names."""


@dataclass(frozen=True)
class Annotation:
    """One feature of a file.

    Attributes
    ----------
    number
        Its place in the file, from 1.
    class_name
        Its class as QuPath shows it, None without one.
    name
        What it is called in QuPath, "" without a name.
    geometry
        As in the file; not yet checked.
    """

    number: int
    class_name: str | None
    name: str
    geometry: Any

    def __str__(self) -> str:
        name = f" '{self.name[:LONGEST_NAME]}'" if self.name else ""
        return f"{self.number}{name} ({self.class_name})"


def plain(name: str) -> str:
    """Return a class as it is compared: capitals and spaces around it do not count."""
    return name.strip().casefold()


def read_annotations(
    path: str | Path, known: Collection[str]
) -> tuple[list[Annotation], tuple[str, ...]]:
    """Read the annotations of a GeoJSON file, whatever their classes.

    A FeatureCollection, a list of features or a single one; as text, gzip or the only GeoJSON of a
    zip. The class is the property ``classification``: a name, an object with a name or names, or
    either as JSON text. Where no feature has one, it is the property that holds classes of `known`.

    Parameters
    ----------
    known
        Classes that tell the property that holds them.

    Returns
    -------
    annotations
        In the order of the file.
    notes
        What was unusual.

    Raises
    ------
    MaskError
        If the file is no GeoJSON, larger than `LARGEST_GEOJSON`, or several properties may be the
        class.
    """
    features = _features(_document(Path(path)), path)
    properties = [_properties(feature) for feature in features]
    key = _class_property(properties, known, path)
    annotations = [
        Annotation(
            number, class_of(about.get(key)), _text(about.get("name")), feature.get("geometry")
        )
        for number, (feature, about) in enumerate(zip(features, properties, strict=True), start=1)
    ]
    return annotations, () if key == CLASSIFICATION else (
        f"classes are taken from the property '{key}', there is no '{CLASSIFICATION}'",
    )


def _document(path: Path) -> Any:
    """Return what the JSON holds."""
    try:
        data = None if path.stat().st_size > LARGEST_GEOJSON else _unpacked(path)
    except MaskError:
        raise
    except NOT_READ as error:
        raise MaskError(f"mask {path} cannot be read: {error}") from error
    if data is None or len(data) > LARGEST_GEOJSON:
        raise MaskError(
            f"mask {path} is larger than {LARGEST_GEOJSON >> 20} MB: export annotations without "
            "detections, or give a label image"
        )
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MaskError(f"mask {path} is not GeoJSON: {error}") from error


def _unpacked(path: Path) -> bytes:
    """Read a file, at most one byte more than is allowed: a small one can unpack to any size."""
    most, kind = LARGEST_GEOJSON + 1, path.suffix.lower()
    if kind == GZIP:
        with gzip.open(path) as file:
            return file.read(most)
    if kind == ZIP:
        with ZipFile(path) as packed:
            names = [
                name
                for name in packed.namelist()
                if Path(name).suffix.lower() in GEOJSON and not name.startswith(RESOURCE_FORK)
            ]
            if len(names) != 1:
                raise MaskError(f"mask {path} holds {len(names)} GeoJSON files, not one")
            with packed.open(names[0]) as file:
                return file.read(most)
    with path.open("rb") as plain_file:
        return plain_file.read(most)


def _features(document: Any, path: str | Path) -> list[dict[str, Any]]:
    features = document
    if isinstance(document, dict):
        single = document.get("type") == "Feature"
        features = [document] if single else document.get("features")
    if not isinstance(features, list) or not all(isinstance(one, dict) for one in features):
        raise MaskError(f"mask {path} is not GeoJSON with a list of features: {EXPORT}")
    return features


def _properties(feature: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = feature.get("properties")
    return properties if isinstance(properties, dict) else {}


def _class_property(
    properties: Collection[Mapping[str, Any]], known: Collection[str], path: str | Path
) -> str:
    """Name the property that holds the classes."""
    if any(class_of(about.get(CLASSIFICATION)) is not None for about in properties):
        return CLASSIFICATION
    wanted = {plain(name) for name in known}
    found = {
        key: None
        for about in properties
        for key, value in about.items()
        if plain(class_of(value) or "") in wanted
    }
    if len(found) > 1:
        raise MaskError(
            f"mask {path} has no '{CLASSIFICATION}', and classes in several properties "
            f"({', '.join(found)}): {EXPORT} from QuPath, or call the right one {CLASSIFICATION}"
        )
    return next(iter(found), CLASSIFICATION)


def class_of(value: Any) -> str | None:
    """Name a class: a plain string, an object with a name or names, or either as JSON text."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return str(value)
    if isinstance(value, dict):
        names = value.get("names")
        value = (
            ": ".join(map(str, names)) if names and isinstance(names, list) else value.get("name")
        )
    return _text(value) or None


def _text(value: Any) -> str:
    """Return a text as one line that every file can hold; "" for anything else."""
    if not isinstance(value, str):
        return ""
    return " ".join(value.encode("utf-8", "replace").decode().split())


def matching(annotations: Collection[Annotation], names: Collection[str]) -> Iterator[Annotation]:
    """Yield the annotations of some classes."""
    wanted = {plain(name) for name in names}
    return (one for one in annotations if one.class_name and plain(one.class_name) in wanted)
