-- The local transaction: applies a whole batch and writes its log entry, or applies nothing. Needs identity.lua.
--
-- Redis does not undo the writes of a script that fails. So the order of the writes matters: first the units, then
-- what buyers hold; the entry makes the batch deducted; its keys come last. If the script fails before the entry,
-- units are missing from the sale and no order has them (the audit finds how many). If it fails at any point, the
-- sale has fewer keys than its count, and stops.
--
-- Keys:      1 log entry | 2 open batches | 3 number of open orders | 4 identity | 5 retired sales
--            then three per sale: sale, held, keys
-- Arguments: 1 batch id, 32 hexadecimal digits; the last 16 are the nonce
--            2 base of the batch, 8 bytes
--            3 ids of the sales, u64 each
--            4 intents (intents.lua); stored as they are in the log entry
--            5 the expected ledger
--            6 for each sale: generation u32, sequence u64 that the caller has seen (judge.lua)
--            7 body of the batch's message: stored in the log entry until the batch is settled; empty: none
-- Reply:     'other_ledger', then this ledger; nothing changed
--            'deducted' | 'acknowledged' | 'fenced': the entry exists, with this status; nothing changed
--            'taken': the entry belongs to another batch; nothing changed
--            'refused' and the fields of judge.lua: at least one intent does not pass; nothing was applied
--            'applied' and the fields of judge.lua

local id, base, sales, intents = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local nonce = sub(id, 17)

local other = other_ledger(KEYS[4], ARGV[5], true)
if other then return { 'other_ledger', other } end

local entry = call('HMGET', KEYS[1], 'status', 'nonce')
if entry[1] then
  if entry[2] ~= nonce then return { 'taken' } end
  return { entry[1] }
end

local groups, refused, answers, stopped = judge(intents, 6, ARGV[6])
if refused > 0 then
  return reply('refused', call('GET', KEYS[3]), groups, refused, answers, stopped, intents)
end

local shares = {}
for number = 1, #groups do
  local group = groups[number]
  local sale, units, count = group.sale, group.units, group.count

  sale[AVAILABLE], sale[SEQUENCE] = sale[AVAILABLE] - units, sale[SEQUENCE] + 1
  call('HSET', KEYS[group.key], 'available', sale[AVAILABLE], 'sequence', sale[SEQUENCE],
    'deducted', sale[DEDUCTED] + units, 'pending_orders', sale[PENDING_ORDERS] + count,
    'pending_units', sale[PENDING_UNITS] + units, 'buyers', sale[BUYERS] + group.new_buyers,
    'orders', sale[ORDERS] + count)

  shares[number] = pack_struct('>c8I4I4', sub(sales, number * 8 - 7, number * 8), count, units)
end

for number = 1, #groups do
  local group = groups[number]
  local pairs_of_holds, at = {}, 0
  for buyer, total in pairs(group.holds) do
    pairs_of_holds[at + 1], pairs_of_holds[at + 2], at = buyer, total, at + 2
  end
  call('HSET', KEYS[group.key + 1], unpack(pairs_of_holds))
end

local count, now = #intents / INTENT_BYTES, now_ms()
local columns = { 'status', 'deducted', 'nonce', nonce, 'at', now, 'intents', intents,
  'states', string.rep('p', count), 'sales', table.concat(shares) }
if ARGV[7] ~= '' then columns[13], columns[14] = 'body', ARGV[7] end
call('HSET', KEYS[1], unpack(columns))
call('ZADD', KEYS[2], now, id)
local open_orders = call('INCRBY', KEYS[3], count)

for number = 1, #groups do
  local group = groups[number]
  local pairs_of_keys, keys, places = {}, group.keys, group.places
  for i = 1, group.count do
    pairs_of_keys[2 * i - 1], pairs_of_keys[2 * i] = keys[i], key_entry(base, places[i], intents)
  end
  call('HSET', KEYS[group.key + 2], unpack(pairs_of_keys))
end
return reply('applied', open_orders, groups, 0, answers, stopped, intents)
