"""The loop: iterations of stages, resume, reuse."""
