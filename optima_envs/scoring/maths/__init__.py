"""Mathematical answers: spelt one way, taken apart into what they state, with their units."""
