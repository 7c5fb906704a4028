"""The emulated cloud: loopback servers that speak the protocols of Azure, Kubernetes and Ethereum."""
