-- One order by one script: what a shop does that has no batches. Used by the rivals alone.
--
-- Keys:      1 units left | 2 hash: buyer, units held | 3 hash: idempotency key, order id
--            4 (only with a transactional message) the log entry that a check-back looks for
-- Arguments: 1 buyer | 2 idempotency key | 3 quantity | 4 limit per buyer | 5 order id
-- Reply:     {'accepted' | 'replayed', order id}, {'sold_out'} or {'over_limit'}; these change nothing

local call = redis.call
local known = call('HGET', KEYS[3], ARGV[2])
if known then return { 'replayed', known } end
local quantity = tonumber(ARGV[3])
if tonumber(call('GET', KEYS[1]) or 0) < quantity then return { 'sold_out' } end
if tonumber(call('HGET', KEYS[2], ARGV[1]) or 0) + quantity > tonumber(ARGV[4]) then return { 'over_limit' } end
call('DECRBY', KEYS[1], quantity)
call('HINCRBY', KEYS[2], ARGV[1], quantity)
call('HSET', KEYS[3], ARGV[2], ARGV[5])
if KEYS[4] then call('SET', KEYS[4], ARGV[5]) end
return { 'accepted', ARGV[5] }
