-- For how many seconds the server has been up. No arguments. Rows: one: name, value.
SHOW GLOBAL STATUS LIKE 'Uptime'
