"""Hubs: environments and runs as finished folders for other people's hubs; pushing them is the user's own command."""
