"""Baselines: one small file each, listed in ``baseline.py``."""
