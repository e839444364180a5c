"""Bridges: our environments in other people's trainers, each an adapter over ``optima_agents.serving.drive``.

``docs/other_trainers.md`` has a block for each. A module here imports what it adapts to, so import the one you need.
"""
