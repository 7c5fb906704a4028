"""Environments: where they lie, what their documents say, and changing them."""
