from __future__ import annotations

import copy
import json
import tomllib

import kubernetes_validate
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from chainfleet.drivers.besu.manifests import render_region
from chainfleet.drivers.besu.node_config import node_options, toml_text
from chainfleet.drivers.besu.policy import policy_breaches
from chainfleet.drivers.besu.render import region_files, write_rendered
from chainfleet.drivers.kubernetes.yaml_text import yaml_text
from chainfleet.drivers.monitoring import monitoring_manifests
from chainfleet.model.besu.options import option_problem, read_version
from chainfleet.model.errors import InputError
from chainfleet.model.fleet import Fleet, Network

KUBERNETES = "1.34"


@pytest.fixture(scope="module")
def region(chain_138):
    return chain_138.regions[0]


@pytest.fixture(scope="module")
def rendered(chain_138, region, artefacts_of):
    return render_region(chain_138, region, artefacts_of(chain_138, region))


def only(manifests, kind, name):
    (found,) = [m for m in manifests if m["kind"] == kind and m["metadata"]["name"] == name]
    return found


def test_every_object_of_the_example_passes_the_strict_schemas_and_the_policy(chain_138, artefacts_of):
    seen = set()
    for region in chain_138.regions:
        files = region_files(chain_138, region, artefacts_of(chain_138, region))
        assert sorted(files) == ["00-base.yaml", "10-besu.yaml", "20-monitoring.yaml"]
        for manifests in files.values():
            assert policy_breaches(manifests) == ()
            for manifest in manifests:
                # Regions differ in names and addresses only: one of each object is enough for the schemas.
                title = (manifest["kind"], manifest["metadata"]["name"])
                if title not in seen:
                    kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
                    seen.add(title)
    assert len(seen) > 25


