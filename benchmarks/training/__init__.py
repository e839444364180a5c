"""Whole training runs beside each other, as one table."""
