-- The server's id of this connection, and its own id. No arguments. Rows: one: id, server.
SELECT CAST(CONNECTION_ID() AS UNSIGNED) AS id, CONCAT_WS('/', @@server_id, @@hostname, @@port) AS server
