-- Stops a sale. One that is closed stays closed, one that is missing stays missing.
--
-- Keys:  1 sale
-- Reply: 'missing' | 'paused' | 'closed': the state it is in now

local sale = redis.call('HMGET', KEYS[1], 'state', 'sequence')
local state = sale[1]
if not state then return 'missing' end
if state == 'closed' or state == 'paused' then return state end
redis.call('HSET', KEYS[1], 'state', 'paused', 'sequence', sale[2] + 1)
return 'paused'
