"""Resource Graph: the queries that inventories write."""

from __future__ import annotations

import pytest

from chainfleet.emulator.arm.errors import ArmError
from chainfleet.emulator.arm.kql import parse_query

IDENTITY = "providers/Microsoft.ManagedIdentity/userAssignedIdentities"
ROWS = [
    {
        "name": "a",
        "type": "t/vm",
        "location": "x",
        "tags": {"fleet": "One"},
        "properties": {"n": 3, "s": {"k": "v"}},
    },
    {"name": "b", "type": "t/vm", "location": "y", "tags": None, "properties": {"n": 1}},
    {"name": "c", "type": "t/ip", "location": "x", "tags": {"fleet": "two"}, "properties": {}},
]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("resources", "abc"),
        ("Resources | where type =~ 'T/VM'", "ab"),
        ("resources | where type == 'T/VM'", ""),
        ("resources | where tags['fleet'] =~ 'one'", "a"),
        ("resources | where tags.fleet == 'two' or name == 'b'", "bc"),
        ("resources | where location in ('y', 'z')", "b"),
        ("resources | where location !in~ ('Y')", "ac"),
        ("resources | where not(name == 'a') and isnotempty(tags)", "c"),
        ("resources | where properties.n > 1", "a"),
        ("resources | where (name == 'a' or name == 'b') and properties.s.k == 'v'", "a"),
        ("resources | where tolower(type) startswith 't/v' | order by properties.n asc", "ba"),
        ("resources | order by name | limit 2", "cb"),
        ("resources | where type contains 'IP' // the addresses", "c"),
    ],
)
def test_a_query_selects_rows(query, names):
    assert "".join(row["name"] for row in parse_query(query).run(ROWS)) == names


def test_columns_can_be_projected_counted_and_summarised():
    run = lambda text: parse_query(text).run(ROWS)  # noqa: E731
    assert run("resources | project name, fleet = tags.fleet, properties.n")[0] == {
        "name": "a",
        "fleet": "One",
        "properties_n": 3,
    }
    assert run("resources | count") == [{"Count": 3}]
    assert run("resources | summarize count() by location") == [
        {"location": "x", "count_": 2},
        {"location": "y", "count_": 1},
    ]
    assert run("resources | distinct type") == [{"type": "t/vm"}, {"type": "t/ip"}]
    assert run("resources | extend up = toupper(name) | project up")[2] == {"up": "C"}


@pytest.mark.parametrize(
    "query",
    [
        "tables | take 1",
        "resources | wher x",
        "resources | where name ~ 'a'",
        "resources | take x",
        "resources | where",
    ],
)
def test_what_it_does_not_know_is_refused(query):
    with pytest.raises(ArmError) as refused:
        parse_query(query)
    assert refused.value.status == 400


def test_resources_are_found_over_groups_page_by_page(cloud):
    tag = {"tags": {"chainfleet-fleet": "graphed"}, "location": "northeurope"}
    for _ in range(2):
        group = cloud.group()
        for number in range(3):
            cloud.call("PUT", f"{group}/{IDENTITY}/g-{number}", tag)
    query = (
        "resources | where type =~ 'Microsoft.ManagedIdentity/userAssignedIdentities' "
        "and tags['chainfleet-fleet'] =~ 'Graphed' | project id, name, resourceGroup"
    )
    place, found, token = "/providers/Microsoft.ResourceGraph/resources", [], None
    while True:
        options = {"$top": 4, **({"$skipToken": token} if token else {})}
        body = {"subscriptions": [cloud.env["ARM_SUBSCRIPTION_ID"]], "query": query, "options": options}
        answer = cloud.call("POST", place, body, "2022-10-01").json()
        found += answer["data"]
        token = answer.get("$skipToken")
        if not token:
            break
    assert (len(found), answer["totalRecords"]) == (6, 6)
    assert set(found[0]) == {"id", "name", "resourceGroup"}
