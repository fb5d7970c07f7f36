"""Export files, which NewStore writes into a bucket: the other way to receive events."""
