"""The trainer: policy rows into TRL's losses."""
