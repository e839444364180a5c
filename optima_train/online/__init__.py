"""Online learning: teams trained on their own dialogues by policy gradients (the GRPO family)."""
