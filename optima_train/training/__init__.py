"""Training: weights, by TRL and PEFT."""
