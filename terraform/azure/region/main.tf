locals {
  tags = {
    chainfleet-fleet  = var.fleet
    chainfleet-region = var.region
  }

  resource_group_id = "/subscriptions/${var.account_id}/resourceGroups/${var.group}"
  role_definitions  = "/subscriptions/${var.account_id}/providers/Microsoft.Authorization/roleDefinitions"

  # Ids of Azure's built-in roles: the same in every tenant.
  roles = {
    network_contributor    = "4d97b98b-1d4f-4787-a291-c67834d212e7"
    key_vault_secrets_user = "4633458b-17de-408a-b874-0445c86b69e6"
  }

  # Vault names are unique in all of Azure and have at most 24 characters.
  key_vault_name = "${substr(replace(var.prefix, "-", ""), 0, 8)}${substr(sha256(lower(local.resource_group_id)), 0, 14)}"
}

# --- identities: the cluster's own, and the validators'. Pods never get the cluster's rights.

resource "azapi_resource" "cluster_identity" {
  type      = "Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31"
  parent_id = local.resource_group_id
  name      = "${var.prefix}-cluster"
  location  = var.region
  tags      = local.tags

  response_export_values = ["properties.principalId"]
}

resource "azapi_resource" "identity" {
  type      = "Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31"
  parent_id = local.resource_group_id
  name      = "${var.prefix}-identity"
  location  = var.region
  tags      = local.tags

  response_export_values = ["properties.principalId", "properties.clientId"]
}

# The cluster joins nodes to our subnets and binds our public addresses.
resource "azapi_resource" "cluster_may_use_network" {
  type      = "Microsoft.Authorization/roleAssignments@2022-04-01"
  parent_id = local.resource_group_id
  # A role assignment can't be changed, so its name follows from what it says.
  name = uuidv5("oid", "${local.resource_group_id}|network|${azapi_resource.cluster_identity.output.properties.principalId}")

  body = {
    properties = {
      principalId      = azapi_resource.cluster_identity.output.properties.principalId
      principalType    = "ServicePrincipal"
      roleDefinitionId = "${local.role_definitions}/${local.roles.network_contributor}"
    }
  }

  response_export_values = []
}

# --- key vault: validators read their keys from it, over the region's own subnets only

resource "azapi_resource" "key_vault" {
  type      = "Microsoft.KeyVault/vaults@2023-07-01"
  parent_id = local.resource_group_id
  name      = local.key_vault_name
  location  = var.region
  tags      = local.tags

  body = {
    properties = {
      for key, value in {
        createMode                = var.vault_recover ? "recover" : null
        tenantId                  = var.tenant_id
        sku                       = { family = "A", name = "standard" }
        enableRbacAuthorization   = true
        enableSoftDelete          = true
        softDeleteRetentionInDays = var.vault_purge_protection ? 90 : 7
        enablePurgeProtection     = var.vault_purge_protection ? true : null
        publicNetworkAccess       = "Enabled"
        networkAcls = {
          bypass              = "AzureServices"
          defaultAction       = "Deny"
          ipRules             = [for address in var.vault_allowed_ips : { value = address }]
          virtualNetworkRules = [for subnet in [var.node_subnet_ids[0], var.pod_subnet_ids[0]] : { id = subnet }]
        }
      } : key => value if value != null
    }
  }

  response_export_values = ["properties.vaultUri"]
}

resource "azapi_resource" "validators_may_read_secrets" {
  type      = "Microsoft.Authorization/roleAssignments@2022-04-01"
  parent_id = azapi_resource.key_vault.id
  name      = uuidv5("oid", "${local.resource_group_id}|secrets|${azapi_resource.identity.output.properties.principalId}")

  body = {
    properties = {
      principalId      = azapi_resource.identity.output.properties.principalId
      principalType    = "ServicePrincipal"
      roleDefinitionId = "${local.role_definitions}/${local.roles.key_vault_secrets_user}"
    }
  }

  response_export_values = []
}
