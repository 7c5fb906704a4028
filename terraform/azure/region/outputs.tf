output "cluster_id" {
  description = "Id of the managed cluster."
  value       = azapi_resource.cluster.id
}

output "cluster_name" {
  description = "Name of the managed cluster."
  value       = azapi_resource.cluster.name
}

output "group" {
  description = "What everything of the region lies in: here the name of its resource group."
  value       = var.group
}

output "oidc_issuer_url" {
  description = "Issuer of the cluster's service account tokens."
  value       = azapi_resource.cluster.output.properties.oidcIssuerProfile.issuerURL
}

output "vault_uri" {
  description = "Where the validators' secrets lie: here the address of the region's key vault."
  value       = azapi_resource.key_vault.output.properties.vaultUri
}

output "vault_name" {
  description = "Name of the region's key vault, as the CSI driver of pods takes it."
  value       = azapi_resource.key_vault.name
}

output "identity_id" {
  description = "Who the validators act as: here the client id of their managed identity."
  value       = azapi_resource.identity.output.properties.clientId
}

output "cluster_endpoint" {
  description = "Address of the Kubernetes API; empty here, because Azure hands out a kubeconfig that holds it."
  value       = ""
}

output "cluster_ca_certificate" {
  description = "Authority of the Kubernetes API, base64; empty here, because it comes with the kubeconfig."
  value       = ""
}
