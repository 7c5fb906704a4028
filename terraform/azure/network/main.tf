locals {
  tags = {
    chainfleet-fleet  = var.fleet
    chainfleet-region = var.region
  }

  # The two P2P rules exclude each other: see the README for why the first one is what it is.
  p2p_sources = length(var.peer_prefixes) == 0 ? {
    name     = "p2p-from-azure"
    prefix   = "AzureCloud"
    prefixes = null
    } : {
    name     = "p2p-from-peers"
    prefix   = null
    prefixes = sort(var.peer_prefixes)
  }

  subnets = {
    nodes = {
      range       = cidrsubnet(var.cidr, 2, 0)
      delegations = []
    }
    pods = {
      range       = cidrsubnet(var.cidr, 1, 1)
      delegations = ["Microsoft.ContainerService/managedClusters"]
    }
  }

  public_ip_names = concat(["${var.prefix}-egress"], [for i in range(var.validators) : "${var.prefix}-validator-${i}"])
}

resource "azapi_resource" "resource_group" {
  type      = "Microsoft.Resources/resourceGroups@2024-03-01"
  parent_id = "/subscriptions/${var.account_id}"
  name      = "${var.prefix}-${var.region}"
  location  = var.region
  tags      = local.tags

  response_export_values = []
}

resource "azapi_resource" "security_group" {
  type      = "Microsoft.Network/networkSecurityGroups@2024-05-01"
  parent_id = azapi_resource.resource_group.id
  name      = "${var.prefix}-nsg"
  location  = var.region
  tags      = local.tags

  body = {
    properties = {
      securityRules = [
        {
          name = local.p2p_sources.name
          properties = {
            for key, value in {
              description              = "Validators of the fleet"
              access                   = "Allow"
              direction                = "Inbound"
              priority                 = 200
              protocol                 = "Tcp"
              sourceAddressPrefix      = local.p2p_sources.prefix
              sourceAddressPrefixes    = local.p2p_sources.prefixes
              sourcePortRange          = "*"
              destinationAddressPrefix = "*"
              destinationPortRange     = tostring(var.p2p_port)
            } : key => value if value != null
          }
        },
      ]
    }
  }

  response_export_values = []
}

# Subnets are part of the network's body: one request instead of three, and no two writers of one network.
resource "azapi_resource" "network" {
  type      = "Microsoft.Network/virtualNetworks@2024-05-01"
  parent_id = azapi_resource.resource_group.id
  name      = "${var.prefix}-vnet"
  location  = var.region
  tags      = local.tags

  body = {
    properties = {
      addressSpace = {
        addressPrefixes = [var.cidr]
      }
      subnets = [
        for name in ["nodes", "pods"] : {
          name = name
          properties = {
            addressPrefix = local.subnets[name].range
            networkSecurityGroup = {
              id = azapi_resource.security_group.id
            }
            serviceEndpoints = [
              { service = "Microsoft.KeyVault" },
            ]
            delegations = [
              for service in local.subnets[name].delegations : {
                name = "aks"
                properties = {
                  serviceName = service
                }
              }
            ]
          }
        }
      ]
    }
  }

  response_export_values = []
}

resource "azapi_resource" "public_ip" {
  for_each = toset(local.public_ip_names)

  type      = "Microsoft.Network/publicIPAddresses@2024-05-01"
  parent_id = azapi_resource.resource_group.id
  name      = each.value
  location  = var.region
  tags      = local.tags

  body = {
    for key, value in {
      sku = {
        name = "Standard"
        tier = "Regional"
      }
      zones = length(var.zones) == 0 ? null : var.zones
      properties = {
        publicIPAllocationMethod = "Static"
        publicIPAddressVersion   = "IPv4"
      }
    } : key => value if value != null
  }

  response_export_values = ["properties.ipAddress"]
}
