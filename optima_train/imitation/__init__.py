"""Imitation: sources of trajectories, files or experts, become one set of training rows."""
