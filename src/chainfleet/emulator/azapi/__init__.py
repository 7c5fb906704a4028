"""A stand-in for Microsoft's `azapi` Terraform provider, so that the Azure modules run with no account.

It speaks Terraform's plugin protocol 6 (messages from the `tf` package), serves every root from one process
and talks plain ARM: it knows neither which cloud answers nor which driver asks. Only `azapi_resource` exists,
with the attributes that the modules use, under the same names and types as in Microsoft's provider.
"""
