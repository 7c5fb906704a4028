"""Which address outside the clusters leads to which pod: the emulated network between regions.

Load balancers of all clusters enter their addresses here; programs that dial addresses look them up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PodPort:
    """One port of one pod."""

    uid: str
    port: int


class AddressBook:
    """Address and port → the pods behind it, for the whole emulated world."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, int], tuple[PodPort, ...]] = {}
        self._owned: dict[tuple[str, str], tuple[tuple[str, int], ...]] = {}
        self._listeners: list[Callable[[frozenset[str]], None]] = []

    def listen(self, listener: Callable[[frozenset[str]], None]) -> None:
        """Call `listener` with the uids of pods whose reachability changed."""
        self._listeners.append(listener)

    def pods_at(self, address: str, port: int) -> tuple[PodPort, ...]:
        """The pods that a dialled address leads to."""
        return self._routes.get((address, port), ())

    def publish(self, cluster: str, service: str, routes: dict[tuple[str, int], tuple[PodPort, ...]]) -> None:
        """Set all routes of one Service; an empty mapping withdraws them."""
        key = (cluster, service)
        before = {place: self._routes.get(place, ()) for place in self._owned.get(key, ())}
        if before == routes:
            return
        for place in before:
            self._routes.pop(place, None)
        self._routes.update(routes)
        self._owned[key] = tuple(routes)
        touched = {p.uid for pods in (*before.values(), *routes.values()) for p in pods}
        for listener in self._listeners:
            listener(frozenset(touched))

    def withdraw(self, cluster: str) -> None:
        """Forget all routes of a cluster."""
        for owner, service in [k for k in self._owned if k[0] == cluster]:
            self.publish(owner, service, {})
