"""The report of a suite: tables, plots, one page."""
