terraform {
  required_version = ">= 1.5.0"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.0"
    }
  }
}

# Credentials come from the environment (application default credentials, workload identity federation).
provider "google" {
  project = var.account_id
  region  = var.region

  default_labels = {
    chainfleet-fleet  = var.fleet
    chainfleet-region = var.region
  }
}
