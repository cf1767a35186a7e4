-- Ends a sale. Its keys go after the retention, which begins when nothing of it is open. Needs retire.lua.
--
-- Keys:      1 sale | 2 held | 3 keys
-- Arguments: 1 retention of the keys, ms
-- Reply:     'missing' | 'closed': the state it is in now

local sale = redis.call('HMGET', KEYS[1], 'state', 'pending_orders')
if not sale[1] then return 'missing' end
if sale[1] ~= 'closed' then
  redis.call('HSET', KEYS[1], 'state', 'closed')
  redis.call('HINCRBY', KEYS[1], 'sequence', 1)
  retire_if_over(1, 'closed', sale[2], ARGV[1])
end
return 'closed'
