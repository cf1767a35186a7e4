-- Records what the order store decided about a batch. A second time changes nothing.
--
-- Keys:      1 log entry | 2 open batches | 3 number of open orders | then three a sale: sale, held, keys
-- Arguments: 1 batch id, 32 hexadecimal digits; the last 16 are the nonce
--            2 base of the batch, 8 bytes
--            3 ids of the sales, u64 each
--            4 intents (intents.lua)
--            5 states, one character an order: c confirmed; s cancelled, its units do not exist: they are
--              written off; any other: cancelled, its units go back on sale
--            6 retention of the log entry, ms
--            7 retention of the keys of a closed sale, ms
--            8 channel of the notes
-- Reply:     'already' | 'taken' | 'contradiction': nothing changed
--            'applied' | 'late', then for each sale: available, epoch, sequence, generation (nil four times: missing)
-- Notes:     'settled <batch id>', and 'returned <sale> <available> <epoch>' for each sale whose epoch moved

local id, base, sales, intents, states = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local log_retention, sale_retention, channel = ARGV[6], ARGV[7], ARGV[8]
local nonce = sub(id, 17)

local entry = call('HMGET', KEYS[1], 'status', 'nonce', 'intents')
local known = entry[1] ~= false
if known then
  if entry[2] ~= nonce then return { 'taken' } end
  if entry[1] == 'acknowledged' then return { 'already' } end
  if entry[1] == 'fenced' or entry[3] ~= intents then return { 'contradiction' } end
end
-- The set of open batches tells of a deduction even if its entry is gone.
local open = known or call('ZSCORE', KEYS[2], id) ~= false

local AVAILABLE, DEDUCTED, RETURNED, WRITTEN_OFF, RECLAIMED = 2, 3, 4, 5, 6
local EPOCH, SEQUENCE, PENDING_ORDERS, PENDING_UNITS, GENERATION = 7, 8, 9, 10, 11

local function read_sale(key)
  local sale = call('HMGET', key, 'state', 'available', 'deducted', 'returned', 'written_off', 'reclaimed', 'epoch',
    'sequence', 'pending_orders', 'pending_units', 'generation')
  for column = AVAILABLE, GENERATION do
    sale[column] = tonumber(sale[column] or nil) or false
  end
  return sale
end

local function write_sale(key, sale)
  call('HSET', key, 'available', sale[AVAILABLE], 'deducted', sale[DEDUCTED], 'returned', sale[RETURNED],
    'written_off', sale[WRITTEN_OFF], 'reclaimed', sale[RECLAIMED], 'epoch', sale[EPOCH],
    'sequence', sale[SEQUENCE], 'pending_orders', sale[PENDING_ORDERS], 'pending_units', sale[PENDING_UNITS])
end

-- The deduction that the ledger lost, or never had. A confirmed order owns its key and counts for its buyer; a
-- cancelled one leaves a key to the order that has it.
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

-- Below zero, more was deducted than there was. Units that were written off are the other side of it: the
-- database gave theirs to the batch that came late.
local function balance(sale)
  local units = math.min(-sale[AVAILABLE], sale[WRITTEN_OFF] - sale[RECLAIMED])
  if units <= 0 then return 0 end
  sale[RECLAIMED], sale[RETURNED] = sale[RECLAIMED] + units, sale[RETURNED] + units
  sale[AVAILABLE] = sale[AVAILABLE] + units
  return units
end

local function settle_group(group, sale)
  local keys_known = not known and call('HMGET', KEYS[group.key + 2], unpack(group.keys))
  local returned = 0
  for i = 1, group.count do
    local place, quantity = group.places[i], group.quantities[i]
    local state = sub(states, place + 1, place + 1)
    -- Counters, keys and entry are written in one step. So a key that leads to this very order tells that its
    -- deduction stands, even if the entry is gone; and if the batch is not open, that it was settled too.
    local deducted = known or keys_known[i] == key_entry(base, place, intents)
    if not deducted then
      deduct_late(group, sale, i, state)
    elseif open then
      sale[PENDING_ORDERS], sale[PENDING_UNITS] = sale[PENDING_ORDERS] - 1, sale[PENDING_UNITS] - quantity
      if state ~= 'c' then release(group, i) end
    end
    if open or not deducted then
      if state == 's' then
        sale[WRITTEN_OFF] = sale[WRITTEN_OFF] + quantity
      elseif state ~= 'c' then
        sale[RETURNED], sale[AVAILABLE] = sale[RETURNED] + quantity, sale[AVAILABLE] + quantity
        returned = returned + quantity
      end
    end
  end
  return returned + balance(sale)
end

local groups = group_by_sale(intents, 4)
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
      call('PUBLISH', channel, string.format('returned %s %.0f %.0f', string.match(key, '%d+$'), sale[AVAILABLE],
        sale[EPOCH]))
    end
    write_sale(key, sale)
    retire_if_over(group.key, sale[1], sale[PENDING_ORDERS], sale_retention)
  end
  local at = number * 4 - 3
  result[at + 1], result[at + 2] = sale[AVAILABLE], sale[EPOCH]
  result[at + 3], result[at + 4] = sale[SEQUENCE], sale[GENERATION]
end

if open then
  call('ZREM', KEYS[2], id)
  call('DECRBY', KEYS[3], #states)
end
if known then
  call('HSET', KEYS[1], 'status', 'acknowledged', 'states', states)
  call('HDEL', KEYS[1], 'body')
else
  call('HSET', KEYS[1], 'status', 'acknowledged', 'nonce', nonce, 'at', now_ms(), 'intents', intents,
    'states', states, 'sales', pack_shares(groups, sales))
end
call('PEXPIRE', KEYS[1], log_retention)
call('PUBLISH', channel, 'settled ' .. id)
return result
