-- Closes a sale. Its keys are freed after the retention, which begins when no batch of it is open. Needs retire.lua.
--
-- Keys:      1 sale | 2 retired sales
-- Arguments: 1 retention of the keys, ms
-- Reply:     'missing' | 'closed': the state after the call

local sale = redis.call('HMGET', KEYS[1], 'state', 'sequence', 'pending_orders')
if not sale[1] then return 'missing' end
if sale[1] ~= 'closed' then
  redis.call('HSET', KEYS[1], 'state', 'closed', 'sequence', sale[2] + 1)
end
retire_if_over(KEYS[1], KEYS[2], 'closed', sale[3], ARGV[1])
return 'closed'
