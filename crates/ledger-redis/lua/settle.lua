-- Records what the order store decided about a batch. A second call changes nothing. Needs intents.lua, identity.lua
-- and retire.lua.
--
-- Redis does not undo the writes of a script that fails. So `acknowledged` is written before anything else, and
-- the batch leaves the set of open batches last: a batch that is both was settled in part. It is not settled again,
-- since returned units would be returned twice: its sales are paused, and must be rebuilt.
--
-- Keys:      1 log entry | 2 open batches | 3 number of open orders | 4 identity | 5 retired sales
--            then three per sale: sale, held, keys
-- Arguments: 1 batch id, 32 hexadecimal digits; the last 16 are the nonce
--            2 base of the batch, 8 bytes
--            3 ids of the sales, u64 each
--            4 intents (intents.lua)
--            5 the expected ledger
--            6 states, one character per order: c confirmed; s cancelled, its units do not exist and are written
--              off; any other: cancelled, its units return to the stock
--            7 retention of the log entry, ms
--            8 retention of the keys of a closed sale, ms
--            9 channel of the events
-- Reply:     'other_ledger', then this ledger; nothing changed
--            'already' | 'taken' | 'contradiction': nothing changed
--            'broken_off', then for each sale 1 if it was paused now, else 0: an earlier call settled it in part
--            'applied' | 'late', then for each sale: available, epoch, sequence, generation (nil four times: missing)
-- Events:    'settled <batch id>', and 'returned <sale> <available> <epoch>' for each sale whose epoch increased

local id, base, sales, intents, meant, states = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local log_retention, sale_retention, channel = ARGV[7], ARGV[8], ARGV[9]
local nonce = sub(id, 17)
local events = {}

-- Orders leave the set of open batches with their batch. An empty set has none, whatever the count was.
local function leave_open_batches(count)
  call('ZREM', KEYS[2], id)
  if call('ZCARD', KEYS[2]) == 0 then call('SET', KEYS[3], 0) else call('DECRBY', KEYS[3], count) end
end

