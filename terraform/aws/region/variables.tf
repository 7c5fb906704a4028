variable "account_id" {
  description = "Account that the region lives in."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be twelve digits."
  }
}

variable "tenant_id" {
  description = "Directory of the operators; not used by AWS."
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
  description = "AWS's name of the region, e.g. eu-west-1."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region)) && !startswith(var.region, "us-")
    error_message = "region must be an AWS region outside the United States, e.g. eu-west-1."
  }
}

variable "zones" {
  description = "Availability zones to spread over, e.g. eu-west-1a; empty means the region's first three."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.zones) <= 3
    error_message = "zones may name three at most."
  }
}

variable "group" {
  description = "Id of the VPC that the network stage made."
  type        = string
}

variable "node_subnet_ids" {
  description = "Ids of the subnets of the nodes, from the network stage."
  type        = list(string)
}

variable "pod_subnet_ids" {
  description = "Ids of the subnets of the pods, from the network stage; the VPC CNI takes pod addresses from the nodes' own."
  type        = list(string)
}

variable "egress_public_ip_id" {
  description = "Id of the address that pods dial out from; the NAT gateway of the network stage has it."
  type        = string
}

variable "kubernetes_version" {
  description = "Kubernetes minor version; EKS keeps its patch up to date."
  type        = string
  default     = "1.34"

  validation {
    condition     = can(regex("^1\\.[0-9]{2}$", var.kubernetes_version))
    error_message = "kubernetes_version must be a minor version such as 1.34: patches are the cloud's business."
  }
}

variable "system_vm_size" {
  description = "Instance type of the system node pool."
  type        = string
  default     = "m6i.xlarge"

  validation {
    condition     = can(regex("^[a-z0-9-]+\\.[a-z0-9]+$", var.system_vm_size))
    error_message = "system_vm_size must be an EC2 instance type, e.g. m6i.xlarge."
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
  description = "Instance type of the validators' node pool."
  type        = string
  default     = "m6i.xlarge"

  validation {
    condition     = can(regex("^[a-z0-9-]+\\.[a-z0-9]+$", var.validator_vm_size))
    error_message = "validator_vm_size must be an EC2 instance type, e.g. m6i.xlarge."
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
  description = "Which of the 42 weekly four-hour maintenance windows the region takes. Not used by AWS: EKS upgrades when it is told to."
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
  description = "ARNs of the IAM principals that administer the cluster, besides who made it."
  type        = list(string)
  default     = []
}

variable "vault_allowed_ips" {
  description = "Not used by AWS: its Secrets Manager is reached by IAM, not by address."
  type        = list(string)
  default     = []
}

variable "vault_purge_protection" {
  description = "Whether a deleted key can't be purged before its retention of 30 days ends; else it is 7."
  type        = bool
  default     = true
}

variable "vault_recover" {
  description = "Not used by AWS: a deleted key keeps no name from being used."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "Days that the control plane's logs are kept in CloudWatch; 0 means no logs."
  type        = number
  default     = 0

  validation {
    condition     = var.log_retention_days == 0 || (var.log_retention_days >= 30 && var.log_retention_days <= 730)
    error_message = "log_retention_days must be 0, or from 30 to 730."
  }
}
