-- How the server flushes at a commit: 1 is to the disk, each time. No arguments.
SELECT CAST(@@GLOBAL.innodb_flush_log_at_trx_commit AS SIGNED) AS log, CAST(@@GLOBAL.sync_binlog AS SIGNED) AS binlog
