"""What the AWS modules make of one region, made in moto by hand: names and tags are theirs, sizes don't matter."""

from __future__ import annotations

import json
from typing import Any

import boto3

ADDONS = ("vpc-cni", "kube-proxy", "coredns", "aws-ebs-csi-driver", "aws-secrets-store-csi-driver-provider")
ISSUER = "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
_TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
_MAY_READ = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}]}
)

Given = dict[str, dict[str, Any]]
"""What the stand-in of the provider gives a resource that it makes, by type and name."""


class Builder:
    """Makes a region.

    Args:
        environ: where AWS is.
        fleet: name of the fleet, and start of all names.
        region: name of the region.
    """

    def __init__(self, environ: dict[str, str], fleet: str, region: str) -> None:
        self.fleet, self.region, self.name = fleet, region, f"{fleet}-{region}"
        self.zones = [f"{region}{letter}" for letter in "abc"]
        self.given: Given = {}
        session = boto3.session.Session("testing", "testing", region_name=region)
        url = environ["AWS_ENDPOINT_URL"]
        self.ec2, self.iam, self.eks, self.kms, self.logs = (
            session.client(service, endpoint_url=url) for service in ("ec2", "iam", "eks", "kms", "logs")
        )

    @property
    def tags(self) -> dict[str, str]:
        return {"chainfleet-fleet": self.fleet, "chainfleet-region": self.region}

    def _listed(self, name: str = "") -> list[dict[str, str]]:
        tags = self.tags | ({"Name": name} if name else {})
        return [{"Key": key, "Value": value} for key, value in tags.items()]

    def spec(self, kind: str, name: str = "") -> list[dict[str, Any]]:
        return [{"ResourceType": kind, "Tags": self._listed(name)}]

    def note(self, mark: str, resource_id: str, **more: Any) -> str:
        self.given[mark] = {"id": resource_id, **more}
        return resource_id

    def build(self) -> Given:
        """Both stages."""
        self._network()
        self._identities()
        self._cluster()
        return self.given

    def _network(self) -> None:
        fleet, ec2 = self.fleet, self.ec2
        made = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=self.spec("vpc", f"{fleet}-vpc"))
        self.vpc = self.note(f"aws_vpc.{fleet}-vpc", made["Vpc"]["VpcId"])
        groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [self.vpc]}])
        self.note("aws_default_security_group", groups["SecurityGroups"][0]["GroupId"])
        gateway = ec2.create_internet_gateway(TagSpecifications=self.spec("internet-gateway", f"{fleet}-igw"))
        self.note(f"aws_internet_gateway.{fleet}-igw", gateway["InternetGateway"]["InternetGatewayId"])
        self.subnets: dict[str, str] = {}
        for number, use in enumerate(("public", "nodes")):
            table = ec2.create_route_table(
                VpcId=self.vpc, TagSpecifications=self.spec("route-table", f"{fleet}-{use}")
            )["RouteTable"]["RouteTableId"]
            self.note(f"aws_route_table.{fleet}-{use}", table)
            for place, zone in enumerate(self.zones):
                name = f"{fleet}-{use}-{zone}"
                subnet = ec2.create_subnet(
                    VpcId=self.vpc,
                    AvailabilityZone=zone,
                    CidrBlock=f"10.0.{number * 8 + place}.0/24",
                    TagSpecifications=self.spec("subnet", name),
                )["Subnet"]["SubnetId"]
                self.subnets[name] = self.note(f"aws_subnet.{name}", subnet)
                tied = ec2.associate_route_table(SubnetId=subnet, RouteTableId=table)
                self.note(f"aws_route_table_association.{subnet}", tied["AssociationId"])
        addresses = {use: self.address(f"{fleet}-{use}") for use in ("egress", "validator-0")}
        nat = ec2.create_nat_gateway(
            SubnetId=self.subnets[f"{fleet}-public-{self.zones[0]}"],
            AllocationId=addresses["egress"],
            TagSpecifications=self.spec("natgateway", f"{fleet}-nat"),
        )
        self.note(f"aws_nat_gateway.{fleet}-nat", nat["NatGateway"]["NatGatewayId"])
        group = f"/chainfleet/{self.name}/flow"
        self.logs.create_log_group(logGroupName=group, tags=self.tags)
        self.note(f"aws_cloudwatch_log_group.{group}", group)
        log = ec2.create_flow_logs(
            ResourceIds=[self.vpc],
            ResourceType="VPC",
            TrafficType="REJECT",
            LogGroupName=group,
            DeliverLogsPermissionArn=self._role("flow", policy="write"),
            TagSpecifications=self.spec("vpc-flow-log"),
        )
        self.note("aws_flow_log", log["FlowLogIds"][0])

    def address(self, name: str) -> str:
        made = self.ec2.allocate_address(Domain="vpc", TagSpecifications=self.spec("elastic-ip", name))
        return self.note(f"aws_eip.{name}", made["AllocationId"], allocation_id=made["AllocationId"])

    def _role(self, use: str, *, policy: str = "", managed: tuple[str, ...] = ()) -> str:
        name = f"{self.name}-{use}"
        arn: str = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=_TRUST, Tags=self._listed())[
            "Role"
        ]["Arn"]
        self.note(f"aws_iam_role.{name}", name, arn=arn)
        if policy:
            self.iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=_MAY_READ)
            self.note(f"aws_iam_role_policy.{policy}.{name}", f"{name}:{policy}")
        for each in managed:
            self.iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/{each}")
        return arn

    def _identities(self) -> None:
        key = self.kms.create_key(Tags=[{"TagKey": k, "TagValue": v} for k, v in self.tags.items()])
        identity = key["KeyMetadata"]["KeyId"]
        self.note("aws_kms_key", identity, key_id=identity, arn=key["KeyMetadata"]["Arn"])
        self.kms.create_alias(AliasName=f"alias/{self.name}", TargetKeyId=identity)
        self.note(f"aws_kms_alias.alias/{self.name}", f"alias/{self.name}")
        self.cluster_role = self._role("cluster", managed=("AmazonEKSClusterPolicy",))
        nodes = ("AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryReadOnly")
        self.node_role = self._role("nodes", managed=nodes)
        self._role("validators", policy="read-secrets")
        self._role("disks", managed=("service-role/AmazonEBSCSIDriverPolicy",))
        made = self.iam.create_open_id_connect_provider(Url=ISSUER, ThumbprintList=["0" * 40])
        arn = made["OpenIDConnectProviderArn"]
        self.note("aws_iam_openid_connect_provider", arn, arn=arn)

    def _cluster(self) -> None:
        subnets = [self.subnets[f"{self.fleet}-nodes-{zone}"] for zone in self.zones]
        self.eks.create_cluster(
            name=self.name,
            roleArn=self.cluster_role,
            resourcesVpcConfig={"subnetIds": subnets},
            tags=self.tags,
        )
        identity = [{"oidc": [{"issuer": ISSUER}]}]
        self.note(f"aws_eks_cluster.{self.name}", self.name, identity=identity)
        for pool in ("system", "validators"):
            name = f"{self.name}-{pool}"
            made = self.ec2.create_launch_template(
                LaunchTemplateName=name,
                LaunchTemplateData={"InstanceType": "m6i.xlarge"},
                TagSpecifications=self.spec("launch-template"),
            )
            self.note(f"aws_launch_template.{name}", made["LaunchTemplate"]["LaunchTemplateId"])
            self.eks.create_nodegroup(
                clusterName=self.name,
                nodegroupName=pool,
                subnets=subnets,
                nodeRole=self.node_role,
                tags=self.tags,
            )
            self.note(f"aws_eks_node_group.{pool}", f"{self.name}:{pool}")
        for addon in ADDONS:
            self.note(f"aws_eks_addon.{addon}", f"{self.name}:{addon}")

    def documents(self) -> dict[str, Any]:
        """What moto doesn't know of it."""
        rows = {addon: {"addonName": addon, "clusterName": self.name} for addon in ADDONS}
        return {f"/clusters/{self.name}/addons/{name}": {"addon": row} for name, row in rows.items()}
