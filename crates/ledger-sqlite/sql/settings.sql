-- Settings of the one connection, each time it is opened, before the file is looked at. No arguments, no rows.
-- EXCLUSIVE keeps every other process out, and the index of the log in memory instead of a third file.
-- FULL: what was committed survives the loss of power. 4,096 pages of log are 16 MiB: a checkpoint now and then.
-- Hardly a page is read twice, so 8 MiB of cache are plenty.
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
