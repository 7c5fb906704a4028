variable "account_id" {
  description = "Subscription that the region lives in."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", var.account_id))
    error_message = "account_id must be a UUID."
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
  description = "Availability zones that the public addresses span; empty where the region has none."
  type        = list(string)
  default     = ["1", "2", "3"]

  validation {
    condition     = alltrue([for zone in var.zones : contains(["1", "2", "3"], zone)])
    error_message = "zones may hold \"1\", \"2\" and \"3\" only."
  }
}

variable "cidr" {
  description = "IPv4 range of the region's virtual network, /16 to /22; its second half goes to pods, its first quarter to nodes."
  type        = string

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && try(tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 22, false)
    error_message = "cidr must be an IPv4 range from /16 to /22, e.g. 10.7.0.0/16."
  }
}

variable "validators" {
  description = "How many validators the region carries; each gets a static public address."
  type        = number

  validation {
    condition     = var.validators >= 0 && var.validators <= 16 && floor(var.validators) == var.validators
    error_message = "validators must be a whole number from 0 to 16."
  }
}

variable "p2p_port" {
  description = "TCP port on which validators talk to each other."
  type        = number
  default     = 30303

  validation {
    condition     = var.p2p_port >= 1 && var.p2p_port <= 65535
    error_message = "p2p_port must be from 1 to 65535."
  }
}

variable "peer_prefixes" {
  description = "Addresses or ranges that may open the P2P port. Empty while they are not known yet: then Azure's own public ranges may (service tag AzureCloud), never the Internet."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for prefix in var.peer_prefixes : can(cidrhost(strcontains(prefix, "/") ? prefix : "${prefix}/32", 0)) && !endswith(prefix, "/0")])
    error_message = "peer_prefixes must be IPv4 addresses or ranges, and not 0.0.0.0/0."
  }
}
