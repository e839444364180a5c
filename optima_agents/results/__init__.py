"""Results: what a set of episodes comes to, with how sure that is."""
