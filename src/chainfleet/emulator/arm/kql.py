"""A small part of the Kusto query language, as inventories need it: see `_STEPS` for its operators."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .bodies import Json
from .errors import ArmError, bad_request

Row = Mapping[str, Any]
Expression = Callable[[Row], Any]
Step = Callable[[list[Json]], list[Json]]

_TOKEN = re.compile(
    r"""\s+|//[^\n]*|(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?P<number>\d+(?:\.\d+)?)"""
    r"""|(?P<word>!?[A-Za-z_$][\w$]*~?)|(?P<sign>==|=~|!=|!~|<=|>=|[|().,\[\]=<>])"""
)
_TABLES = ("resources", "resourcecontainers")


@dataclass(frozen=True, slots=True)
class Query:
    """A query that has been read."""

    table: str
    steps: tuple[Step, ...]

    def run(self, rows: list[Json]) -> list[Json]:
        """Apply it to rows."""
        for step in self.steps:
            rows = step(rows)
        return rows


def parse_query(text: str) -> Query:
    """Read a query.

    Raises:
        ArmError: 400 `BadRequest` that tells where it can't be read.
    """
    return _Parser(_tokens(text)).query()


def _refuse(message: str) -> ArmError:
    return bad_request("BadRequest", f"Query is invalid: {message}.")


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _refuse(f"unexpected character {text[at]!r} at position {at}")
        at = match.end()
        if match.lastgroup:
            found.append((match.lastgroup, match[0]))
    return [*found, ("end", "")]


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0

    def query(self) -> Query:
        table = "resources"
        if not self._is("|") and self._tokens[0][1].lower() in _TABLES:
            table = self._take()[1].lower()
        elif self._tokens[0][1] != "|" and self._tokens[0][1].lower() not in _STEPS:
            raise _refuse(f"table '{self._tokens[0][1]}' is not known; known are {', '.join(_TABLES)}")
        steps = []
        while self._tokens[self._at][0] != "end":
            self._accept("|")
            word = self._word().lower()
            step = _STEPS.get(word)
            if step is None:
                raise _refuse(f"operator '{word}' is not known; known are {', '.join(sorted(_STEPS))}")
            steps.append(step(self))
        return Query(table, tuple(steps))

    def _where(self) -> Step:
        condition = self._or()
        return lambda rows: [row for row in rows if condition(row)]

    def _project(self) -> Step:
        columns = self._columns()
        return lambda rows: [{name: value(row) for name, value in columns} for row in rows]

    def _extend(self) -> Step:
        columns = self._columns()
        return lambda rows: [{**row, **{name: value(row) for name, value in columns}} for row in rows]

    def _distinct(self) -> Step:
        columns = self._columns()

        def step(rows: list[Json]) -> list[Json]:
            seen: dict[str, Json] = {}
            for row in rows:
                shown = {name: value(row) for name, value in columns}
                seen.setdefault(repr(shown), shown)
            return list(seen.values())

        return step

    def _order(self) -> Step:
        self._expect_word("by")
        keys: list[tuple[Expression, bool]] = []
        while True:
            _, value = self._column()
            # Kusto sorts downwards unless told otherwise.
            down = True
            if self._tokens[self._at][1].lower() in ("asc", "desc"):
                down = self._take()[1].lower() == "desc"
            keys.append((value, down))
            if not self._accept(","):
                break

        def step(rows: list[Json]) -> list[Json]:
            for value, down in reversed(keys):
                rows = sorted(rows, key=lambda row: _sortable(value(row)), reverse=down)
            return rows

        return step

    def _limit(self) -> Step:
        kind, text = self._take()
        if kind != "number":
            raise _refuse(f"a number was expected, not '{text}'")
        count = int(float(text))
        return lambda rows: rows[:count]

    def _count(self) -> Step:
        return lambda rows: [{"Count": len(rows)}]

    def _summarize(self) -> Step:
        name = "count_"
        if self._tokens[self._at + 1][1] == "=":
            name = self._word()
            self._expect("=")
        self._expect_word("count")
        self._expect("(")
        self._expect(")")
        columns = self._columns() if self._accept_word("by") else []

        def step(rows: list[Json]) -> list[Json]:
            counted: Counter[str] = Counter()
            shown: dict[str, Json] = {}
            for row in rows:
                group = {column: value(row) for column, value in columns}
                counted[repr(group)] += 1
                shown[repr(group)] = group
            if not columns and not rows:
                return [{name: 0}]
            return [{**shown[key], name: count} for key, count in counted.items()]

        return step

    def _columns(self) -> list[tuple[str, Expression]]:
        columns = [self._column()]
        while self._accept(","):
            columns.append(self._column())
        return columns

    def _column(self) -> tuple[str, Expression]:
        if self._tokens[self._at + 1][1] == "=":
            name = self._word()
            self._expect("=")
            return name, self._value()
        start = self._at
        value = self._value()
        name = "".join(text for _, text in self._tokens[start : self._at])
        return re.sub(r"\W+", "_", name).strip("_"), value

    def _or(self) -> Expression:
        left = self._and()
        while self._accept_word("or"):
            left = _either(left, self._and())
        return left

    def _and(self) -> Expression:
        left = self._comparison()
        while self._accept_word("and"):
            left = _both(left, self._comparison())
        return left

    def _comparison(self) -> Expression:
        if self._accept_word("not"):
            self._expect("(")
            inner = self._or()
            self._expect(")")
            return lambda row: not inner(row)
        if self._accept("("):
            inner = self._or()
            self._expect(")")
            return inner
        left = self._value()
        if self._tokens[self._at][1].lower() in ("", "|", ")", "and", "or"):
            return left
        operator = self._take()[1].lower()
        if operator in ("in", "in~", "!in", "!in~"):
            return _membership(operator, left, self._list())
        compare = _COMPARISONS.get(operator)
        if compare is None:
            raise _refuse(f"operator '{operator}' is not known; known are {', '.join(_COMPARISONS)}, in, in~")
        right = self._value()
        return lambda row: compare(left(row), right(row))

    def _list(self) -> list[Expression]:
        self._expect("(")
        values = [self._value()]
        while self._accept(","):
            values.append(self._value())
        self._expect(")")
        return values

    def _value(self) -> Expression:
        kind, text = self._take()
        if kind == "text":
            literal = re.sub(r"\\(.)", r"\1", text[1:-1])
            return lambda _row: literal
        if kind == "number":
            number = float(text) if "." in text else int(text)
            return lambda _row: number
        if kind != "word":
            raise _refuse(f"a value was expected, not '{text}'")
        if text.lower() in ("true", "false"):
            return lambda _row: text.lower() == "true"
        if self._accept("("):
            return self._call(text.lower())
        return self._path(text)

    def _call(self, function: str) -> Expression:
        convert = _FUNCTIONS.get(function)
        if convert is None:
            raise _refuse(f"function '{function}' is not known; known are {', '.join(_FUNCTIONS)}")
        inner = self._value()
        self._expect(")")
        return lambda row: convert(inner(row))

    def _path(self, first: str) -> Expression:
        parts: list[str | int] = [first]
        while True:
            if self._accept("."):
                parts.append(self._word())
            elif self._accept("["):
                kind, text = self._take()
                parts.append(int(text) if kind == "number" else text[1:-1])
                self._expect("]")
            else:
                return lambda row: _walk(row, parts)

    def _take(self) -> tuple[str, str]:
        found = self._tokens[self._at]
        if found[0] == "end":
            raise _refuse("it ends too early")
        self._at += 1
        return found

    def _is(self, sign: str) -> bool:
        return self._tokens[self._at] == ("sign", sign)

    def _accept(self, sign: str) -> bool:
        if self._is(sign):
            self._at += 1
            return True
        return False

    def _accept_word(self, word: str) -> bool:
        kind, text = self._tokens[self._at]
        if kind == "word" and text.lower() == word:
            self._at += 1
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._accept(sign):
            raise _refuse(f"'{sign}' was expected, not '{self._tokens[self._at][1]}'")

    def _expect_word(self, word: str) -> None:
        if not self._accept_word(word):
            raise _refuse(f"'{word}' was expected, not '{self._tokens[self._at][1]}'")

    def _word(self) -> str:
        kind, text = self._take()
        if kind != "word":
            raise _refuse(f"a name was expected, not '{text}'")
        return text


