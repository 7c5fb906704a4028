"""Reads YAML into plain data that remembers where each value stood, and follows `${ENV}` references."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from .errors import FleetError, Place

Path = tuple[str | int, ...]

_REFERENCE = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_DEPTH = 32
_SIZE = 200_000
_loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Document:
    """Plain data with the place of every value, by its path of keys and indices."""

    data: dict[str, Any]
    places: dict[Path, Place]
    file: str
    unresolved: dict[str, Place] = field(default_factory=dict)
    """Environment variables that are referred to and not set."""

    def place(self, path: Path) -> Place:
        """Where that value stands, or the nearest thing around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(self.file))


def read_document(text: str, file: str) -> Document:
    """Parse one YAML mapping.

    Raises:
        FleetError: not YAML, not a mapping, or a key given twice; with line and column.
    """
    try:
        _check_extent(text, file)
        node = yaml.compose(text, Loader=_loader)
        return _read_mapping(node, file)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
        line = text.splitlines()[mark.line] if mark and mark.line < len(text.splitlines()) else ""
        tab = line[: len(line) - len(line.lstrip())].count("\t") > 0
        raise FleetError(
            f"not readable as YAML: {'a tab before the first word' if tab else error.problem}",
            place=place,
            way_out="indent with spaces" if tab else "check indentation, colons and quotes there",
        ) from None
    except yaml.YAMLError as error:
        raise FleetError(
            f"not readable as YAML: {error}",
            place=Place(file),
            way_out="check that it is a text file in YAML",
        ) from None


def _read_mapping(node: yaml.Node | None, file: str) -> Document:
    if not isinstance(node, yaml.MappingNode):
        way_out = "start from `chainfleet init`"
        raise FleetError(
            "a fleet file is a mapping of keys to values", place=Place(file, 1, 1), way_out=way_out
        )
    places: dict[Path, Place] = {}
    return Document(_convert(node, (), places, file), places, file)


def _check_extent(text: str, file: str) -> None:
    """Refuse what no fleet looks like, before it is built: the parser below falls over such nesting."""
    depth = 0
    for size, event in enumerate(yaml.parse(text, Loader=_loader)):
        mark = event.start_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
        if isinstance(event, yaml.AliasEvent):
            raise FleetError("anchors and aliases are not taken", place=place, way_out="write the value out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEPTH or size > _SIZE:
            raise FleetError(
                f"more than {_DEPTH} levels deep, or {_SIZE} values",
                place=place,
                way_out="write it flatter, or split it with `include`",
            )


def _convert(node: yaml.Node, path: Path, places: dict[Path, Place], file: str) -> Any:
    places[path] = Place(file, node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.MappingNode):
        return _convert_mapping(node, path, places, file)
    if isinstance(node, yaml.SequenceNode):
        return [_convert(item, (*path, index), places, file) for index, item in enumerate(node.value)]
    return _scalar(node)


def _convert_mapping(
    node: yaml.MappingNode, path: Path, places: dict[Path, Place], file: str
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        place = Place(file, key_node.start_mark.line + 1, key_node.start_mark.column + 1)
        key = _scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            raise FleetError("keys must be plain text", place=place, way_out="put the key into quotes")
        if key in result:
            raise FleetError(f"key `{key}` is given twice", place=place, way_out="keep one of them")
        result[key] = _convert(value_node, (*path, key), places, file)
        places[(*path, key)] = place
    return result


def _scalar(node: yaml.Node) -> Any:
    loader = _loader("")
    try:
        return loader.construct_object(node)
    finally:
        loader.dispose()


def merge(base: Document, over: Document) -> Document:
    """Lay one document over another: mappings are merged key by key, all else is replaced."""
    places = dict(base.places)

    def lay(path: Path, low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
        merged = dict(low)
        for key, value in high.items():
            here = (*path, key)
            if isinstance(value, dict) and isinstance(merged.get(key), dict):
                merged[key] = lay(here, merged[key], value)
            else:
                merged[key] = value
                for old in [p for p in places if p[: len(here)] == here]:
                    del places[old]
            places.update({p: q for p, q in over.places.items() if p[: len(here)] == here})
        return merged

    return Document(lay((), base.data, over.data), places, over.file)


def resolve_references(document: Document, environ: Mapping[str, str], *, keep: frozenset[str]) -> None:
    """Replace `${NAME}` and `${NAME:-default}` in place; `$$` is a dollar sign.

    References under a key named in `keep` stay as they are (they are secrets, resolved at the moment of use).
    Variables that aren't set and have no default stay as they are too and are noted in `document.unresolved`.
    """

    def walk(value: Any, path: Path) -> Any:
        if path and path[-1] in keep:
            return value
        if isinstance(value, dict):
            return {key: walk(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item, (*path, index)) for index, item in enumerate(value)]
        return expand(value, path) if isinstance(value, str) and "$" in value else value

    def expand(text: str, path: Path) -> str:
        def one(match: re.Match[str]) -> str:
            name, default = match.group(1), match.group(2)
            if name is None:
                return "$"
            if name not in environ and default is None:
                document.unresolved.setdefault(name, document.place(path))
                return match.group(0)
            return environ.get(name, default or "")

        return _REFERENCE.sub(one, text)

    document.data = walk(document.data, ())
