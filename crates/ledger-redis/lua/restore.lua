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
--            6 states, one character per order, as in settle.lua
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

local sale = call('HMGET', key, 'state', 'generation', 'sequence', 'available', 'deducted', 'buyers', 'orders')
if sale[1] ~= 'paused' or sale[2] ~= ARGV[8] then return { 'missing' } end

local known, units, orders = call('HMGET', keys, unpack(group.keys)), 0, 0
local confirmed = {}
for i = 1, group.count do
  local place, quantity = group.places[i], group.quantities[i]
  local value = key_entry(base, place, intents)
  if known[i] ~= value then
    if sub(states, place + 1, place + 1) == 'c' then
      orders = orders + call('HSET', keys, group.keys[i], value)
      confirmed[#confirmed + 1] = i
      units = units + quantity
    else
      -- A cancelled order holds no units; its key keeps replaying it, unless another order has the key.
      orders = orders + call('HSETNX', keys, group.keys[i], value)
    end
  end
end
local buyers = call('HLEN', held)
for number = 1, #confirmed do
  call('HINCRBY', held, group.buyers[confirmed[number]], group.quantities[confirmed[number]])
end
buyers = call('HLEN', held) - buyers
call('HSET', key, 'available', sale[4] - units, 'deducted', sale[5] + units, 'buyers', sale[6] + buyers,
  'orders', sale[7] + orders, 'sequence', sale[3] + 1)

-- The evidence, if it was lost: a later check-back must find the batch.
if call('EXISTS', KEYS[1]) == 0 then
  call('HSET', KEYS[1], 'status', 'acknowledged', 'nonce', sub(id, 17), 'at', now_ms(), 'intents', intents,
    'states', states, 'sales', pack_shares(groups, sales))
  call('PEXPIRE', KEYS[1], ARGV[9])
end
return { 'restored' }
