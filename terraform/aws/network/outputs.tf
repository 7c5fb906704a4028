output "group" {
  description = "What everything of the region lies in: here the id of its VPC."
  value       = aws_vpc.network.id
}

output "location" {
  description = "Region that everything lies in."
  value       = var.region
}

output "network_id" {
  description = "Id of the VPC."
  value       = aws_vpc.network.id
}

output "node_subnet_ids" {
  description = "Ids of the subnets of the cluster's nodes."
  value       = [for zone in local.zones : aws_subnet.nodes[zone].id]
}

output "pod_subnet_ids" {
  description = "Ids of the subnets of the cluster's pods."
  value       = [for zone in local.zones : aws_subnet.nodes[zone].id]
}

output "public_ips" {
  description = "Static public address of each validator, in order."
  value       = [for i in range(var.validators) : aws_eip.validator[i].public_ip]
}

output "public_ip_names" {
  description = "Allocation of the public address of each validator and the subnet that it is for, in order."
  value       = [for i in range(var.validators) : "${aws_eip.validator[i].allocation_id}/${aws_subnet.public[local.zones[i % length(local.zones)]].id}"]
}

output "egress_public_ip" {
  description = "Address from which the region's pods dial out, and so what peers see as the source."
  value       = aws_eip.egress.public_ip
}

output "egress_public_ip_id" {
  description = "Id of the address from which the region's pods dial out."
  value       = aws_eip.egress.allocation_id
}
