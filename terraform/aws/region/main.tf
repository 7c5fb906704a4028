locals {
  name = "${var.prefix}-${var.region}"

  managed = "arn:aws:iam::aws:policy"

  pools = {
    system     = { nodes = var.system_nodes, size = var.system_vm_size, taint = "CriticalAddonsOnly", value = "true" }
    validators = { nodes = var.validator_nodes, size = var.validator_vm_size, taint = "chainfleet.io/validators", value = "true" }
  }

  issuer = replace(aws_eks_cluster.cluster.identity[0].oidc[0].issuer, "https://", "")
}

# --- the key that encrypts Kubernetes secrets, the validators' disks' snapshots and their secrets at rest

resource "aws_kms_key" "vault" {
  description             = "Secrets of ${local.name}"
  enable_key_rotation     = true
  deletion_window_in_days = var.vault_purge_protection ? 30 : 7
}

resource "aws_kms_alias" "vault" {
  name          = "alias/${local.name}"
  target_key_id = aws_kms_key.vault.key_id
}

# --- who the cluster, its nodes and the validators are

resource "aws_iam_role" "cluster" {
  name = "${local.name}-cluster"

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = ["sts:AssumeRole", "sts:TagSession"], Principal = { Service = "eks.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy_attachment" "cluster" {
  role       = aws_iam_role.cluster.name
  policy_arn = "${local.managed}/AmazonEKSClusterPolicy"
}

resource "aws_iam_role" "nodes" {
  name = "${local.name}-nodes"

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy_attachment" "nodes" {
  for_each = toset(["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryReadOnly"])

  role       = aws_iam_role.nodes.name
  policy_arn = "${local.managed}/${each.key}"
}

resource "aws_iam_openid_connect_provider" "cluster" {
  url            = aws_eks_cluster.cluster.identity[0].oidc[0].issuer
  client_id_list = ["sts.amazonaws.com"]
}

# The validators' service account may act as this role, and the role may read the fleet's own secrets only.
resource "aws_iam_role" "validators" {
  name = "${local.name}-validators"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = aws_iam_openid_connect_provider.cluster.arn }
      Condition = { StringEquals = {
        "${local.issuer}:sub" = "system:serviceaccount:${var.namespace}:${var.service_account}"
        "${local.issuer}:aud" = "sts.amazonaws.com"
      } }
    }]
  })
}

resource "aws_iam_role_policy" "validators" {
  name = "read-secrets"
  role = aws_iam_role.validators.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
        Resource = "arn:aws:secretsmanager:${var.region}:${var.account_id}:secret:${var.prefix}/*"
      },
      { Effect = "Allow", Action = "kms:Decrypt", Resource = aws_kms_key.vault.arn },
    ]
  })
}

# --- the cluster and its node pools

resource "aws_cloudwatch_log_group" "cluster" {
  count = var.log_retention_days == 0 ? 0 : 1

  name              = "/aws/eks/${local.name}/cluster"
  retention_in_days = var.log_retention_days
}

resource "aws_eks_cluster" "cluster" {
  name     = local.name
  version  = var.kubernetes_version
  role_arn = aws_iam_role.cluster.arn

  enabled_cluster_log_types = var.log_retention_days == 0 ? [] : ["api", "audit", "authenticator"]

  access_config {
    authentication_mode                         = "API"
    bootstrap_cluster_creator_admin_permissions = true
  }

  vpc_config {
    subnet_ids              = var.node_subnet_ids
    endpoint_private_access = true
    endpoint_public_access  = true
    public_access_cidrs     = length(var.authorized_ip_ranges) == 0 ? ["0.0.0.0/0"] : var.authorized_ip_ranges
  }

  kubernetes_network_config {
    service_ipv4_cidr = var.service_cidr
  }

  encryption_config {
    resources = ["secrets"]

    provider {
      key_arn = aws_kms_key.vault.arn
    }
  }

  upgrade_policy {
    support_type = "STANDARD"
  }

  depends_on = [aws_iam_role_policy_attachment.cluster, aws_cloudwatch_log_group.cluster]

  # Orders for the creation only, which the provider doesn't read back: they must never replace a cluster that exists.
  lifecycle {
    ignore_changes = [access_config[0].bootstrap_cluster_creator_admin_permissions, bootstrap_self_managed_addons]
  }

  timeouts {
    create = "45m"
    delete = "45m"
  }
}

resource "aws_eks_access_entry" "administrators" {
  for_each = toset(var.administrator_groups)

  cluster_name  = aws_eks_cluster.cluster.name
  principal_arn = each.value
}

resource "aws_eks_access_policy_association" "administrators" {
  for_each = aws_eks_access_entry.administrators

  cluster_name  = aws_eks_cluster.cluster.name
  principal_arn = each.value.principal_arn
  policy_arn    = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"

  access_scope {
    type = "cluster"
  }
}

resource "aws_launch_template" "pool" {
  for_each = local.pools

  name = "${local.name}-${each.key}"

  # Only IMDSv2, and not from inside pods.
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type = "gp3"
      volume_size = 64
      encrypted   = true
    }
  }
}

resource "aws_eks_node_group" "pool" {
  for_each = local.pools

  cluster_name    = aws_eks_cluster.cluster.name
  node_group_name = each.key
  node_role_arn   = aws_iam_role.nodes.arn
  subnet_ids      = var.node_subnet_ids
  instance_types  = [each.value.size]
  ami_type        = "AL2023_x86_64_STANDARD"

  launch_template {
    id      = aws_launch_template.pool[each.key].id
    version = aws_launch_template.pool[each.key].latest_version
  }

  scaling_config {
    desired_size = each.value.nodes
    min_size     = each.value.nodes
    max_size     = each.value.nodes + 1
  }

  # One node at a time, so that an upgrade never takes both validators of a region.
  update_config {
    max_unavailable = 1
  }

  labels = each.key == "validators" ? { "chainfleet.io/pool" = "validators" } : {}

  taint {
    key    = each.value.taint
    value  = each.value.value
    effect = "NO_SCHEDULE"
  }

  depends_on = [aws_iam_role_policy_attachment.nodes]
}

# --- what pods need of the cloud: addresses, disks, secrets

resource "aws_iam_role" "disks" {
  name = "${local.name}-disks"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = aws_iam_openid_connect_provider.cluster.arn }
      Condition = { StringEquals = { "${local.issuer}:sub" = "system:serviceaccount:kube-system:ebs-csi-controller-sa" } }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "disks" {
  role       = aws_iam_role.disks.name
  policy_arn = "${local.managed}/service-role/AmazonEBSCSIDriverPolicy"
}

resource "aws_eks_addon" "addon" {
  for_each = {
    vpc-cni                               = { role = null, values = jsonencode({ enableNetworkPolicy = "true" }) }
    kube-proxy                            = { role = null, values = null }
    coredns                               = { role = null, values = null }
    aws-ebs-csi-driver                    = { role = aws_iam_role.disks.arn, values = null }
    aws-secrets-store-csi-driver-provider = { role = null, values = null }
  }

  cluster_name             = aws_eks_cluster.cluster.name
  addon_name               = each.key
  service_account_role_arn = each.value.role
  configuration_values     = each.value.values

  # A new cluster comes with copies of the first three that nobody manages; the add-on takes their place.
  resolve_conflicts_on_create = "OVERWRITE"

  depends_on = [aws_eks_node_group.pool]
}
