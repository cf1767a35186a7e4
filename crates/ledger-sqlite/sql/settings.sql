-- Settings of the only connection, at each opening, before the first access to the file. No arguments, no rows.
-- EXCLUSIVE excludes every other process, and keeps the index of the log in memory instead of a third file.
-- FULL: a committed transaction survives a power loss. 4,096 pages of log are 16 MiB: an occasional checkpoint.
-- Few pages are read twice, so 8 MiB of cache are enough.
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA synchronous = FULL;
PRAGMA fullfsync = ON;
PRAGMA checkpoint_fullfsync = ON;
PRAGMA wal_autocheckpoint = 4096;
PRAGMA journal_size_limit = 67108864;
PRAGMA cache_size = -8192;
PRAGMA temp_store = MEMORY;
PRAGMA trusted_schema = OFF;
PRAGMA cell_size_check = ON;
