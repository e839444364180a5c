"""Serving: dialogues for other programs: one whose turns they speak themselves, and a team behind an endpoint."""
