"""Attempts on other machines: procrastinate hands them out over PostgreSQL, one job for each, never tried again by it."""
