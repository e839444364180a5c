"""Compares multi-agent methods, and the speed of the parts, on the same environments."""
