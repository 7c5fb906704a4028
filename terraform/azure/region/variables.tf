variable "account_id" {
  description = "Subscription that the region lives in."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", var.account_id))
    error_message = "account_id must be a UUID."
  }
}

variable "tenant_id" {
  description = "Entra tenant that the key vault trusts."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", var.tenant_id))
    error_message = "tenant_id must be a UUID."
  }
}

variable "fleet" {
  description = "Name of the fleet; every resource carries it as the tag chainfleet-fleet."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,38}[a-z0-9]$", var.fleet))
    error_message = "fleet must be 2 to 40 lower-case letters, digits and hyphens, starting with a letter."
  }
}

variable "prefix" {
  description = "Start of the names of all resources."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,38}[a-z0-9]$", var.prefix))
    error_message = "prefix must be 2 to 40 lower-case letters, digits and hyphens, starting with a letter."
  }
}

variable "region" {
  description = "Azure's name of the region, e.g. northeurope."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]+$", var.region))
    error_message = "region must be Azure's short name in lower case, e.g. northeurope."
  }
}

variable "zones" {
  description = "Availability zones that the nodes spread over; empty where the region has none."
  type        = list(string)
  default     = ["1", "2", "3"]

  validation {
    condition     = alltrue([for zone in var.zones : contains(["1", "2", "3"], zone)])
    error_message = "zones may hold \"1\", \"2\" and \"3\" only."
  }
}

variable "group" {
  description = "Name of the resource group that the network stage made."
  type        = string
}

variable "node_subnet_ids" {
  description = "Ids of the subnets of the nodes, from the network stage; Azure takes the first."
  type        = list(string)
}

variable "pod_subnet_ids" {
  description = "Ids of the subnets of the pods, from the network stage; Azure takes the first."
  type        = list(string)
}

variable "egress_public_ip_id" {
  description = "Id of the public address that pods dial out from, from the network stage."
  type        = string
}

variable "kubernetes_version" {
  description = "Kubernetes minor version; AKS takes its newest patch and keeps it up to date."
  type        = string
  default     = "1.34"

  validation {
    condition     = can(regex("^1\\.[0-9]{2}$", var.kubernetes_version))
    error_message = "kubernetes_version must be a minor version such as 1.34: patches are AKS's business."
  }
}

variable "system_vm_size" {
  description = "VM size of the system node pool (B-series is not supported there)."
  type        = string
  default     = "Standard_D4s_v5"

  validation {
    condition     = can(regex("^Standard_[A-Z]", var.system_vm_size)) && !startswith(var.system_vm_size, "Standard_B")
    error_message = "system_vm_size must be an Azure VM size that is not of the B-series."
  }
}

variable "system_nodes" {
  description = "Nodes of the system node pool."
  type        = number
  default     = 1

  validation {
    condition     = var.system_nodes >= 1 && var.system_nodes <= 100
    error_message = "system_nodes must be from 1 to 100."
  }
}

variable "validator_vm_size" {
  description = "VM size of the validators' node pool; it must allow premium disks (an s in its name)."
  type        = string
  default     = "Standard_D4s_v5"

  validation {
    condition     = can(regex("^Standard_[A-Z]+[0-9]+[a-z-]*s", var.validator_vm_size))
    error_message = "validator_vm_size must be an Azure VM size with premium storage, e.g. Standard_D4s_v5."
  }
}

variable "validator_nodes" {
  description = "Nodes of the validators' node pool; one per validator keeps them on separate machines."
  type        = number
  default     = 2

  validation {
    condition     = var.validator_nodes >= 1 && var.validator_nodes <= 100
    error_message = "validator_nodes must be from 1 to 100."
  }
}

variable "service_cidr" {
  description = "Range of Kubernetes service addresses; cluster-internal, so all regions may share it, but it must not overlap any network."
  type        = string
  default     = "172.16.0.0/16"

  validation {
    condition     = can(cidrhost(var.service_cidr, 10))
    error_message = "service_cidr must be an IPv4 range with at least 16 addresses."
  }
}

variable "maintenance_slot" {
  description = "Which of the 42 weekly four-hour maintenance windows the region takes; different for every region of a fleet, so that upgrades never cost the chain its quorum."
  type        = number
  default     = 0

  validation {
    condition     = var.maintenance_slot >= 0 && floor(var.maintenance_slot) == var.maintenance_slot
    error_message = "maintenance_slot must be a whole number, 0 or more."
  }
}

variable "namespace" {
  description = "Kubernetes namespace of the validators."
  type        = string
  default     = "besu"
}

variable "service_account" {
  description = "Kubernetes service account of the validators; it may act as their managed identity."
  type        = string
  default     = "validator"
}

variable "authorized_ip_ranges" {
  description = "Ranges that may reach the Kubernetes API; empty means everywhere (behind its credentials)."
  type        = list(string)
  default     = []
}

variable "administrator_groups" {
  description = "Object ids of the Entra groups that administer the cluster; empty leaves Entra out of it."
  type        = list(string)
  default     = []
}

variable "vault_allowed_ips" {
  description = "Addresses outside the region's network that may reach the key vault."
  type        = list(string)
  default     = []
}

variable "vault_purge_protection" {
  description = "Whether a deleted key vault can't be purged before its retention ends. Once on, Azure never lets it be turned off."
  type        = bool
  default     = true
}

variable "vault_recover" {
  description = "Whether to bring back the deleted key vault of that name that Azure still keeps. For one apply only: Azure refuses it for a vault that is not deleted."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "Days that the control plane's logs are kept in a Log Analytics workspace; 0 means no workspace."
  type        = number
  default     = 0

  validation {
    condition     = var.log_retention_days == 0 || (var.log_retention_days >= 30 && var.log_retention_days <= 730)
    error_message = "log_retention_days must be 0, or from 30 to 730."
  }
}
