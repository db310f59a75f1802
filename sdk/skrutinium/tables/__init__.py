"""Documents as flat tables: records, data frames, what differs between two releases, and which part is wanted."""
