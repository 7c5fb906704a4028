output "cluster_id" {
  description = "Id of the managed cluster."
  value       = google_container_cluster.cluster.id
}

output "cluster_name" {
  description = "Name of the managed cluster."
  value       = google_container_cluster.cluster.name
}

output "group" {
  description = "What everything of the region lies in: here the name of its network."
  value       = var.group
}

output "oidc_issuer_url" {
  description = "Issuer of the cluster's service account tokens."
  value       = "https://container.googleapis.com/v1/${google_container_cluster.cluster.id}"
}

output "vault_uri" {
  description = "Where the validators' secrets lie: here the key that encrypts them."
  value       = google_kms_crypto_key.vault.id
}

output "vault_name" {
  description = "Name of a vault that pods could mount secrets from; empty here, where secrets lie in the cluster."
  value       = ""
}

output "identity_id" {
  description = "Who the validators act as: here their service account."
  value       = google_service_account.validators.email
}

output "cluster_endpoint" {
  description = "Address of the Kubernetes API."
  value       = "https://${google_container_cluster.cluster.endpoint}"
}

output "cluster_ca_certificate" {
  description = "Authority of the Kubernetes API, base64."
  value       = google_container_cluster.cluster.master_auth[0].cluster_ca_certificate
}
