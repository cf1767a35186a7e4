-- Gives the shard an identity, unless it has one.
--
-- Keys:      1 identity
-- Arguments: 1 ledger | 2 order store, 32 hexadecimal digits each
-- Reply:     the ledger and the order store after the call

if not redis.call('HGET', KEYS[1], 'ledger') then
  redis.call('HSET', KEYS[1], 'ledger', ARGV[1], 'store', ARGV[2])
end
return redis.call('HMGET', KEYS[1], 'ledger', 'store')
