"""Joins scheduler, ledger and drivers: the only floor with a clock."""