_STEPS: dict[str, Callable[[_Parser], Step]] = {
    "where": _Parser._where,
    "project": _Parser._project,
    "extend": _Parser._extend,
    "distinct": _Parser._distinct,
    "order": _Parser._order,
    "sort": _Parser._order,
    "limit": _Parser._limit,
    "take": _Parser._limit,
    "count": _Parser._count,
    "summarize": _Parser._summarize,
}
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "tostring": lambda value: "" if value is None else str(value),
    "tolower": lambda value: str(value or "").lower(),
    "toupper": lambda value: str(value or "").upper(),
    "toint": lambda value: int(value) if str(value).isdigit() else None,
    "isempty": lambda value: value in (None, "", {}, []),
    "isnotempty": lambda value: value not in (None, "", {}, []),
    "isnull": lambda value: value is None,
    "isnotnull": lambda value: value is not None,
    "array_length": lambda value: len(value) if isinstance(value, list) else None,
}


def _fold(value: Any) -> str:
    return str("" if value is None else value).lower()


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: bool(("" if a is None else a) == b),
    "!=": lambda a, b: bool(("" if a is None else a) != b),
    "=~": lambda a, b: _fold(a) == _fold(b),
    "!~": lambda a, b: _fold(a) != _fold(b),
    "contains": lambda a, b: _fold(b) in _fold(a),
    "!contains": lambda a, b: _fold(b) not in _fold(a),
    "startswith": lambda a, b: _fold(a).startswith(_fold(b)),
    "endswith": lambda a, b: _fold(a).endswith(_fold(b)),
    "has": lambda a, b: _fold(b) in re.split(r"[^a-z0-9]+", _fold(a)) or _fold(b) in _fold(a),
    ">": lambda a, b: a is not None and a > b,
    "<": lambda a, b: a is not None and a < b,
    ">=": lambda a, b: a is not None and a >= b,
    "<=": lambda a, b: a is not None and a <= b,
}


def _membership(operator: str, left: Expression, values: list[Expression]) -> Expression:
    fold: Callable[[Any], Any] = _fold if operator.endswith("~") else lambda value: value
    negated = operator.startswith("!")
    return lambda row: (fold(left(row)) in [fold(value(row)) for value in values]) != negated


def _either(left: Expression, right: Expression) -> Expression:
    return lambda row: left(row) or right(row)


def _both(left: Expression, right: Expression) -> Expression:
    return lambda row: left(row) and right(row)


def _walk(row: Row, parts: list[str | int]) -> Any:
    value: Any = row
    for part in parts:
        if isinstance(part, int):
            value = value[part] if isinstance(value, list) and part < len(value) else None
        elif isinstance(value, Mapping):
            value = value.get(part, next((v for k, v in value.items() if k.lower() == part.lower()), None))
        else:
            return None
    return value


def _sortable(value: Any) -> tuple[int, Any]:
    if isinstance(value, bool | int | float):
        return (0, value)
    return (1, _fold(value))
