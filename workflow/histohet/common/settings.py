"""What the settings of every room are made of, and how their mistakes are put into words.

A room's ``settings.py`` holds its models, derived from `Settings`; ``config.py`` assembles them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Iterable, Mapping
from typing import Annotated, Any, NamedTuple, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

Item = TypeVar("Item", bound=Hashable)


class FaultyKeyError(ValueError):
    """What a validator of several keys finds wrong with one of them.

    Parameters
    ----------
    key
        Its path within the model, such as ``expression[1].slide``.
    fault
        What is wrong with it.
    """

    def __init__(self, key: str, fault: str) -> None:
        super().__init__(fault)
        self.key = key


class Settings(BaseModel):
    """Settings of a room: frozen, without unknown keys, without NaN and infinity.

    A field has its default (or is required), its bounds, and a description that says how to choose
    it and where the default comes from. Rules between fields are validators that raise ValueError,
    or FaultyKeyError to name one of them.

    Types are strict, so that what YAML makes of ``yes`` is no number and ``"112"`` is none. But
    lists are taken as tuples, and ``112.0`` is what ``112`` is, for integers and floats.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
    )

    @model_validator(mode="before")
    @classmethod
    def _read(cls, values: object) -> object:
        if not isinstance(values, Mapping):
            return values
        known = {field.alias or name: field for name, field in cls.model_fields.items()}
        for key in values:
            if key not in known:
                hint = did_you_mean(key, known) or f"; there are {quoted(known)}"
                # A template: pydantic puts the hint in.
                raise PydanticCustomError(
                    "unknown_key", "unknown key{hint}", {"key": str(key), "hint": hint}
                )
        return {
            key: _without_form(value, _takes_integers(known[key].annotation))
            for key, value in values.items()
        }

    def canonical(self) -> dict[str, Any]:
        """Return plain values that depend on what the settings mean, not on how they were written.

        Defaults are filled in, keys stand in the order of the fields, numbers have the type of
        their field; what is not given and has no default is left out. Only mappings whose keys are
        the user's, such as endpoints, keep their order.
        """
        return self.model_dump(mode="json", by_alias=True)

    @model_serializer(mode="wrap")
    def _without_absent(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        absent = {
            field.alias or name
            for name, field in type(self).model_fields.items()
            if field.default is None and getattr(self, name) is None
        }
        return {key: value for key, value in plain(self).items() if key not in absent}


def _takes_integers(annotation: object) -> bool:
    """Whether a type is that of integers, or of lists of them; a model looks after its fields."""
    return annotation is int or any(map(_takes_integers, get_args(annotation)))


def _without_form(value: object, integers: bool) -> object:
    """Return what YAML or JSON read with tuples for lists, and integers where they are meant."""
    if isinstance(value, float) and integers and value.is_integer():
        return int(value)
    if isinstance(value, list | tuple):
        return tuple(_without_form(one, integers) for one in value)
    if isinstance(value, Mapping):
        return {key: _without_form(one, integers) for key, one in value.items()}
    return value


# Types of fields ----------------------------------------------------------------------------------


_WITH_ZEROS = re.compile(r"([+-]?[0-9]+(?:\.[0-9]*[1-9])?)\.?0*")


def by_value(text: str) -> str:
    """Return a cell or a code as it is compared: 1.0 and 1. are 1, 2.50 is 2.5.

    Programs write a column of whole numbers with a gap in it as 1.0 and 0.0. Zeros in front stay,
    for they belong to codes; whatever is no plain decimal number is as it is.
    """
    number = _WITH_ZEROS.fullmatch(text)
    return number[1] if number else text


def _code(value: object) -> object:
    # YAML reads an unquoted yes as true, and 1.50 as 1.5: no table would hold that.
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"the code {value} must be put in quotes")
    return by_value(str(value)) if isinstance(value, int | float | str) else value


def _path(path: str) -> str:
    if set(path) & set("{}<>"):
        raise ValueError(f"'{path}' must not hold {{}} or <>, which Snakemake takes for variables")
    return path


def _name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise ValueError(
            f"{name!r} names files: letters, digits, '_' and '-', beginning with a letter or digit"
        )
    return name


def _unique(values: tuple[Item, ...]) -> tuple[Item, ...]:
    for number, value in enumerate(values):
        if value in values[:number]:
            raise ValueError(f"{_shown(value)} comes twice")
    return values


