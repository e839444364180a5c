"""How the embedded model was made; nothing imports it."""
