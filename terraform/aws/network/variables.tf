variable "account_id" {
  description = "Account that the region lives in."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be twelve digits."
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
  description = "TCP port on which validators talk to each other. Not used by AWS: the validators' services open it."
  type        = number
  default     = 30303

  validation {
    condition     = var.p2p_port >= 1 && var.p2p_port <= 65535
    error_message = "p2p_port must be from 1 to 65535."
  }
}

variable "peer_prefixes" {
  description = "Addresses or ranges that may open the P2P port. Not used by AWS: the load balancers of the validators' services admit peers only."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for prefix in var.peer_prefixes : can(cidrhost(strcontains(prefix, "/") ? prefix : "${prefix}/32", 0)) && !endswith(prefix, "/0")])
    error_message = "peer_prefixes must be IPv4 addresses or ranges, and not 0.0.0.0/0."
  }
}
