"""Games: pure rules of who speaks, what each agent sees, and when it is over."""
