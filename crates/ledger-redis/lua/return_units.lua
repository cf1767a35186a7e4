-- Returns the units of a confirmed order that was cancelled later to its sale, and its allowance to its buyer. A
-- second call changes nothing. Needs identity.lua and intents.lua.
--
-- The mark at the order's key is the proof. Redis does not undo the writes of a script that fails, so the mark is
-- written first: units can be missing from the sale then (the audit finds how many), and never come back twice. The
-- log entry stays as it is, the evidence of what was decided at placing.
--
-- Keys:      1 log entry | 2 open batches | 3 identity | 4 sale | 5 held | 6 keys
-- Arguments: 1 batch id, 32 hexadecimal digits; the last 16 are the nonce
--            2 the order's value in the keys: id u64, quantity u32 (intents.lua)
--            3 key digest | 4 buyer digest, 16 bytes each
--            5 the expected ledger
--            6 channel of the events
--            7 '1' if the units do not exist: they are written off instead
-- Reply:     'other_ledger', then this ledger; nothing changed
--            'missing' | 'already': nothing changed
--            'not_settled': the batch is open, or the key has another order or none; nothing changed
--            'done', then available, epoch, sequence, generation
-- Events:    'returned <sale> <available> <epoch>'

local id, value, key_digest, buyer, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[6]
local key, held, keys = KEYS[4], KEYS[5], KEYS[6]

local other = other_ledger(KEYS[3], ARGV[5])
if other then return { 'other_ledger', other } end

local sale = call('HMGET', key, 'state', 'available', 'returned', 'released', 'epoch', 'sequence', 'generation',
  'buyers', 'orders', 'written_off')
if not sale[1] then return { 'missing' } end
local known = call('HGET', keys, key_digest)
if known == value .. RETURN_MARK then return { 'already' } end
if known ~= value or call('ZSCORE', KEYS[2], id) then return { 'not_settled' } end
-- The entry may have expired: then the key alone proves the settlement, as in settle.lua.
local entry = call('HMGET', KEYS[1], 'status', 'nonce')
if entry[1] and (entry[1] ~= 'acknowledged' or entry[2] ~= sub(id, 17)) then return { 'not_settled' } end

local buyers, orders = call('HLEN', held), call('HLEN', keys)
local buyers_due, orders_due = tonumber(sale[8] or buyers), tonumber(sale[9] or orders)
-- The numbers differ from the counts: a part of the sale is lost (settle.lua).
if (buyers ~= buyers_due or orders ~= orders_due) and (sale[1] == 'active' or sale[1] == 'prepared') then
  sale[1] = 'paused'
end

call('HSET', keys, key_digest, value .. RETURN_MARK)
local quantity = unpack_struct('>I4', value, 9)
if call('HINCRBY', held, buyer, -quantity) <= 0 then call('HDEL', held, buyer) end
local returned = ARGV[7] == '1' and 0 or quantity
local available, epoch, sequence = sale[2] + returned, sale[5] + 1, sale[6] + 1
call('HSET', key, 'state', sale[1], 'available', available, 'returned', sale[3] + returned,
  'written_off', (sale[10] or 0) + quantity - returned,
  'released', (sale[4] or 0) + quantity, 'epoch', epoch, 'sequence', sequence,
  'buyers', buyers_due + call('HLEN', held) - buyers, 'orders', orders_due)
-- A user without rights on the channel must not make a script fail after its writes.
redis.pcall('PUBLISH', channel, string.format('returned %s %.0f %.0f', string.match(key, '%d+$'), available, epoch))
return { 'done', available, epoch, sequence, sale[7] }
