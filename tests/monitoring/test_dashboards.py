"""Dashboards against Grafana's own types: what it wouldn't know would be lost when it reads and writes them."""

from __future__ import annotations

import contextlib
import copy
import enum
import json
import types
import typing

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from chainfleet.drivers.monitoring.dashboards import central_dashboards, region_dashboards


@pytest.fixture(scope="module")
def boards(chain_138):
    return central_dashboards(chain_138)


def test_there_are_five(boards, chain_138):
    assert set(boards) == {"network", "region", "validator", "oracle", "deployment"}
    assert set(region_dashboards(chain_138)) == {"region", "validator"}
    assert len({board["uid"] for board in boards.values()}) == 5


def read_back(board):
    register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(copy.deepcopy(board))))


def lost(ours, theirs, place=""):
    """What isn't there any more after Grafana's types have read and written it."""
    if isinstance(ours, dict):
        for key, value in ours.items():
            if not isinstance(theirs, dict) or key not in theirs:
                # What is empty or a default need not be written.
                if value not in (None, "", [], {}, False, 0):
                    yield f"{place}.{key}"
                continue
            yield from lost(value, theirs[key], f"{place}.{key}")
    elif isinstance(ours, list):
        for index, item in enumerate(ours):
            if index >= len(theirs):
                yield f"{place}[{index}]"
            else:
                yield from lost(item, theirs[index], f"{place}[{index}]")
    elif ours != theirs:
        yield f"{place}: {ours!r} became {theirs!r}"


def test_grafana_keeps_everything(boards):
    for name, board in boards.items():
        assert list(lost(board, read_back(board))) == [], name


def ill_typed(value, kind, place="dashboard"):
    """Where a value isn't of the type that Grafana's schema declares."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if not any(list(ill_typed(value, one, place)) == [] for one in args):
            yield f"{place}: {value!r} is no {kind}"
    elif origin is list:
        if not isinstance(value, list):
            yield f"{place}: {value!r} is no list"
        else:
            for index, item in enumerate(value):
                yield from ill_typed(item, args[0], f"{place}[{index}]")
    elif origin is typing.Literal:
        if value not in args:
            yield f"{place}: {value!r} is none of {args}"
    elif isinstance(kind, type) and issubclass(kind, enum.Enum):
        if value not in [member.value for member in kind]:
            yield f"{place}: {value!r} is no {kind.__name__}"
    elif isinstance(kind, type) and kind.__module__.startswith("grafana_foundation_sdk.models"):
        if not isinstance(value, kind):
            yield f"{place}: {value!r} is no {kind.__name__}"
        elif hasattr(kind, "from_json"):
            for field, declared in typing.get_type_hints(kind).items():
                yield from ill_typed(getattr(value, field), declared, f"{place}.{field}")
    elif kind in (str, int, float, bool, type(None)):
        right = (int, float) if kind is float else kind
        if not isinstance(value, right) or (kind is not bool and isinstance(value, bool)):
            yield f"{place}: {value!r} is no {kind.__name__}"


def problems(board):
    register_default_plugins()
    return list(ill_typed(Dashboard.from_json(copy.deepcopy(board)), Dashboard))


def test_everything_has_the_type_that_grafana_declares(boards):
    for name, board in boards.items():
        assert problems(board) == [], name


@pytest.mark.parametrize(
    "break_it",
    [
        lambda b: b["panels"][0]["gridPos"].update(w="12"),
        lambda b: b.update(title=["Network"]),
        lambda b: b["panels"][0].update(id="one"),
        lambda b: b["templating"]["list"][0].update(type="choice"),
    ],
)
def test_a_wrong_type_would_be_noticed(boards, break_it):
    board = copy.deepcopy(boards["network"])
    break_it(board)
    # Some are not even readable.
    with contextlib.suppress(TypeError, ValueError, AttributeError):
        assert problems(board) != []


def test_an_unknown_key_would_be_noticed(boards):
    board = copy.deepcopy(boards["network"])
    board["panels"][0]["tittle"] = "Age"
    assert list(lost(board, read_back(board))) == [".panels[0].tittle"]


def test_panels_do_not_overlap_and_fit(boards):
    for board in boards.values():
        taken = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken, panel["title"]
            taken |= cells
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_a_config_map_holds_every_regional_board(chain_138):
    from chainfleet.drivers.monitoring import monitoring_manifests

    found = {
        m["metadata"]["name"]: m
        for m in monitoring_manifests(chain_138, chain_138.regions[0])
        if m["kind"] == "ConfigMap" and m["metadata"]["labels"].get("grafana_dashboard") == "1"
    }
    assert set(found) == {"dashboard-region", "dashboard-validator"}
    for item in found.values():
        (text,) = item["data"].values()
        assert json.loads(text)["panels"]
        assert len(text) < 900_000, "a ConfigMap holds a mebibyte"
