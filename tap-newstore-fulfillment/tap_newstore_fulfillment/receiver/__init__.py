"""The receiver: the webhook NewStore posts to, and the commands around it."""
