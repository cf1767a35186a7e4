-- Restores the orders of one decided batch in a sale that is being rebuilt; a second call changes nothing. Needs
-- intents.lua.
--
-- The keys are written first, and then the counts. If the script fails in between, the units are never counted, and
-- resume.lua does not let the sale sell again.
--
-- Keys:      1 log entry | 2 open batches | 3 number of open orders | 4 identity | 5 retired sales
--            then three per sale: sale, held, keys
-- Arguments: 1 batch id, 32 hexadecimal digits; the last 16 are the nonce
--            2 base of the batch, 8 bytes
--            3 ids of the sales, u64 each
--            4 intents (intents.lua)
--            5 the expected ledger
--            6 present states, one character per order: c confirmed; s or d cancelled when it was placed; any other:
--              confirmed, and cancelled later
--            7 index of the sale that is rebuilt, among those of the batch, from 0
--            8 its generation
--            9 retention of the log entry, ms
-- Reply:     'other_ledger', then this ledger; nothing changed
--            'restored'
--            'missing': the sale is missing, not paused, or of another generation; nothing changed

local id, base, sales, intents, states = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[6]
local other = other_ledger(KEYS[4], ARGV[5])
if other then return { 'other_ledger', other } end

local groups = group_by_sale(intents, 6)
local group = groups[tonumber(ARGV[7]) + 1]
local key, held, keys = KEYS[group.key], KEYS[group.key + 1], KEYS[group.key + 2]

local sale = call('HMGET', key, 'state', 'generation', 'sequence', 'available', 'deducted', 'returned', 'released',
  'epoch', 'buyers', 'orders')
if sale[1] ~= 'paused' or sale[2] ~= ARGV[8] then return { 'missing' } end

local known, orders, deducted, returned = call('HMGET', keys, unpack(group.keys)), 0, 0, 0
-- By the index in the group: how what the buyer holds changes.
local changes = {}
for i = 1, group.count do
  local place, quantity = group.places[i], group.quantities[i]
  local value, state = key_entry(base, place, intents), sub(states, place + 1, place + 1)
  if state == 's' or state == 'd' then
    -- An order that never had units; its key keeps replaying it, unless another order has the key.
    orders = orders + call('HSETNX', keys, group.keys[i], value)
  else
    local gave_up = state ~= 'c'
    local is_new = sub(known[i] or '', 1, 12) ~= value
    -- An earlier call may have restored it as confirmed.
    local returns = gave_up and known[i] ~= value .. RETURN_MARK
    if is_new or returns then
      orders = orders + call('HSET', keys, group.keys[i], gave_up and value .. RETURN_MARK or value)
    end
    if is_new then deducted = deducted + quantity end
    if returns then returned = returned + quantity end
    if is_new ~= returns then changes[i] = is_new and quantity or -quantity end
  end
end
local buyers = call('HLEN', held)
for i = 1, group.count do
  if changes[i] and call('HINCRBY', held, group.buyers[i], changes[i]) <= 0 then
    call('HDEL', held, group.buyers[i])
  end
end
buyers = call('HLEN', held) - buyers
call('HSET', key, 'available', sale[4] - deducted + returned, 'deducted', sale[5] + deducted,
  'returned', sale[6] + returned, 'released', (sale[7] or 0) + returned, 'epoch', sale[8] + (returned > 0 and 1 or 0),
  'buyers', sale[9] + buyers, 'orders', sale[10] + orders, 'sequence', sale[3] + 1)

-- The evidence, if it was lost: a later check-back must find the batch, as it was placed. A check-back may have come
-- before, and fenced the batch, while the broker delivered it: the order store has decided, and the fence goes.
local entry = call('HMGET', KEYS[1], 'status', 'nonce')
if not entry[1] or (entry[1] == 'fenced' and entry[2] == sub(id, 17)) then
  call('HSET', KEYS[1], 'status', 'acknowledged', 'nonce', sub(id, 17), 'at', now_ms(), 'intents', intents,
    'states', (string.gsub(states, '[^csd]', 'c')), 'sales', pack_shares(groups, sales))
  call('PEXPIRE', KEYS[1], ARGV[9])
end
return { 'restored' }
