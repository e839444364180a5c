"""One file per verb of the ``optima`` command: ``arguments(parser)`` declares, ``run(args)`` does."""

from __future__ import annotations


class UserError(Exception):
    """What the user asked for cannot be done as asked; the message is one line and names the way out."""
