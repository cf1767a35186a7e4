-- Brings the units that were restocked up to those of the order store. The total is a level: a second call, and one with
-- an older total, change nothing.
--
-- Keys:      1 sale
-- Arguments: 1 generation | 2 units restocked since the start | 3 channel of the events
-- Reply:     'missing' | 'already': nothing changed
--            'other_generation', then the ledger's generation of the sale; nothing changed
--            'done', then available, epoch, sequence, generation
-- Events:    'returned <sale> <available> <epoch>'

local key = KEYS[1]
local sale = redis.call('HMGET', key, 'generation', 'restocked', 'available', 'epoch', 'sequence')
if not sale[1] then return { 'missing' } end
if sale[1] ~= ARGV[1] then return { 'other_generation', sale[1] } end
local units = ARGV[2] - (sale[2] or 0)
if units <= 0 then return { 'already' } end
local available, epoch, sequence = sale[3] + units, sale[4] + 1, sale[5] + 1
redis.call('HSET', key, 'restocked', ARGV[2], 'available', available, 'epoch', epoch, 'sequence', sequence)
-- A user without rights on the channel must not make a script fail after its writes.
redis.pcall('PUBLISH', ARGV[3], string.format('returned %s %.0f %.0f', string.match(key, '%d+$'), available, epoch))
return { 'done', available, epoch, sequence, sale[1] }
