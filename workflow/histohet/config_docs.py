"""JSON schema and tables of keys, written from the settings: ``python -m histohet.config_docs``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from histohet.clinical.settings import ClinicalSource, ReadyMadeTable
from histohet.cohort.settings import AnalysisSettings
from histohet.common.files import write_text
from histohet.common.settings import Settings
from histohet.config import Config, OwnVariant

REPOSITORY = Path(__file__).parents[2]
SCHEMA = REPOSITORY / "workflow/schemas/config.schema.yaml"
README = REPOSITORY / "config/README.md"

TABLES: dict[str, type[Settings]] = {
    "config.yaml": Config,
    "ready-made": ReadyMadeTable,
    "clinical": ClinicalSource,
    "analyses": AnalysisSettings,
    "variants": OwnVariant,
}
"""What has a table of its own in the README, between the comments that name it."""

PLACE = re.compile(r"(<!-- keys of (\S+), by `make config-docs` -->\n).*?(<!-- end -->)", re.DOTALL)


def schema() -> str:
    """Return the JSON schema of the configuration, as YAML, for editors."""
    head = "# Written from the settings of the library by `make config-docs`.\n"
    described: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    described |= _without_titles(Config.model_json_schema())
    described["properties"] = {k: _not_empty(v) for k, v in described["properties"].items()}
    # Without a style, what holds no mapping or list stands on one line.
    text: str = yaml.safe_dump(
        described, default_flow_style=None, sort_keys=False, allow_unicode=True, width=1000
    )
    return head + text


def with_tables(text: str) -> str:
    """Return the README with its tables of keys as the settings are."""
    described: set[type[Settings]] = set(TABLES.values())
    tables = {name: _table(model, described) for name, model in TABLES.items()}
    return PLACE.sub(lambda match: match[1] + tables[match[2]] + match[3], text)


def _table(model: type[Settings], described: set[type[Settings]]) -> str:
    rows = ["| key | default | meaning, and how to choose |", "|---|---|---|"]
    rows += [f"| `{key}` | {default} | {text} |" for key, default, text in _keys(model, described)]
    return "\n".join(rows) + "\n"


def _keys(
    model: type[Settings], described: set[type[Settings]], prefix: str = ""
) -> Iterator[tuple[str, str, str]]:
    """Yield path, default and description of the keys of a model, those of every section once."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        if field.description:
            yield key, _default(field), field.description.replace("|", "\\|")
        for place, section in _sections(field.annotation):
            if section not in described:
                described.add(section)
                yield from _keys(section, described, f"{key}{place}.")


def _sections(annotation: Any, place: str = "") -> Iterator[tuple[str, type[Settings]]]:
    """Yield the models in the type of a key, and how a path goes there, such as ``[]``."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield place, annotation
    step = {tuple: "[]", dict: ".<name>"}.get(get_origin(annotation), "")
    for inner in get_args(annotation):
        yield from _sections(inner, place + step)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default in (None, ""):
        return ""
    text: str = yaml.safe_dump(_plain(field.default), default_flow_style=True, allow_unicode=True)
    # A single word is a document of its own, which ends.
    return "`" + text.removesuffix("...\n").strip() + "`"


def _plain(value: object) -> object:
    if isinstance(value, Settings):
        return value.model_dump(mode="json", exclude_unset=True)
    return list(map(_plain, value)) if isinstance(value, tuple) else value


def _without_titles(value: Any) -> Any:
    """Return a schema without the titles that only repeat keys."""
    if isinstance(value, dict):
        return {key: _without_titles(one) for key, one in value.items() if key != "title"}
    return [_without_titles(one) for one in value] if isinstance(value, list) else value


def _not_empty(section: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a section, which may be absent, but not null."""
    match section:
        case {"anyOf": [inner, {"type": "null"}], "default": None, **others}:
            return {**inner, **others}
    return section


if __name__ == "__main__":
    write_text(SCHEMA, schema())
    write_text(README, with_tables(README.read_text(encoding="utf-8")))
