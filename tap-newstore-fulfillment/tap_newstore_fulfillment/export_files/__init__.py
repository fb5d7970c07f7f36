"""Export files: the other way events come, written by NewStore into a bucket."""
