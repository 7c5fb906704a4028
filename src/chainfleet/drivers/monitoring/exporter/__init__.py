"""The chain exporter: what no Besu metric says (consensus, agreement, oracles), as Prometheus metrics.

sampling   asks every validator at once                      effects
judging    whom to believe, and what is wrong with whom      pure
window     what consensus left in the headers                pure, bounded
oracles    feeds, their relay and CCIP                       effects
expiry     certificates and tokens that will run out         effects
exposing   all of it as metrics of the catalogue             pure
collector  joins them, one collection after another
"""

from .catalogue import CHAIN_METRICS
from .collector import ChainCollector

__all__ = ["CHAIN_METRICS", "ChainCollector"]
