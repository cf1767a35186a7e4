-- Stops a sale. One that is closed stays closed, one that is missing stays missing.
--
-- Keys:  1 sale
-- Reply: 'missing' | 'paused' | 'closed': the state it is in now

local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'missing' end
if state == 'closed' or state == 'paused' then return state end
redis.call('HSET', KEYS[1], 'state', 'paused')
redis.call('HINCRBY', KEYS[1], 'sequence', 1)
return 'paused'
