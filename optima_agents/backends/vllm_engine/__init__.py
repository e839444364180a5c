"""The vLLM backend: its engine in this process."""
