-- Records that all orders of an open batch were confirmed, the result of nearly every batch. It does not read the
-- intents, since no unit returns; any other result is left to settle.lua.
--
-- As in settle.lua, the entry is written first and the batch leaves the set of open batches last. Needs identity.lua.
--
-- Keys:      1 log entry | 2 open batches | 3 number of open orders | 4 identity | 5 retired sales
--            then three per sale: sale, held, keys
-- Arguments: 1 batch id, 32 hexadecimal digits; the last 16 are the nonce
--            2 the share of each sale in the batch, in the order of the keys: id u64, orders u32, units u32
--            3 the expected ledger
--            4 retention of the log entry, ms
--            5 retention of the keys of a closed sale, ms
--            6 channel of the events
-- Reply:     'other_ledger', then this ledger; nothing changed
--            'otherwise': the ledger does not have this batch as an open one of these sales; nothing changed
--            'applied', then for each sale: available, epoch, sequence, generation (nil four times: missing)
-- Events:    'settled <batch id>'

local call, sub = redis.call, string.sub
local id, shares, meant = ARGV[1], ARGV[2], ARGV[3]
local log_retention, sale_retention, channel = ARGV[4], ARGV[5], ARGV[6]

local other = other_ledger(KEYS[4], meant)
if other then return { 'other_ledger', other } end

local entry = call('HMGET', KEYS[1], 'status', 'nonce', 'sales')
if entry[1] ~= 'deducted' or entry[2] ~= sub(id, 17) or entry[3] ~= shares then return { 'otherwise' } end
-- Each change is made once: an entry that is not in the set of open batches was rebuilt in part, or tampered with.
if not call('ZSCORE', KEYS[2], id) then return { 'otherwise' } end

local STATE, AVAILABLE, EPOCH, SEQUENCE, PENDING_ORDERS, PENDING_UNITS, GENERATION = 1, 2, 3, 4, 5, 6, 7

local batch_orders = 0
for number = 1, #shares / 16 do
  batch_orders = batch_orders + struct.unpack('>I4', shares, number * 16 - 7)
end
call('HSET', KEYS[1], 'status', 'acknowledged', 'states', string.rep('c', batch_orders))

local result = { 'applied' }
for number = 1, #shares / 16 do
  local key, at = KEYS[number * 3 + 3], number * 4 - 3
  local orders, units = struct.unpack('>I4I4', shares, number * 16 - 7)
  local sale = call('HMGET', key, 'state', 'available', 'epoch', 'sequence', 'pending_orders', 'pending_units',
    'generation')
  if sale[STATE] then
    local sequence, pending_orders = sale[SEQUENCE] + 1, sale[PENDING_ORDERS] - orders
    call('HSET', key, 'sequence', sequence, 'pending_orders', pending_orders,
      'pending_units', sale[PENDING_UNITS] - units)
    retire_if_over(key, KEYS[5], sale[STATE], pending_orders, sale_retention)
    result[at + 1], result[at + 2] = sale[AVAILABLE], sale[EPOCH]
    result[at + 3], result[at + 4] = sequence, sale[GENERATION]
  else
    result[at + 1], result[at + 2], result[at + 3], result[at + 4] = false, false, false, false
  end
end

call('ZREM', KEYS[2], id)
call('DECRBY', KEYS[3], batch_orders)
call('HDEL', KEYS[1], 'body')
call('PEXPIRE', KEYS[1], log_retention)
-- A user without rights on the channel must not make a script fail after its writes.
redis.pcall('PUBLISH', channel, 'settled ' .. id)
return result
