-- The server's uptime in seconds. No arguments. Rows: one: name, value.
SHOW GLOBAL STATUS LIKE 'Uptime'
