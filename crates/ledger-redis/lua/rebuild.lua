-- Begins to build a sale anew, as the order store has it: stopped, with nothing sold, in a new generation. What its
-- buyers held and its keys go; the deduction log stays.
--
-- Keys:      1 sale | 2 held | 3 keys | 4 retired sales
-- Arguments: 1 generation | 2 window opens, ms | 3 window closes, ms | 4 limit a buyer | 5 units at the start
--            6 units restocked | 7 units returned | 8 return epoch: greater than any before
--            9 the sequence at which the caller has seen that no open batch has orders of the sale, whatever is
--              counted as pending (a script that was broken off leaves the count too great); empty: it has not looked
-- Reply:     'begun'
--            'prepared' | 'active' | 'closed': the state it is in; only a sale that is stopped or missing is rebuilt
--            'other_generation', then the generation that is there, which is not an older one
--            'open', then how many of its orders are deducted and not settled
--            after each but the first nothing has changed

local sale = redis.call('HMGET', KEYS[1], 'state', 'generation', 'pending_orders', 'sequence')
if sale[1] then
  if sale[1] ~= 'paused' then return { sale[1] } end
  if tonumber(sale[2]) >= tonumber(ARGV[1]) then return { 'other_generation', sale[2] } end
  if tonumber(sale[3]) > 0 and sale[4] ~= ARGV[9] then return { 'open', sale[3] } end
end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
redis.call('ZREM', KEYS[4], string.match(KEYS[1], '%d+$'))
-- The columns are those of prepare.lua, in the same order.
local available = string.format('%.0f', ARGV[5] + ARGV[6] + ARGV[7])
redis.call('HSET', KEYS[1], 'state', 'paused', 'generation', ARGV[1], 'sequence', 1, 'available', available,
  'epoch', ARGV[8], 'opens_at', ARGV[2], 'closes_at', ARGV[3], 'limit', ARGV[4], 'deducted', 0, 'pending_orders', 0,
  'pending_units', 0, 'buyers', 0, 'orders', 0, 'initial', ARGV[5], 'restocked', ARGV[6], 'returned', ARGV[7], 'written_off', 0,
  'reclaimed', 0)
return { 'begun' }
