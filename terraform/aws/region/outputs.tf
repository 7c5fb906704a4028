output "cluster_id" {
  description = "Id of the managed cluster."
  value       = aws_eks_cluster.cluster.arn
}

output "cluster_name" {
  description = "Name of the managed cluster."
  value       = aws_eks_cluster.cluster.name
}

output "group" {
  description = "What everything of the region lies in: here the id of its VPC."
  value       = var.group
}

output "oidc_issuer_url" {
  description = "Issuer of the cluster's service account tokens."
  value       = aws_eks_cluster.cluster.identity[0].oidc[0].issuer
}

output "vault_uri" {
  description = "Where the validators' secrets lie: here the key that encrypts them."
  value       = aws_kms_key.vault.arn
}

output "vault_name" {
  description = "Name of a vault that pods could mount secrets from; empty here, where secrets lie in the cluster."
  value       = ""
}

output "identity_id" {
  description = "Who the validators act as: here the ARN of their role."
  value       = aws_iam_role.validators.arn
}

output "cluster_endpoint" {
  description = "Address of the Kubernetes API."
  value       = aws_eks_cluster.cluster.endpoint
}

output "cluster_ca_certificate" {
  description = "Authority of the Kubernetes API, base64."
  value       = aws_eks_cluster.cluster.certificate_authority[0].data
}
