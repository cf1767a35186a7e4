-- Reads one order of a batch. A script, so that the rest of the batch is not transferred.
--
-- Keys:      1 log entry
-- Arguments: 1 index in the batch, from 0
-- Reply:     nil: no entry, a fence, or no such index
--            sale id u64, the intent (intents.lua), its state (one character; p: pending)

local entry = redis.call('HMGET', KEYS[1], 'sales', 'intents', 'states')
if not entry[2] then return false end
local place = tonumber(ARGV[1])
local intent = string.sub(entry[2], place * 38 + 1, place * 38 + 38)
if intent == '' then return false end
local number = struct.unpack('>I2', intent)
return { string.sub(entry[1], number * 16 + 1, number * 16 + 8), intent, string.sub(entry[3], place + 1, place + 1) }