-- The last steps, once everything is written; no decision depends on them.
local function finish()
  call('HDEL', KEYS[1], 'body')
  call('PEXPIRE', KEYS[1], log_retention)
  events[#events + 1] = 'settled ' .. id
  -- A user without rights on the channel must not make a script fail after its writes.
  for number = 1, #events do
    redis.pcall('PUBLISH', channel, events[number])
  end
end

local function stop_what_was_broken_off()
  local result = { 'broken_off' }
  for first_key = 6, #KEYS, 3 do
    local sale = call('HMGET', KEYS[first_key], 'state', 'sequence')
    local sells = sale[1] == 'active' or sale[1] == 'prepared'
    if sells then call('HSET', KEYS[first_key], 'state', 'paused', 'sequence', sale[2] + 1) end
    result[#result + 1] = sells and 1 or 0
  end
  leave_open_batches(#states)
  finish()
  return result
end

local other = other_ledger(KEYS[4], meant)
if other then return { 'other_ledger', other } end

local entry = call('HMGET', KEYS[1], 'status', 'nonce', 'intents')
local known = entry[1] ~= false
-- The set of open batches proves a deduction even if its entry is gone.
local open = call('ZSCORE', KEYS[2], id) ~= false
if known then
  if entry[2] ~= nonce then return { 'taken' } end
  if entry[1] == 'acknowledged' then return open and stop_what_was_broken_off() or { 'already' } end
  if entry[1] == 'fenced' or entry[3] ~= intents then return { 'contradiction' } end
end

local was_open = known or open

local AVAILABLE, DEDUCTED, RETURNED, WRITTEN_OFF, RECLAIMED = 2, 3, 4, 5, 6
local EPOCH, SEQUENCE, PENDING_ORDERS, PENDING_UNITS, GENERATION, BUYERS, ORDERS = 7, 8, 9, 10, 11, 12, 13

local function read_sale(key)
  local sale = call('HMGET', key, 'state', 'available', 'deducted', 'returned', 'written_off', 'reclaimed', 'epoch',
    'sequence', 'pending_orders', 'pending_units', 'generation', 'buyers', 'orders')
  for column = AVAILABLE, ORDERS do
    sale[column] = tonumber(sale[column] or nil) or false
  end
  return sale
end

local function write_sale(key, sale)
  call('HSET', key, 'state', sale[1], 'available', sale[AVAILABLE], 'deducted', sale[DEDUCTED],
    'returned', sale[RETURNED], 'written_off', sale[WRITTEN_OFF], 'reclaimed', sale[RECLAIMED], 'epoch', sale[EPOCH],
    'sequence', sale[SEQUENCE], 'pending_orders', sale[PENDING_ORDERS], 'pending_units', sale[PENDING_UNITS],
    'buyers', sale[BUYERS], 'orders', sale[ORDERS])
end

-- Applies a deduction that the ledger lost, or never had. A confirmed order owns its key and counts for its buyer; a
-- cancelled one leaves the key to an order that has it.
local function deduct_late(group, sale, i, state)
  local quantity = group.quantities[i]
  sale[DEDUCTED], sale[AVAILABLE] = sale[DEDUCTED] + quantity, sale[AVAILABLE] - quantity
  local value = key_entry(base, group.places[i], intents)
  if state == 'c' then
    call('HINCRBY', KEYS[group.key + 1], group.buyers[i], quantity)
    call('HSET', KEYS[group.key + 2], group.keys[i], value)
  else
    call('HSETNX', KEYS[group.key + 2], group.keys[i], value)
  end
end

-- A cancelled order gives its buyer's allowance back.
local function release(group, i)
  local held = KEYS[group.key + 1]
  if call('HINCRBY', held, group.buyers[i], -group.quantities[i]) <= 0 then
    call('HDEL', held, group.buyers[i])
  end
end

-- Below zero, more was deducted than there was. Written-off units compensate it: the order store gave theirs to the
-- batch that came late.
local function balance(sale)
  local units = math.min(-sale[AVAILABLE], sale[WRITTEN_OFF] - sale[RECLAIMED])
  if units <= 0 then return 0 end
  sale[RECLAIMED], sale[RETURNED] = sale[RECLAIMED] + units, sale[RETURNED] + units
  sale[AVAILABLE] = sale[AVAILABLE] + units
  return units
end

local function settle_group(group, sale)
  local buyers, orders = call('HLEN', KEYS[group.key + 1]), call('HLEN', KEYS[group.key + 2])
  sale[BUYERS], sale[ORDERS] = sale[BUYERS] or buyers, sale[ORDERS] or orders
  -- The numbers differ from the counts: a part of the sale is lost.
  if (buyers ~= sale[BUYERS] or orders ~= sale[ORDERS]) and (sale[1] == 'active' or sale[1] == 'prepared') then
    sale[1] = 'paused'
  end
  local keys_known = not known and call('HMGET', KEYS[group.key + 2], unpack(group.keys))
  local returned = 0
  for i = 1, group.count do
    local place, quantity = group.places[i], group.quantities[i]
    local state = sub(states, place + 1, place + 1)
    -- Counters, keys and entry are written in one step. So a key with this very order proves the deduction, even if
    -- the entry is gone; and if the batch is not open, it proves the settlement too. An order that gave its units up
    -- has a mark after its value.
    local deducted = known or sub(keys_known[i] or '', 1, 12) == key_entry(base, place, intents)
    if not deducted then
      deduct_late(group, sale, i, state)
    elseif was_open then
      sale[PENDING_ORDERS], sale[PENDING_UNITS] = sale[PENDING_ORDERS] - 1, sale[PENDING_UNITS] - quantity
      if state ~= 'c' then release(group, i) end
    end
    if was_open or not deducted then
      if state == 's' then
        sale[WRITTEN_OFF] = sale[WRITTEN_OFF] + quantity
      elseif state ~= 'c' then
        sale[RETURNED], sale[AVAILABLE] = sale[RETURNED] + quantity, sale[AVAILABLE] + quantity
        returned = returned + quantity
      end
    end
  end
  sale[BUYERS] = sale[BUYERS] + call('HLEN', KEYS[group.key + 1]) - buyers
  sale[ORDERS] = sale[ORDERS] + call('HLEN', KEYS[group.key + 2]) - orders
  return returned + balance(sale)
end

local groups = group_by_sale(intents, 6)
if not open then call('ZADD', KEYS[2], now_ms(), id) end
if known then
  call('HSET', KEYS[1], 'status', 'acknowledged', 'states', states)
else
  call('HSET', KEYS[1], 'status', 'acknowledged', 'nonce', nonce, 'at', now_ms(), 'intents', intents,
    'states', states, 'sales', pack_shares(groups, sales))
end

local result = { known and 'applied' or 'late' }
for number = 1, #groups do
  local group = groups[number]
  local key = KEYS[group.key]
  local sale = read_sale(key)
  if sale[1] then
    local moved = settle_group(group, sale) > 0
    sale[SEQUENCE] = sale[SEQUENCE] + 1
    if moved then
      sale[EPOCH] = sale[EPOCH] + 1
      events[#events + 1] = string.format('returned %s %.0f %.0f', string.match(key, '%d+$'), sale[AVAILABLE],
        sale[EPOCH])
    end
    write_sale(key, sale)
    retire_if_over(key, KEYS[5], sale[1], sale[PENDING_ORDERS], sale_retention)
  end
  local at = number * 4 - 3
  result[at + 1], result[at + 2] = sale[AVAILABLE], sale[EPOCH]
  result[at + 3], result[at + 4] = sale[SEQUENCE], sale[GENERATION]
end

leave_open_batches(open and #states or 0)
finish()
return result
