terraform {
  required_version = ">= 1.5.0"

  required_providers {
    azapi = {
      source  = "Azure/azapi"
      version = "~> 2.3"
    }
  }
}

# Endpoint and credentials come from the environment (ARM_*), so the same module serves every cloud that speaks ARM.
provider "azapi" {}
