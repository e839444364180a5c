"""Baselines: one small file each, listed in ``benchmarks/catalogue.py``."""
