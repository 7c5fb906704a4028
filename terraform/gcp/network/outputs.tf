output "group" {
  description = "What everything of the region lies in: here the name of its network."
  value       = google_compute_network.network.name
}

output "location" {
  description = "Region that everything lies in."
  value       = var.region
}

output "network_id" {
  description = "Id of the network."
  value       = google_compute_network.network.id
}

output "node_subnet_ids" {
  description = "Ids of the subnets of the cluster's nodes."
  value       = [google_compute_subnetwork.nodes.id]
}

output "pod_subnet_ids" {
  description = "Names of the secondary ranges of pods and of services."
  value       = ["pods", "services"]
}

output "public_ips" {
  description = "Static public address of each validator, in order."
  value       = [for i in range(var.validators) : google_compute_address.validator[i].address]
}

output "public_ip_names" {
  description = "Name of the public address of each validator, in order."
  value       = [for i in range(var.validators) : google_compute_address.validator[i].name]
}

output "egress_public_ip" {
  description = "Address from which the region's pods dial out, and so what peers see as the source."
  value       = google_compute_address.egress.address
}

output "egress_public_ip_id" {
  description = "Id of the address from which the region's pods dial out."
  value       = google_compute_address.egress.id
}
