"""Scoring: answers out of untrusted text, and whether they are right."""
