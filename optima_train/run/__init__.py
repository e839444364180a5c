"""Run: what a stage relies on: its context, engines, files and markers. Knows no stage."""
