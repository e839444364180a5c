"""Speed of the parts, beside their strongest peers where these are installed."""
