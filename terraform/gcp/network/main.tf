resource "google_compute_network" "network" {
  name                    = "${var.prefix}-${var.region}"
  auto_create_subnetworks = false
  routing_mode            = "REGIONAL"
}

# Nodes take the first quarter, services the second, pods the other half: the same cut as in the other clouds.
resource "google_compute_subnetwork" "nodes" {
  name                     = "${var.prefix}-${var.region}-nodes"
  network                  = google_compute_network.network.id
  region                   = var.region
  ip_cidr_range            = cidrsubnet(var.cidr, 2, 0)
  private_ip_google_access = true

  secondary_ip_range {
    range_name    = "pods"
    ip_cidr_range = cidrsubnet(var.cidr, 1, 1)
  }

  secondary_ip_range {
    range_name    = "services"
    ip_cidr_range = cidrsubnet(var.cidr, 2, 1)
  }

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1
    metadata             = "EXCLUDE_ALL_METADATA"
  }
}

resource "google_compute_address" "egress" {
  name   = "${var.prefix}-${var.region}-egress"
  region = var.region
}

resource "google_compute_router" "egress" {
  name    = "${var.prefix}-${var.region}"
  network = google_compute_network.network.id
  region  = var.region
}

# One known source address: peers admit the region by it.
resource "google_compute_router_nat" "egress" {
  name                               = "egress"
  router                             = google_compute_router.egress.name
  region                             = var.region
  nat_ip_allocate_option             = "MANUAL_ONLY"
  nat_ips                            = [google_compute_address.egress.self_link]
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"
}

resource "google_compute_address" "validator" {
  count = var.validators

  name   = "${var.prefix}-${var.region}-validator-${count.index}"
  region = var.region
}
