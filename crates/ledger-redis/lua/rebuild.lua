-- Begins to rebuild a sale from the order store: paused, with nothing sold or returned, in a new generation. Deletes
-- what its buyers held and its keys; the deduction log stays.
--
-- Keys:      1 sale | 2 held | 3 keys | 4 retired sales
-- Arguments: 1 generation | 2 window opens, ms | 3 window closes, ms | 4 limit per buyer | 5 initial units
--            6 units restocked | 7 return epoch: greater than any before
--            8 the sequence at which the caller has seen that no open batch has orders of the sale, whatever the count
--              of pending orders is (a script that failed half-way leaves it too high); empty: not checked
-- Reply:     'begun'
--            'prepared' | 'active' | 'closed': the state; only a paused or missing sale is rebuilt; nothing changed
--            'other_generation', then the ledger's generation, which is not an older one; nothing changed
--            'open', then the number of its orders that are deducted and not settled; nothing changed

local sale = redis.call('HMGET', KEYS[1], 'state', 'generation', 'pending_orders', 'sequence')
if sale[1] then
  if sale[1] ~= 'paused' then return { sale[1] } end
  if tonumber(sale[2]) >= tonumber(ARGV[1]) then return { 'other_generation', sale[2] } end
  if tonumber(sale[3]) > 0 and sale[4] ~= ARGV[8] then return { 'open', sale[3] } end
end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
redis.call('ZREM', KEYS[4], string.match(KEYS[1], '%d+$'))
-- The columns are those of prepare.lua, in the same order.
local available = string.format('%.0f', ARGV[5] + ARGV[6])
redis.call('HSET', KEYS[1], 'state', 'paused', 'generation', ARGV[1], 'sequence', 1, 'available', available,
  'epoch', ARGV[7], 'opens_at', ARGV[2], 'closes_at', ARGV[3], 'limit', ARGV[4], 'deducted', 0, 'pending_orders', 0,
  'pending_units', 0, 'buyers', 0, 'orders', 0, 'initial', ARGV[5], 'restocked', ARGV[6], 'returned', 0,
  'written_off', 0, 'reclaimed', 0, 'released', 0)
return { 'begun' }
