-- Puts the orders of one decided batch into a sale that is being rebuilt; a second time changes nothing. Needs
-- intents.lua.
--
-- Keys:      1 log entry | 2 open batches | 3 number of open orders | then three a sale: sale, held, keys
-- Arguments: 1 batch id, 32 hexadecimal digits; the last 16 are the nonce
--            2 base of the batch, 8 bytes
--            3 ids of the sales, u64 each
--            4 intents (intents.lua)
--            5 states, one character an order, as in settle.lua
--            6 number of the sale that is rebuilt, among those of the batch, from 0
--            7 its generation
--            8 retention of the log entry, ms
-- Reply:     'restored'
--            'missing': the sale is not there, or not stopped, or of another generation; nothing changed

local id, base, sales, intents, states = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local groups = group_by_sale(intents, 4)
local group = groups[tonumber(ARGV[6]) + 1]
local key, held, keys = KEYS[group.key], KEYS[group.key + 1], KEYS[group.key + 2]

local sale = call('HMGET', key, 'state', 'generation')
if sale[1] ~= 'paused' or sale[2] ~= ARGV[7] then return { 'missing' } end

local known, units = call('HMGET', keys, unpack(group.keys)), 0
for i = 1, group.count do
  local place, quantity = group.places[i], group.quantities[i]
  local value = key_entry(base, place, intents)
  if known[i] ~= value then
    if sub(states, place + 1, place + 1) == 'c' then
      call('HINCRBY', held, group.buyers[i], quantity)
      call('HSET', keys, group.keys[i], value)
      units = units + quantity
    else
      -- A cancelled order holds no units; its key keeps answering with it, unless another order has it.
      call('HSETNX', keys, group.keys[i], value)
    end
  end
end
if units > 0 then
  call('HINCRBY', key, 'deducted', units)
  call('HINCRBY', key, 'available', -units)
end
call('HINCRBY', key, 'sequence', 1)

-- The evidence, if it is lost: a check-back that comes late must not find nothing.
if call('EXISTS', KEYS[1]) == 0 then
  call('HSET', KEYS[1], 'status', 'acknowledged', 'nonce', sub(id, 17), 'at', now_ms(), 'intents', intents,
    'states', states, 'sales', pack_shares(groups, sales))
  call('PEXPIRE', KEYS[1], ARGV[8])
end
return { 'restored' }
