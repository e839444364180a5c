"""Suites: methods played on the same instances, cell by cell."""
