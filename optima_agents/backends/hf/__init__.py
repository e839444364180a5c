"""The transformers backend: continuous batching with seeds of their own and exact sampled ids."""
