"""Steps a trajectory takes before it is learned: each one file, registered in pipeline.py."""
