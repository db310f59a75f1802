"""Where the tables of a night are kept, equal to the feed: a folder of CSV files, SQLite, PostgreSQL."""
