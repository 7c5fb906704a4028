"""Runs: reading them, describing them, starting and steering them."""
