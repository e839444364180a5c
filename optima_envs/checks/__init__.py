"""Checks: the conformance kit for environments, the canary for leaks, validation of data files."""