# A code of a table: text, or a number that stands for its text, as `by_value` writes it.
Code = Annotated[str, BeforeValidator(_code, json_schema_input_type=str | int | float)]
# Text that is not empty.
Text = Annotated[str, Field(min_length=1)]
# A file.
FilePath = Annotated[
    str,
    Field(min_length=1, json_schema_extra={"pattern": "^[^{}<>]*$"}),
    AfterValidator(_path),
]
# What names files and wildcards.
Name = Annotated[
    str,
    Field(max_length=100, json_schema_extra={"pattern": "^[A-Za-z0-9][A-Za-z0-9_-]*$"}),
    AfterValidator(_name),
]
# At least one value, none of them twice.
Several = Annotated[
    tuple[Item, ...],
    Field(min_length=1, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_unique),
]


# Messages -----------------------------------------------------------------------------------------


def quoted(names: Iterable[object]) -> str:
    """Return names for a message."""
    return ", ".join(f"'{name}'" for name in names)


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return a hint at the known name that is nearest; empty if none is near."""
    names = {one.lower(): one for one in known}
    near = difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=0.75)
    return f"; did you mean {names[near[0]]}?" if near else ""


def explain(error: ValidationError, values: object, where: str = "config") -> str:
    """Return one line that names a key and its fault.

    Parameters
    ----------
    error
        What a model said of the values.
    values
        What the model was given.
    where
        What the values are, such as ``config`` or ``config, variant 'own'``.

    Returns
    -------
    str
        Such as ``config, tiles.tile_umm: unknown key; did you mean tile_um?``
    """
    faults = [_fault(one, values) for one in error.errors()]
    fault = faults[0]
    if fault.choice is not None:
        # A value that may be one of several things has a fault as each of them. What counts is what
        # it is likeliest meant to be.
        fault = max((one for one in faults if one.choice == fault.choice), key=_likelihood)
    place = f"{where}, {fault.key}" if fault.key else where
    return f"{place}: {fault.text}"


class _Fault(NamedTuple):
    """A fault: of which key, how deep, of which kind, in words, in which choice of types if any."""

    key: str
    depth: int
    kind: str
    text: str
    choice: tuple[str | int, ...] | None


def _fault(error: ErrorDetails, values: object) -> _Fault:
    """Put a fault into words.

    Its place holds, besides keys and indices, the names of the types that were tried: these are not
    in the values.
    """
    path: list[str | int] = []
    choice = None
    here: Any = values
    for part in error["loc"]:
        inside = part in here if isinstance(here, Mapping) else _is_index(part, here)
        if inside:
            here = here[part]
        elif error["type"] != "missing" or part != error["loc"][-1]:
            choice = tuple(path) if choice is None else choice
            continue
        path.append(part)
    if error["type"] == "unknown_key":
        path.append(error["ctx"]["key"])
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, FaultyKeyError):
        path.append(cause.key)
    return _Fault(_dotted(path), len(path), error["type"], _in_words(error), choice)


def _is_index(part: object, values: object) -> bool:
    return isinstance(values, list | tuple) and isinstance(part, int) and part < len(values)


def _likelihood(fault: _Fault) -> tuple[int, int]:
    """Tell the likeliest fault: the deepest, then what is misspelt, missing or out of range."""
    if fault.kind == "unknown_key":
        return fault.depth, 3 if "did you mean" in fault.text else 0
    if fault.kind == "literal_error":
        return fault.depth, 2
    return fault.depth, 1 if fault.kind.endswith("_type") else 4


def _dotted(path: Iterable[str | int]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


_NOT = {
    "int_type": "no whole number",
    "float_type": "no number",
    "string_type": "no text",
    "bool_type": "neither true nor false",
    "tuple_type": "no list",
    "dict_type": "no section with keys",
    "model_type": "no section with keys",
    "finite_number": "NaN or infinite",
}
_BEYOND = {
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "too_short": "has fewer than {min_length}",
    "too_long": "has more than {max_length}",
    "string_too_short": "is shorter than {min_length}",
    "string_too_long": "is longer than {max_length}",
    "string_pattern_mismatch": "does not match {pattern}",
    "literal_error": "is none of {expected}",
}


def _in_words(error: ErrorDetails) -> str:
    kind, shown, context = error["type"], _shown(error["input"]), error.get("ctx", {})
    if kind in _NOT:
        return f"{shown} is {_NOT[kind]}"
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return str(context["error"])
    if kind.endswith("too_short") and not error["input"]:
        return "must not be empty"
    if kind not in _BEYOND:
        return error["msg"]
    text = f"{shown} {_BEYOND[kind].format(**context)}"
    if kind == "literal_error":
        names = re.findall(r"'([^']*)'", context["expected"])
        text = text.replace(" or ", ", ") + did_you_mean(error["input"], names)
    return text


def _shown(value: object) -> str:
    text = repr(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= 80 else f"{text[:77]}..."
