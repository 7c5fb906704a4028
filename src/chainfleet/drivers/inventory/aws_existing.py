"""What one region of an account has of a fleet, and by which id Terraform's AWS provider imports it.

What carries the fleet's tags comes from the Resource Groups Tagging API, in one list; what that API doesn't hold (IAM,
associations, things with a name of their own) is asked for by name. Ids are those of the provider's documentation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import Any

from chainfleet.drivers.aws import AwsReader, is_absent
from chainfleet.drivers.terraform.plan_finding import MARK, NOTHING, Lookup
from chainfleet.model.errors import TaskFailed

Planned = Mapping[str, Any]

_REGION_MARK = "chainfleet-region"


class AwsExisting:
    """Looks for a fleet's resources in one region.

    Args:
        reader: of the account.
        account: its number.
        fleet: name of the fleet.
        region: name of the region.
    """

    def __init__(self, reader: AwsReader, account: str, fleet: str, region: str) -> None:
        self._reader, self._account, self._fleet, self._region = reader, account, fleet, region

    def look(self, kind: str, planned: Planned) -> Lookup:
        """Look for a resource of a Terraform type by what is planned for it; raises TaskFailed."""
        method = _LOOKS.get(kind)
        if method is None:
            return Lookup(problem=f"how {kind} is imported isn't known here: import it by hand, if it exists")
        try:
            found = method(self, planned)
        except KeyError:
            # What it is named by is known only when something else exists.
            return NOTHING
        except TaskFailed as error:
            if is_absent(error):
                return NOTHING
            raise
        return Lookup(found) if isinstance(found, str) else found

    def strangers(self, known: Collection[str]) -> list[str]:
        """ARNs that carry the fleet's tags in this region and that are none of the known import ids."""
        names = {name.replace(":", "/") for name in known} | set(known)
        return sorted(arn for arn in self._tagged if not names & _names_in(arn))

    @cached_property
    def _tagged(self) -> dict[str, dict[str, str]]:
        """Tags by ARN of everything that is marked as the fleet's in this region."""
        wanted = [
            {"Key": MARK, "Values": [self._fleet]},
            {"Key": _REGION_MARK, "Values": [self._region]},
        ]
        rows = self._reader.rows(
            "resourcegroupstaggingapi",
            self._region,
            "get_resources",
            "ResourceTagMappingList",
            TagFilters=wanted,
        )
        return {row["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in row["Tags"]} for row in rows}

    def _by_tag(self, kind: str, planned: Planned) -> Lookup:
        """Something of EC2's or KMS's, by its tag Name where the module gives it one."""
        wanted = (planned.get("tags") or {}).get("Name")
        service, _, path = kind.partition("/")
        found = [
            arn.rpartition("/")[2]
            for arn, tags in self._tagged.items()
            if arn.split(":")[2] == service and arn.split(":")[5].startswith(f"{path}/")
            if wanted is None or tags.get("Name") == wanted
        ]
        return self._only(found, wanted)

    def _only(self, found: list[str], name: str | None) -> Lookup:
        """The one that there is; several that look the same are nobody's guess."""
        if len(found) > 1:
            what = f"named {name}" if name else "marked as the fleet's"
            return Lookup(problem=f"{len(found)} are {what}: {', '.join(sorted(found))}")
        return Lookup(found[0]) if found else NOTHING

    def _ec2(self, operation: str, key: str, **options: Any) -> list[Any]:
        return self._reader.rows("ec2", self._region, operation, key, **options)

    def _read(self, service: str, operation: str, **options: Any) -> dict[str, Any]:
        return self._reader.read(service, self._region, operation, **options)

    def address(self, planned: Planned) -> Lookup:
        """By its tags."""
        wanted = {"Name": planned["tags"]["Name"], MARK: self._fleet, _REGION_MARK: self._region}
        filters = [{"Name": f"tag:{name}", "Values": [value]} for name, value in wanted.items()]
        rows = self._read("ec2", "describe_addresses", Filters=filters)["Addresses"]
        return self._only([row["AllocationId"] for row in rows], wanted["Name"])

    def default_security_group(self, planned: Planned) -> str:
        """Every VPC has one; Terraform takes it over."""
        filters = [
            {"Name": "vpc-id", "Values": [planned["vpc_id"]]},
            {"Name": "group-name", "Values": ["default"]},
        ]
        rows = self._ec2("describe_security_groups", "SecurityGroups", Filters=filters)
        return rows[0]["GroupId"] if rows else ""

    def route_table_association(self, planned: Planned) -> str:
        """By the subnet, and the table that it has now."""
        subnet = planned["subnet_id"]
        filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
        rows = self._ec2("describe_route_tables", "RouteTables", Filters=filters)
        return f"{subnet}/{rows[0]['RouteTableId']}" if rows else ""

    def flow_log(self, planned: Planned) -> Lookup:
        """The one that watches the VPC."""
        filters = [{"Name": "resource-id", "Values": [planned["vpc_id"]]}]
        rows = self._ec2("describe_flow_logs", "FlowLogs", Filters=filters)
        return self._only([row["FlowLogId"] for row in rows], f"flow logs of {planned['vpc_id']}")

    def log_group(self, planned: Planned) -> str:
        """By its name."""
        name = planned["name"]
        rows = self._reader.rows(
            "logs", self._region, "describe_log_groups", "logGroups", logGroupNamePrefix=name
        )
        return name if any(row["logGroupName"] == name for row in rows) else ""

    def role(self, planned: Planned) -> str:
        """By its name."""
        return str(self._read("iam", "get_role", RoleName=planned["name"])["Role"]["RoleName"])

    def role_policy(self, planned: Planned) -> str:
        """By the names of role and policy."""
        role, name = planned["role"], planned["name"]
        self._read("iam", "get_role_policy", RoleName=role, PolicyName=name)
        return f"{role}:{name}"

    def role_policy_attachment(self, planned: Planned) -> str:
        """By the role's name and the policy's ARN."""
        role, policy = planned["role"], planned["policy_arn"]
        rows = self._reader.rows(
            "iam", self._region, "list_attached_role_policies", "AttachedPolicies", RoleName=role
        )
        return f"{role}/{policy}" if any(row["PolicyArn"] == policy for row in rows) else ""

    def openid_provider(self, planned: Planned) -> str:
        """By its ARN, which follows from the issuer."""
        arn = f"arn:aws:iam::{self._account}:oidc-provider/{planned['url'].removeprefix('https://')}"
        self._read("iam", "get_open_id_connect_provider", OpenIDConnectProviderArn=arn)
        return arn

    def alias(self, planned: Planned) -> str:
        """By its name."""
        name = planned["name"]
        rows = self._reader.rows("kms", self._region, "list_aliases", "Aliases")
        return name if any(row["AliasName"] == name for row in rows) else ""

    def launch_template(self, planned: Planned) -> str:
        """By its name; imported by its id."""
        filters = [{"Name": "launch-template-name", "Values": [planned["name"]]}]
        rows = self._ec2("describe_launch_templates", "LaunchTemplates", Filters=filters)
        return rows[0]["LaunchTemplateId"] if rows else ""

    def cluster(self, planned: Planned) -> str:
        """By its name."""
        return str(self._read("eks", "describe_cluster", name=planned["name"])["cluster"]["name"])

    def node_group(self, planned: Planned) -> str:
        """By the names of cluster and group."""
        cluster, name = planned["cluster_name"], planned["node_group_name"]
        self._read("eks", "describe_nodegroup", clusterName=cluster, nodegroupName=name)
        return f"{cluster}:{name}"

    def addon(self, planned: Planned) -> str:
        """By the names of cluster and add-on."""
        cluster, name = planned["cluster_name"], planned["addon_name"]
        self._read("eks", "describe_addon", clusterName=cluster, addonName=name)
        return f"{cluster}:{name}"

    def access_entry(self, planned: Planned) -> str:
        """By the cluster's name and the principal's ARN."""
        cluster, principal = planned["cluster_name"], planned["principal_arn"]
        self._read("eks", "describe_access_entry", clusterName=cluster, principalArn=principal)
        return f"{cluster}:{principal}"

    def access_policy(self, planned: Planned) -> str:
        """By the cluster's name and the ARNs of principal and policy."""
        cluster, principal, policy = planned["cluster_name"], planned["principal_arn"], planned["policy_arn"]
        rows = self._reader.rows(
            "eks",
            self._region,
            "list_associated_access_policies",
            "associatedAccessPolicies",
            clusterName=cluster,
            principalArn=principal,
        )
        found = any(row["policyArn"] == policy for row in rows)
        return f"{cluster}#{principal}#{policy}" if found else ""


def _names_in(arn: str) -> set[str]:
    """What an import id may call it: what follows the type, for parts of clusters without the number at the end."""
    rest = re.split(r"[/:]", arn.split(":", 5)[-1], maxsplit=1)[-1]
    return {rest, rest.rpartition("/")[0]} - {""}


def _tagged(kind: str) -> Callable[[AwsExisting, Planned], Lookup]:
    return lambda existing, planned: existing._by_tag(kind, planned)


_LOOKS: Mapping[str, Callable[[AwsExisting, Planned], str | Lookup]] = {
    "aws_cloudwatch_log_group": AwsExisting.log_group,
    "aws_default_security_group": AwsExisting.default_security_group,
    "aws_eip": AwsExisting.address,
    "aws_eks_access_entry": AwsExisting.access_entry,
    "aws_eks_access_policy_association": AwsExisting.access_policy,
    "aws_eks_addon": AwsExisting.addon,
    "aws_eks_cluster": AwsExisting.cluster,
    "aws_eks_node_group": AwsExisting.node_group,
    "aws_flow_log": AwsExisting.flow_log,
    "aws_iam_openid_connect_provider": AwsExisting.openid_provider,
    "aws_iam_role": AwsExisting.role,
    "aws_iam_role_policy": AwsExisting.role_policy,
    "aws_iam_role_policy_attachment": AwsExisting.role_policy_attachment,
    "aws_internet_gateway": _tagged("ec2/internet-gateway"),
    "aws_kms_alias": AwsExisting.alias,
    "aws_kms_key": _tagged("kms/key"),
    "aws_launch_template": AwsExisting.launch_template,
    "aws_nat_gateway": _tagged("ec2/natgateway"),
    "aws_route_table": _tagged("ec2/route-table"),
    "aws_route_table_association": AwsExisting.route_table_association,
    "aws_subnet": _tagged("ec2/subnet"),
    "aws_vpc": _tagged("ec2/vpc"),
}

KINDS = frozenset(_LOOKS)
"""Terraform types that can be looked for."""
