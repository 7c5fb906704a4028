terraform {
  required_version = ">= 1.5.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

# Credentials come from the environment (AWS_PROFILE, AWS_ROLE_ARN, …); the account is checked, so that a wrong profile
# can't deploy a fleet into somebody else's.
provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = {
      chainfleet-fleet  = var.fleet
      chainfleet-region = var.region
    }
  }
}
