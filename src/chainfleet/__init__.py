"""chainfleet deploys one blockchain network to many cloud regions at once."""

__version__ = "0.1.0"
