"""Frozen types: what everything else talks about."""
