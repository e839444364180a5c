"""OpenAI-compatible servers, asked for chats or for tokens."""
