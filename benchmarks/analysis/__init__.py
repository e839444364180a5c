"""Analysis of a suite's episodes."""
