"""Analysis: statistics over episodes; reads and writes nothing."""
