"""How long the actions take where nothing has been learned yet, and what they draw from the clouds' APIs.

Medians and spreads are in seconds of real clouds. Sources: published Terraform output and vendor documents,
collected in `docs/concepts/durations.md`; no vendor publishes a distribution, so the spreads are judgement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from chainfleet.model.task import Estimate


@dataclass(frozen=True, slots=True)
class Profile:
    """What one attempt of an action is expected to cost.

    Attributes:
        estimate: duration.
        timeout_s: when to give up on an attempt; several times the slowest one published.
        writes: calls that change something, by the resource provider that takes them, in Azure's words.
        reads: read calls to Azure Resource Manager, polling included.
        adoptable: see `Task.adoptable`.
        observes: whether it only looks, and so never says that it has changed anything.
    """

    estimate: Estimate
    timeout_s: float
    writes: Mapping[str, int] = field(default_factory=dict)
    reads: int = 0
    adoptable: bool = False
    observes: bool = False


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        # resource group 2 s, virtual network 6 s, then security group and addresses 3 s each, in parallel
        "infrastructure/network": Profile(Estimate(18, 0.25), 900, {"resources": 1, "network": 5}, reads=12),
        # identity, managed cluster (median 4.7 min, p95 8.4 min), node pool 2–4 min, role assignments 27 s
        "infrastructure/cluster": Profile(
            Estimate(480, 0.3),
            5400,
            {"managedidentity": 3, "authorization": 2, "keyvault": 1, "containerservice": 3},
            reads=60,
            adoptable=True,
        ),
        "kubernetes/base": Profile(Estimate(8, 0.3), 600, reads=1),
        "besu/keys": Profile(Estimate(5, 0.3), 300),
        "besu/genesis": Profile(Estimate(2, 0.3), 300),
        "besu/peers": Profile(Estimate(1, 0.3), 300),
        "besu/config": Profile(Estimate(12, 0.3), 600),
        # image pull, disk attach and start of the node, 20–40 s each; the load balancer's address meanwhile
        "besu/start": Profile(Estimate(90, 0.25), 1800, adoptable=True),
        "besu/chain": Profile(Estimate(20, 0.4), 1800, observes=True),
        "contracts/deploy": Profile(Estimate(40, 0.4), 1800),
        "contracts/round": Profile(Estimate(30, 0.4), 1800),
        "monitoring/install": Profile(Estimate(20, 0.3), 900),
        "verification/region": Profile(Estimate(10, 0.3), 600, observes=True),
        "verification/network": Profile(Estimate(15, 0.3), 900, observes=True),
    }
)
