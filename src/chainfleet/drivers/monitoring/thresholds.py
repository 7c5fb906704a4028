"""The numbers that alerts, dashboards and verification compare with, derived from the network's own parameters.

Everything that depends on how fast blocks come is a multiple of the period; everything that depends on how
many validators may be missing follows from N and the quorum. Nothing is tuned by hand.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainfleet.model.besu.quorum import quorum_of
from chainfleet.model.fleet import Fleet

_STALLED_PERIODS = 12
_PEERS_SHARE = 0.85
_CLOCK_BOUND_S = 1.0
"""A header from further in the future is refused (TimestampBoundedByFutureParameter of Besu 26.8)."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Durations in seconds unless they say otherwise.

    Attributes:
        interval_s: longest regular time between two blocks.
        timeout_s: duration of round 0.
        scrape_s: between two scrapes.
        validators: N.
        quorum: validators that must agree.
        largest_region: validators of the largest region.
        oracle_heartbeat_s: seconds within which a feed promises a round.
        oracle_timeout_s: seconds that a round may stay open.
        oracle_deviation: change that a feed reports at once, as a share.
    """

    interval_s: float
    timeout_s: float
    scrape_s: float
    validators: int
    quorum: int
    largest_region: int
    oracle_heartbeat_s: float
    oracle_timeout_s: float
    oracle_deviation: float

    @classmethod
    def of(cls, fleet: Fleet) -> Thresholds:
        """Derive them from a fleet."""
        network, oracle = fleet.network, fleet.contracts.oracle
        count = max(1, fleet.validator_count)
        return cls(
            interval_s=network.empty_block_period_seconds or network.block_period_seconds,
            timeout_s=network.request_timeout_seconds,
            scrape_s=fleet.monitoring.scrape_interval_seconds,
            validators=count,
            quorum=quorum_of(count).quorum,
            largest_region=max((fleet.validators_of(region) for region in fleet.regions), default=1),
            oracle_heartbeat_s=oracle.heartbeat_seconds,
            oracle_timeout_s=oracle.timeout_seconds,
            oracle_deviation=oracle.deviation_bps / 10_000,
        )

    @property
    def stalled_s(self) -> float:
        """Age of the newest block at which the chain counts as standing still: twelve periods."""
        return _STALLED_PERIODS * self.interval_s

    @property
    def low_peers(self) -> int:
        """Peers below which a validator is badly connected (40 of 47)."""
        return round((self.validators - 1) * _PEERS_SHARE)

    @property
    def thin_margin(self) -> int:
        """Validators to spare at or below which two more regions stop the chain."""
        return 2 * self.largest_region

    @property
    def silent_blocks(self) -> int:
        """Blocks without a proposal or seal after which a validator is silent: two turns of everybody."""
        return 2 * self.validators

    @property
    def late_share(self) -> float:
        """Share of blocks beyond round 0 that two lost regions would cause: each dead proposer costs its turns."""
        return round(2 * self.largest_region / self.validators, 3)

    @property
    def clock_skew_s(self) -> float:
        """Clock error to be told of: half of what makes a proposal be refused."""
        return _CLOCK_BOUND_S / 2

    @property
    def behind_blocks(self) -> int:
        """Blocks behind its neighbours at which a validator isn't merely late."""
        return 5

    @property
    def oracle_stale_s(self) -> float:
        """Age of a feed's answer at which it is stale: its heartbeat, and the time a round may take."""
        return self.oracle_heartbeat_s + self.oracle_timeout_s

    @property
    def oracle_deviates(self) -> float:
        """Difference between two feeds that no single unreported change explains, as a share."""
        return 2 * self.oracle_deviation

    @property
    def window_s(self) -> float:
        """Window for rates of what should happen with every block: 24 blocks, at least 4 scrapes."""
        return max(4 * self.scrape_s, 24 * self.interval_s)

    @property
    def long_window_s(self) -> float:
        """Window for averages over rounds of all validators: 2 N blocks, at least 8 scrapes."""
        return max(8 * self.scrape_s, 2 * self.validators * self.interval_s)

    def hold_s(self, periods: float) -> float:
        """How long something must last before it is told: so many periods, at least two scrapes."""
        return max(2 * self.scrape_s, periods * self.interval_s)
