variable "account_id" {
  description = "Project that the region lives in."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.account_id))
    error_message = "account_id must be a project id."
  }
}

variable "tenant_id" {
  description = "Directory of the operators; not used by Google Cloud."
  type        = string
  default     = ""
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
  description = "Google Cloud's name of the region, e.g. europe-west1."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region)) && !startswith(var.region, "us-")
    error_message = "region must be a Google Cloud region outside the United States, e.g. europe-west1."
  }
}

variable "zones" {
  description = "Zones to spread over, e.g. europe-west1-b; empty leaves the choice to Google Cloud."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.zones) <= 3
    error_message = "zones may name three at most."
  }
}

variable "group" {
  description = "Name of the network that the network stage made."
  type        = string
}

variable "node_subnet_ids" {
  description = "Ids of the subnets of the nodes, from the network stage."
  type        = list(string)
}

variable "pod_subnet_ids" {
  description = "Names of the secondary ranges of pods and services, from the network stage."
  type        = list(string)
}

variable "egress_public_ip_id" {
  description = "Id of the address that pods dial out from; the router of the network stage has it."
  type        = string
}

variable "kubernetes_version" {
  description = "Kubernetes minor version; GKE keeps its patch up to date."
  type        = string
  default     = "1.34"

  validation {
    condition     = can(regex("^1\\.[0-9]{2}$", var.kubernetes_version))
    error_message = "kubernetes_version must be a minor version such as 1.34: patches are the cloud's business."
  }
}

variable "system_vm_size" {
  description = "Machine type of the system node pool."
  type        = string
  default     = "n2-standard-4"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*-[a-z]+-[0-9]+$", var.system_vm_size))
    error_message = "system_vm_size must be a machine type, e.g. n2-standard-4."
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
  description = "Machine type of the validators' node pool."
  type        = string
  default     = "n2-standard-4"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*-[a-z]+-[0-9]+$", var.validator_vm_size))
    error_message = "validator_vm_size must be a machine type, e.g. n2-standard-4."
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
  description = "Range of Kubernetes service addresses. Not used by Google Cloud: services have a range of the network's own."
  type        = string
  default     = "172.16.0.0/16"

  validation {
    condition     = can(cidrhost(var.service_cidr, 10))
    error_message = "service_cidr must be an IPv4 range with at least 16 addresses."
  }
}

variable "maintenance_slot" {
  description = "Which of 42 times a week the region's maintenance window of twelve hours starts at (GKE refuses shorter weekly ones); different for every region of a fleet, so that few regions are upgraded at once."
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
  description = "Kubernetes service account of the validators; it may act as their identity."
  type        = string
  default     = "validator"
}

variable "authorized_ip_ranges" {
  description = "Ranges that may reach the Kubernetes API; empty means everywhere (behind its credentials)."
  type        = list(string)
  default     = []
}

variable "administrator_groups" {
  description = "Google groups that administer the cluster; they get the role container.admin."
  type        = list(string)
  default     = []
}

variable "vault_allowed_ips" {
  description = "Not used by Google Cloud: its Secret Manager is reached by IAM, not by address."
  type        = list(string)
  default     = []
}

variable "vault_purge_protection" {
  description = "Whether a destroyed key version is kept for 30 days; else it is one."
  type        = bool
  default     = true
}

variable "vault_recover" {
  description = "Not used by Google Cloud: key rings can't be deleted."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "Not used by Google Cloud beyond switching the logs on: their retention is the project's."
  type        = number
  default     = 0

  validation {
    condition     = var.log_retention_days == 0 || (var.log_retention_days >= 30 && var.log_retention_days <= 730)
    error_message = "log_retention_days must be 0, or from 30 to 730."
  }
}
