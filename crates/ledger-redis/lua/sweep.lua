-- Frees the keys of a closed sale whose retention is over.
--
-- Keys:      1 retired sales | 2 sale | 3 held | 4 keys
-- Arguments: 1 id of the sale, decimal
-- Reply:     1: freed; 0: its retention is not over, or it sells again (it was rebuilt): no longer retired

local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due then return 0 end
local time = redis.call('TIME')
if time[1] * 1000 + math.floor(time[2] / 1000) < tonumber(due) then return 0 end
local state = redis.call('HGET', KEYS[2], 'state')
local is_over = not state or state == 'closed'
if is_over then redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4]) end
redis.call('ZREM', KEYS[1], ARGV[1])
return is_over and 1 or 0
