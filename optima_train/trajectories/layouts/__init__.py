"""One file a layout: its rows as episodes, and episodes as its rows."""
