"""For all tests: no time limit for a single example, since shared machines stall."""

from hypothesis import settings

settings.register_profile("shared", deadline=None)
settings.load_profile("shared")