def test_the_schemas_would_notice_an_unknown_field(rendered):
    wrong = copy.deepcopy(only(rendered, "StatefulSet", "validator-0"))
    wrong["spec"]["template"]["spec"]["containers"][0]["recources"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


def _pod(manifest):
    return manifest["spec"]["template"]["spec"]


BREAKS = {
    "root": lambda m: _pod(m)["containers"][0]["securityContext"].update(runAsUser=0),
    "maybe root": lambda m: (
        _pod(m)["containers"][0]["securityContext"].pop("runAsNonRoot"),
        _pod(m)["securityContext"].pop("runAsNonRoot"),
    ),
    "latest": lambda m: _pod(m)["containers"][0].update(image="hyperledger/besu:latest"),
    "no tag": lambda m: _pod(m)["containers"][0].update(image="registry.example:5000/besu"),
    "no limit": lambda m: _pod(m)["initContainers"][0]["resources"]["limits"].pop("memory"),
    "writable": lambda m: _pod(m)["containers"][0]["securityContext"].pop("readOnlyRootFilesystem"),
    "privileges": lambda m: _pod(m)["containers"][0]["securityContext"].pop("allowPrivilegeEscalation"),
    "capabilities": lambda m: _pod(m)["containers"][0]["securityContext"].pop("capabilities"),
    "host network": lambda m: _pod(m).update(hostNetwork=True),
    "variable": lambda m: _pod(m)["containers"][0]["env"].append({"name": "DB_PASSWORD", "value": "x"}),
}


@pytest.mark.parametrize("name", BREAKS)
def test_the_policy_notices(rendered, name):
    manifest = copy.deepcopy(only(rendered, "StatefulSet", "validator-0"))
    assert policy_breaches([manifest]) == ()
    BREAKS[name](manifest)
    assert len(policy_breaches([manifest])) == 1


@pytest.mark.parametrize(
    "secret", ["ab" * 32 + "\n", "password = correct-horse", "-----BEGIN EC PRIVATE KEY-----"]
)
def test_the_policy_notices_a_secret_in_a_config_map(rendered, secret):
    manifest = copy.deepcopy(only(rendered, "ConfigMap", "besu-genesis"))
    assert policy_breaches([manifest]) == ()
    manifest["data"]["genesis.json"] += secret
    assert len(policy_breaches([manifest])) == 1


def test_no_secret_key_is_anywhere_but_in_its_secret(rendered, chain_138, region, artefacts_of):
    keys = artefacts_of(chain_138, region).keys
    text = json.dumps([m for m in rendered if m["kind"] != "Secret"])
    for key in keys.values():
        assert key.secret.hex() not in text


def test_a_validators_objects_belong_together(rendered):
    config = tomllib.loads(only(rendered, "ConfigMap", "validator-1-config")["data"]["config.toml"])
    assert config["p2p-host"] == "198.51.0.2"
    assert config["max-peers"] >= 47
    assert config["nat-method"] == "NONE"
    assert config["min-gas-price"] == 0
    p2p = only(rendered, "Service", "validator-1-p2p")
    annotations = p2p["metadata"]["annotations"]
    assert annotations["service.beta.kubernetes.io/azure-pip-name"] == "chain-138-validator-1"
    assert (
        annotations["service.beta.kubernetes.io/azure-load-balancer-resource-group"]
        == "chain-138-northeurope"
    )
    assert p2p["spec"]["externalTrafficPolicy"] == "Local"
    stateful_set = only(rendered, "StatefulSet", "validator-1")
    labels = stateful_set["spec"]["template"]["metadata"]["labels"]
    for selecting in (p2p, only(rendered, "Service", "validator-1"), only(rendered, "Service", "validators")):
        assert selecting["spec"]["selector"].items() <= labels.items()
    other = only(rendered, "Service", "validator-0")["spec"]["selector"]
    assert not other.items() <= labels.items()
    assert stateful_set["spec"]["selector"]["matchLabels"].items() <= labels.items()
    container = stateful_set["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == ["--config-file=/etc/besu/config/config.toml"]
    mounted = {m["mountPath"]: m["name"] for m in container["volumeMounts"]}
    for path in ("genesis-file", "static-nodes-file", "node-private-key-file", "data-path"):
        assert any(config[path].startswith(folder) for folder in mounted), path
    volumes = {v["name"]: v for v in stateful_set["spec"]["template"]["spec"]["volumes"]}
    assert volumes["key"]["secret"]["secretName"] == "validator-1-key"


def test_bring_up_cannot_deadlock(rendered):
    for name in ("validator-0", "validator-0-p2p", "validators"):
        assert only(rendered, "Service", name)["spec"]["publishNotReadyAddresses"] is True
    container = _pod(only(rendered, "StatefulSet", "validator-0"))["containers"][0]
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] == "/liveness", "must not depend on peers or blocks"
    path = container["readinessProbe"]["httpGet"]["path"]
    assert "minPeers=0" in path, "the first validator of all has no peers"
    assert only(rendered, "StatefulSet", "validator-0")["spec"]["updateStrategy"] == {"type": "OnDelete"}


def test_replicas_are_left_to_who_scales(rendered):
    assert all("replicas" not in m["spec"] for m in rendered if m["kind"] == "StatefulSet")


def test_only_peers_are_admitted(rendered):
    policy = only(rendered, "NetworkPolicy", "validators-peers")["spec"]
    (rule,) = policy["ingress"]
    blocks = {s["ipBlock"]["cidr"] for s in rule["from"] if "ipBlock" in s}
    assert len(blocks) == 48
    assert all(block.endswith("/32") for block in blocks)
    assert rule["ports"] == [{"port": 30303, "protocol": "TCP"}]


def test_discovery_opens_udp_as_well(chain_138, region, artefacts_of):
    network = chain_138.network.model_copy(update={"discovery": True})
    open_net = chain_138.model_copy(update={"network": network})
    manifests = render_region(open_net, region, artefacts_of(open_net, region))
    ports = only(manifests, "Service", "validator-0-p2p")["spec"]["ports"]
    assert [(p["port"], p["protocol"]) for p in ports] == [(30303, "TCP"), (30303, "UDP")]
    (rule,) = only(manifests, "NetworkPolicy", "validators-peers")["spec"]["ingress"]
    assert [p["protocol"] for p in rule["ports"]] == ["TCP", "UDP"]
    assert policy_breaches(manifests) == ()
    for manifest in manifests:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_all_regions_get_the_same_genesis_and_peers(chain_138, artefacts_of):
    first = render_region(chain_138, chain_138.regions[0], artefacts_of(chain_138, chain_138.regions[0]))
    last = render_region(chain_138, chain_138.regions[-1], artefacts_of(chain_138, chain_138.regions[-1]))
    for name in ("besu-genesis", "besu-peers"):
        assert only(first, "ConfigMap", name)["data"] == only(last, "ConfigMap", name)["data"]


def test_an_image_is_pinned_by_digest_where_the_fleet_has_one(chain_138, region, artefacts_of):
    digest = "sha256:" + "ab" * 32
    pinned = chain_138.model_copy(
        update={"network": chain_138.network.model_copy(update={"image_digest": digest})}
    )
    manifests = render_region(pinned, region, artefacts_of(chain_138, region))
    for container in _pod(only(manifests, "StatefulSet", "validator-0"))["containers"]:
        assert container["image"] == f"hyperledger/besu:26.8.0@{digest}"


def test_a_change_of_what_besu_reads_means_a_restart(chain_138, region, artefacts_of, rendered):
    slower = chain_138.model_copy(
        update={"network": chain_138.network.model_copy(update={"block_period_seconds": 6})}
    )
    changed = render_region(slower, region, artefacts_of(slower, region))

    def checksum(manifests):
        return only(manifests, "StatefulSet", "validator-0")["spec"]["template"]["metadata"]["annotations"]

    assert checksum(changed) != checksum(rendered)
    assert checksum(rendered) == checksum(render_region(chain_138, region, artefacts_of(chain_138, region)))


@pytest.mark.parametrize("version", ["25.9.0", "26.2.0", "26.5.0", "26.8.0"])
def test_every_option_is_known_to_the_version(version):
    fleet = Fleet(name="net", network=Network(chain_id=1, besu_version=version), regions=())
    options = node_options(fleet, identity="a-v0", p2p_host="192.0.2.1")
    assert tomllib.loads(toml_text(options)) == options
    assert [p for name in options if (p := option_problem(name, read_version(version)))] == []
    assert ("logging-format" in options) == (version == "26.8.0")


@pytest.mark.parametrize(
    ("name", "version", "said"),
    [
        ("miner-enabled", "26.8.0", "removed in Besu 25.12.0"),
        ("logging-format", "26.7.0", "from Besu 26.8.0"),
        ("host-whitelist", "26.8.0", "removed"),
        ("p2p-hots", "26.8.0", "unknown"),
    ],
)
def test_options_that_stop_besu_from_starting_are_named(name, version, said):
    assert said in (option_problem(name, read_version(version)) or "")


@pytest.mark.parametrize("host", ["validator.example.org", "", "300.1.1.1"])
def test_a_p2p_host_that_is_no_address_is_refused(chain_138, host):
    with pytest.raises(InputError, match="p2p-host"):
        node_options(chain_138, identity="a-v0", p2p_host=host)


def test_a_validator_without_an_address_is_refused(chain_138, region, artefacts_of):
    from dataclasses import replace

    artefacts = replace(artefacts_of(chain_138, region), addresses={region.name: ["198.51.0.1"]})
    with pytest.raises(InputError, match="northeurope-1 has no address"):
        render_region(chain_138, region, artefacts)


def test_every_region_gets_its_files(chain_138, tmp_path):
    result = write_rendered(chain_138, tmp_path / "out")
    assert len([file for file in result.files if file.suffix == ".yaml"]) == 3 * 24
    assert (tmp_path / "out" / "central-monitoring" / "rules" / "network.yml").is_file()
    assert sorted(p.name for p in (tmp_path / "out" / "uksouth").iterdir()) == [
        "00-base.yaml",
        "10-besu.yaml",
        "20-monitoring.yaml",
    ]


def test_placeholders_say_what_they_stand_for(chain_138, tmp_path):
    result = write_rendered(chain_138, tmp_path)
    assert result.placeholders["uksouth"] == (
        "UNALLOCATED-genesis",
        "UNALLOCATED-static-nodes",
        "UNALLOCATED-uksouth-0",
        "UNALLOCATED-uksouth-1",
    )
    text = (tmp_path / "uksouth" / "10-besu.yaml").read_text()
    assert 'p2p-host="UNALLOCATED-uksouth-0"' in text
    assert "kind: Secret" not in text


def test_rendered_files_are_what_was_rendered(chain_138, region, artefacts_of):
    for manifests in region_files(chain_138, region, artefacts_of(chain_138, region)).values():
        assert list(yaml.safe_load_all(yaml_text(manifests))) == manifests


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")) | st.sampled_from("\n :-#'\"{}[]&*!|>%@`")
)
keys = texts.filter(lambda key: len(key) < 80)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(keys, values, min_size=1, max_size=4), min_size=1, max_size=3))
def test_any_plain_data_survives_its_yaml(objects):
    assert list(yaml.safe_load_all(yaml_text(objects))) == objects


def test_a_key_longer_than_yaml_reads_is_refused():
    with pytest.raises(ValueError, match="too long"):
        yaml_text([{"k" * 1100: 1}])


def test_prometheus_scrapes_what_the_validators_expose(chain_138, region, rendered):
    manifests = monitoring_manifests(chain_138, region)
    config = yaml.safe_load(only(manifests, "ConfigMap", "prometheus-config")["data"]["prometheus.yml"])
    (job,) = [j for j in config["scrape_configs"] if j["job_name"] == "besu-validator"]
    template = only(rendered, "StatefulSet", "validator-0")["spec"]["template"]
    keeps = {r["source_labels"][0]: r["regex"] for r in job["relabel_configs"] if r.get("action") == "keep"}
    ports = {p["name"] for p in template["spec"]["containers"][0]["ports"]}
    assert keeps["__meta_kubernetes_pod_container_port_name"] in ports
    component = template["metadata"]["labels"]["app.kubernetes.io/component"]
    assert keeps["__meta_kubernetes_pod_label_app_kubernetes_io_component"] == component
