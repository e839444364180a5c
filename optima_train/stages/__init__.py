"""Stages: one a file, from dialogues to training rows."""
