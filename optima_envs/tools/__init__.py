"""Tools: what an agent may do besides talking, and the worlds that answer back."""
