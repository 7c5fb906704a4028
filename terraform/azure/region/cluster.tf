locals {
  # One of 42 windows: seven days by six windows of four hours.
  maintenance_day  = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"][var.maintenance_slot % 7]
  maintenance_hour = 4 * (floor(var.maintenance_slot / 7) % 6)

  pools = {
    system = {
      mode   = "System"
      nodes  = var.system_nodes
      size   = var.system_vm_size
      labels = {}
      taints = ["CriticalAddonsOnly=true:NoSchedule"]
    }
    validators = {
      mode   = "User"
      nodes  = var.validator_nodes
      size   = var.validator_vm_size
      labels = { "chainfleet.io/pool" = "validators" }
      taints = ["chainfleet.io/validators=true:NoSchedule"]
    }
  }
}

# Both node pools are made with the cluster: one long-running operation instead of two in a row.
resource "azapi_resource" "cluster" {
  type      = "Microsoft.ContainerService/managedClusters@2025-05-01"
  parent_id = local.resource_group_id
  name      = "${var.prefix}-aks"
  location  = var.region
  tags      = local.tags

  identity {
    type         = "UserAssigned"
    identity_ids = [azapi_resource.cluster_identity.id]
  }

  body = {
    sku = {
      name = "Base"
      tier = "Standard"
    }
    properties = {
      for key, value in {
        kubernetesVersion = var.kubernetes_version
        dnsPrefix         = "${var.prefix}-${var.region}"
        enableRBAC        = true

        agentPoolProfiles = [
          for name in ["system", "validators"] : {
            for key, value in {
              name              = name
              mode              = local.pools[name].mode
              count             = local.pools[name].nodes
              vmSize            = local.pools[name].size
              type              = "VirtualMachineScaleSets"
              osType            = "Linux"
              osSKU             = "Ubuntu"
              availabilityZones = length(var.zones) == 0 ? null : var.zones
              vnetSubnetID      = var.node_subnet_ids[0]
              podSubnetID       = var.pod_subnet_ids[0]
              maxPods           = 60
              nodeLabels        = local.pools[name].labels
              nodeTaints        = local.pools[name].taints
              # One node at a time, and the next one only after the validator had time to catch up.
              upgradeSettings = { maxSurge = "1", drainTimeoutInMinutes = 30, nodeSoakDurationInMinutes = 5 }
            } : key => value if value != null
          }
        ]

        networkProfile = {
          networkPlugin    = "azure"
          networkDataplane = "cilium"
          networkPolicy    = "cilium"
          loadBalancerSku  = "standard"
          outboundType     = "loadBalancer"
          # A known source address, so that other regions can admit this one by address.
          loadBalancerProfile = { outboundIPs = { publicIPs = [{ id = var.egress_public_ip_id }] } }
          serviceCidr         = var.service_cidr
          dnsServiceIP        = cidrhost(var.service_cidr, 10)
        }

        oidcIssuerProfile = { enabled = true }
        securityProfile   = { workloadIdentity = { enabled = true } }

        addonProfiles = {
          azureKeyvaultSecretsProvider = { enabled = true, config = { enableSecretRotation = "false" } }
        }

        autoUpgradeProfile = {
          upgradeChannel       = "patch"
          nodeOSUpgradeChannel = "NodeImage"
        }

        apiServerAccessProfile = length(var.authorized_ip_ranges) == 0 ? null : { authorizedIPRanges = var.authorized_ip_ranges }
        aadProfile = length(var.administrator_groups) == 0 ? null : {
          managed             = true
          adminGroupObjectIDs = var.administrator_groups
          tenantID            = var.tenant_id
        }
      } : key => value if value != null
    }
  }

  # A role assignment takes up to ten minutes to reach all of Azure; until then the cluster is refused.
  retry = {
    error_message_regex  = ["LinkedAuthorizationFailed", "CustomSubnetMissingPermission", "does not have authorization to perform action"]
    interval_seconds     = 15
    max_interval_seconds = 60
  }

  timeouts {
    create = "90m"
    update = "90m"
    delete = "90m"
  }

  response_export_values = ["properties.oidcIssuerProfile.issuerURL"]

  depends_on = [azapi_resource.cluster_may_use_network]
}

resource "azapi_resource" "maintenance" {
  for_each = toset(["aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule"])

  type      = "Microsoft.ContainerService/managedClusters/maintenanceConfigurations@2025-05-01"
  parent_id = azapi_resource.cluster.id
  name      = each.value

  body = {
    properties = {
      maintenanceWindow = {
        durationHours = 4
        startTime     = format("%02d:00", local.maintenance_hour)
        utcOffset     = "+00:00"
        schedule = {
          weekly = {
            dayOfWeek     = local.maintenance_day
            intervalWeeks = 1
          }
        }
      }
    }
  }

  response_export_values = []
}

# The validators' service account may act as their managed identity.
resource "azapi_resource" "federated_credential" {
  type      = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31"
  parent_id = azapi_resource.identity.id
  name      = "validators"

  body = {
    properties = {
      audiences = ["api://AzureADTokenExchange"]
      issuer    = azapi_resource.cluster.output.properties.oidcIssuerProfile.issuerURL
      subject   = "system:serviceaccount:${var.namespace}:${var.service_account}"
    }
  }

  response_export_values = []
}

# --- logs of the control plane, where wanted

resource "azapi_resource" "logs" {
  count = var.log_retention_days == 0 ? 0 : 1

  type      = "Microsoft.OperationalInsights/workspaces@2023-09-01"
  parent_id = local.resource_group_id
  name      = "${var.prefix}-logs"
  location  = var.region
  tags      = local.tags

  body = {
    properties = {
      retentionInDays = var.log_retention_days
      sku             = { name = "PerGB2018" }
    }
  }

  response_export_values = []
}

resource "azapi_resource" "cluster_logs" {
  count = var.log_retention_days == 0 ? 0 : 1

  type      = "Microsoft.Insights/diagnosticSettings@2021-05-01-preview"
  parent_id = azapi_resource.cluster.id
  name      = "${var.prefix}-logs"

  body = {
    properties = {
      workspaceId = azapi_resource.logs[0].id
      logs = [
        for category in ["kube-apiserver", "kube-audit-admin", "guard"] : { category = category, enabled = true }
      ]
    }
  }

  response_export_values = []
}
