"""Documents that no fleet looks like are refused at their place, before anything is built from them."""

from __future__ import annotations

import pytest

from chainfleet.model.errors import FleetError
from chainfleet.model.fleet_document import read_document


@pytest.mark.parametrize(
    ("text", "place", "word"),
    [
        ("[" * 100_000, "f:1:33", "levels deep"),
        ("a: &x [1]\nb: [*x, *x]", "f:2:5", "aliases"),
        ("name: !!python/object:os.system x", "f:1:7", "python/object"),
        ("name: \x00", "f", "YAML"),
        ("a: {" * 40, "f:1:", "levels deep"),
    ],
)
def test_refused_with_its_place(text: str, place: str, word: str) -> None:
    with pytest.raises(FleetError, match=word) as caught:
        read_document(text, "f")
    assert str(caught.value.place).startswith(place)
