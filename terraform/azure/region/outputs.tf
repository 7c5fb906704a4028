output "cluster_id" {
  description = "Id of the managed cluster."
  value       = azapi_resource.cluster.id
}

output "cluster_name" {
  description = "Name of the managed cluster."
  value       = azapi_resource.cluster.name
}

output "resource_group" {
  description = "Name of the region's resource group."
  value       = var.resource_group
}

output "oidc_issuer_url" {
  description = "Issuer of the cluster's service account tokens."
  value       = azapi_resource.cluster.output.properties.oidcIssuerProfile.issuerURL
}

output "key_vault_uri" {
  description = "Address of the region's key vault."
  value       = azapi_resource.key_vault.output.properties.vaultUri
}

output "identity_client_id" {
  description = "Client id of the validators' managed identity."
  value       = azapi_resource.identity.output.properties.clientId
}
