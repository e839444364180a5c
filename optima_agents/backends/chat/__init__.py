"""Chat: messages to token ids by a model's own template, exact and append-only."""
