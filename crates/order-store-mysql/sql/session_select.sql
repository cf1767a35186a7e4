-- What the server calls this connection, and itself. No arguments. Rows: one: id, server.
SELECT CAST(CONNECTION_ID() AS UNSIGNED) AS id, CONCAT_WS('/', @@server_id, @@hostname, @@port) AS server
