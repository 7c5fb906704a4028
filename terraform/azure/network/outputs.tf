output "group" {
  description = "What everything of the region lies in: here the name of its resource group."
  value       = azapi_resource.resource_group.name
}

output "location" {
  description = "Region that everything lies in."
  value       = var.region
}

output "network_id" {
  description = "Id of the virtual network."
  value       = azapi_resource.network.id
}

output "node_subnet_ids" {
  description = "Ids of the subnets of the cluster's nodes."
  value       = ["${azapi_resource.network.id}/subnets/nodes"]
}

output "pod_subnet_ids" {
  description = "Ids of the subnets of the cluster's pods."
  value       = ["${azapi_resource.network.id}/subnets/pods"]
}

output "public_ips" {
  description = "Static public address of each validator, in order."
  value       = [for i in range(var.validators) : azapi_resource.public_ip["${var.prefix}-validator-${i}"].output.properties.ipAddress]
}

output "public_ip_names" {
  description = "Name of the public address of each validator, in order."
  value       = [for i in range(var.validators) : "${var.prefix}-validator-${i}"]
}

output "egress_public_ip" {
  description = "Address from which the region's pods dial out, and so what peers see as the source."
  value       = azapi_resource.public_ip["${var.prefix}-egress"].output.properties.ipAddress
}

output "egress_public_ip_id" {
  description = "Id of the address from which the region's pods dial out."
  value       = azapi_resource.public_ip["${var.prefix}-egress"].id
}
