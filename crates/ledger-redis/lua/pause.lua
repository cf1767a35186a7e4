-- Pauses a sale. A closed sale stays closed, a missing one stays missing.
--
-- Keys:  1 sale
-- Reply: 'missing' | 'paused' | 'closed': the state after the call

local sale = redis.call('HMGET', KEYS[1], 'state', 'sequence')
local state = sale[1]
if not state then return 'missing' end
if state == 'closed' or state == 'paused' then return state end
redis.call('HSET', KEYS[1], 'state', 'paused', 'sequence', sale[2] + 1)
return 'paused'
