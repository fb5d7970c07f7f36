"""The receiver: the webhook endpoint NewStore posts to, and its commands."""
