locals {
  # Google's names have 30 characters at most.
  short = substr("${var.prefix}-${substr(sha256("${var.prefix}-${var.region}"), 0, 6)}", 0, 24)

  # Starts at one of 42 times: seven days by six windows of four hours, as in the other clouds. GKE refuses a policy
  # that leaves less than 48 hours of maintenance in 32 days, so a weekly window has to last twelve.
  maintenance_day   = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"][var.maintenance_slot % 7]
  maintenance_start = format("2026-01-01T%02d:00:00Z", 4 * (floor(var.maintenance_slot / 7) % 6))

  # A regional pool has its count in every zone; GKE takes three of the region's where none are named.
  zone_count = length(var.zones) == 0 ? 3 : length(var.zones)

  pools = {
    system     = { nodes = var.system_nodes, size = var.system_vm_size, labels = {}, taint = "components.gke.io/gke-managed-components", tags = [] }
    validators = { nodes = var.validator_nodes, size = var.validator_vm_size, labels = { "chainfleet.io/pool" = "validators" }, taint = "chainfleet.io/validators", tags = ["${var.prefix}-validators"] }
  }
}

# --- the key that encrypts Kubernetes secrets at rest

resource "google_kms_key_ring" "vault" {
  name     = "${var.prefix}-${var.region}"
  location = var.region
}

resource "google_kms_crypto_key" "vault" {
  name                       = "secrets"
  key_ring                   = google_kms_key_ring.vault.id
  rotation_period            = "7776000s"
  destroy_scheduled_duration = var.vault_purge_protection ? "2592000s" : "86400s"
}

data "google_project" "here" {
  project_id = var.account_id
}

resource "google_kms_crypto_key_iam_member" "cluster" {
  crypto_key_id = google_kms_crypto_key.vault.id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:service-${data.google_project.here.number}@container-engine-robot.iam.gserviceaccount.com"
}

# --- who the nodes and the validators are

resource "google_service_account" "nodes" {
  account_id   = "${local.short}-nodes"
  display_name = "Nodes of ${var.prefix} in ${var.region}"
}

resource "google_project_iam_member" "nodes" {
  for_each = toset(["roles/container.defaultNodeServiceAccount", "roles/artifactregistry.reader"])

  project = var.account_id
  role    = each.key
  member  = "serviceAccount:${google_service_account.nodes.email}"
}

resource "google_service_account" "validators" {
  account_id   = "${local.short}-val"
  display_name = "Validators of ${var.prefix} in ${var.region}"
}

# The validators' service account may act as this one, and it may read the fleet's own secrets only.
resource "google_service_account_iam_member" "validators" {
  service_account_id = google_service_account.validators.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.account_id}.svc.id.goog[${var.namespace}/${var.service_account}]"

  depends_on = [google_container_cluster.cluster]
}

resource "google_project_iam_member" "validators" {
  project = var.account_id
  role    = "roles/secretmanager.secretAccessor"
  member  = "serviceAccount:${google_service_account.validators.email}"

  condition {
    title      = "only this fleet"
    expression = "resource.name.extract(\"secrets/{name}/\").startsWith(\"${var.prefix}-\")"
  }
}

# --- the cluster and its node pools

resource "google_container_cluster" "cluster" {
  name           = "${var.prefix}-${var.region}"
  location       = var.region
  node_locations = length(var.zones) == 0 ? null : var.zones

  network             = var.group
  subnetwork          = var.node_subnet_ids[0]
  min_master_version  = var.kubernetes_version
  deletion_protection = false

  # Pools of our own; the one that has to be made with the cluster goes at once.
  initial_node_count       = 1
  remove_default_node_pool = true

  datapath_provider = "ADVANCED_DATAPATH"
  networking_mode   = "VPC_NATIVE"

  ip_allocation_policy {
    cluster_secondary_range_name  = var.pod_subnet_ids[0]
    services_secondary_range_name = var.pod_subnet_ids[1]
  }

  private_cluster_config {
    enable_private_nodes = true
  }

  dynamic "master_authorized_networks_config" {
    for_each = length(var.authorized_ip_ranges) == 0 ? [] : [var.authorized_ip_ranges]

    content {
      dynamic "cidr_blocks" {
        for_each = master_authorized_networks_config.value

        content {
          cidr_block = cidr_blocks.value
        }
      }
    }
  }

  workload_identity_config {
    workload_pool = "${var.account_id}.svc.id.goog"
  }

  database_encryption {
    state    = "ENCRYPTED"
    key_name = google_kms_crypto_key.vault.id
  }

  secret_manager_config {
    enabled = true
  }

  enable_intranode_visibility = true

  master_auth {
    client_certificate_config {
      issue_client_certificate = false
    }
  }

  release_channel {
    channel = "REGULAR"
  }

  maintenance_policy {
    recurring_window {
      start_time = local.maintenance_start
      end_time   = timeadd(local.maintenance_start, "12h")
      recurrence = "FREQ=WEEKLY;BYDAY=${local.maintenance_day}"
    }
  }

  logging_config {
    enable_components = var.log_retention_days == 0 ? ["SYSTEM_COMPONENTS"] : ["SYSTEM_COMPONENTS", "APISERVER", "CONTROLLER_MANAGER", "SCHEDULER"]
  }

  depends_on = [google_kms_crypto_key_iam_member.cluster]

  # How it began: it must never replace a cluster that exists.
  lifecycle {
    ignore_changes = [initial_node_count]
  }

  timeouts {
    create = "45m"
    delete = "45m"
  }
}

resource "google_project_iam_member" "administrators" {
  for_each = toset(var.administrator_groups)

  project = var.account_id
  role    = "roles/container.admin"
  member  = "group:${each.value}"
}

resource "google_container_node_pool" "pool" {
  for_each = local.pools

  name     = each.key
  cluster  = google_container_cluster.cluster.id
  location = var.region

  # One zone's share of what is asked for; the autoscaler then sees to the whole.
  initial_node_count = ceil(each.value.nodes / local.zone_count)

  autoscaling {
    total_min_node_count = each.value.nodes
    total_max_node_count = local.zone_count * ceil(each.value.nodes / local.zone_count) + 1
    location_policy      = "BALANCED"
  }

  upgrade_settings {
    max_surge       = 1
    max_unavailable = 0
  }

  management {
    auto_repair  = true
    auto_upgrade = true
  }

  node_config {
    machine_type    = each.value.size
    disk_type       = "pd-ssd"
    disk_size_gb    = 64
    service_account = google_service_account.nodes.email
    oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]
    labels          = each.value.labels
    tags            = each.value.tags

    taint {
      key    = each.value.taint
      value  = "true"
      effect = "NO_SCHEDULE"
    }

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }

    workload_metadata_config {
      mode = "GKE_METADATA"
    }
  }

  # GKE rewrites it when the pool is resized; a change would replace the pool.
  lifecycle {
    ignore_changes = [initial_node_count]
  }
}
