"""Credit: from dialogues and trees with their rewards to an advantage for each turn."""
