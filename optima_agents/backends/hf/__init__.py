"""The transformers backend: continuous batching with seeds of their own and exact sampled ids.

Transformers' own continuous batching is not used: it samples from the global generator, so no request has a seed of its
own, gives log-probabilities of the processed scores, and knows no stop strings.
"""
