"""Planning: what a run will sample, read, train on, store and hold in memory, told before it starts."""
