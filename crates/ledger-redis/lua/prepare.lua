-- Adds a sale to the ledger, not yet sellable, unless it exists.
--
-- Keys:      1 sale
-- Arguments: 1 generation | 2 window opens, ms | 3 window closes, ms | 4 limit per buyer | 5 units
-- Reply:     'created' | 'prepared' | 'active' | 'paused' | 'closed': the state before the call; then the generation

local sale = redis.call('HMGET', KEYS[1], 'state', 'generation')
if sale[1] then return sale end

-- The columns: `available = initial + restocked + returned - deducted`. `epoch` increases with every returned unit,
-- `sequence` with every change. The units and orders of open batches are pending. `buyers` and `orders` are the
-- numbers of fields that the other two keys of the sale must have. `released`, which sales of an older version lack, is
-- the part of `returned` that confirmed orders gave up. Redis searches a small hash from its beginning, so the columns
-- that judge.lua reads come first.
redis.call('HSET', KEYS[1], 'state', 'prepared', 'generation', ARGV[1], 'sequence', 1, 'available', ARGV[5],
  'epoch', 0, 'opens_at', ARGV[2], 'closes_at', ARGV[3], 'limit', ARGV[4], 'deducted', 0, 'pending_orders', 0,
  'pending_units', 0, 'buyers', 0, 'orders', 0, 'initial', ARGV[5], 'restocked', 0, 'returned', 0,
  'written_off', 0, 'reclaimed', 0, 'released', 0)
return { 'created', ARGV[1] }
