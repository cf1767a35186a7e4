-- Makes a prepared sale sellable.
--
-- Keys:      1 sale
-- Arguments: 1 generation
-- Reply:     'missing' | 'active' | 'paused' | 'closed': the state after the call
--            'other_generation', then the ledger's generation of the sale; nothing changed

local sale = redis.call('HMGET', KEYS[1], 'state', 'generation', 'sequence')
if not sale[1] then return { 'missing' } end
if sale[2] ~= ARGV[1] then return { 'other_generation', sale[2] } end
if sale[1] ~= 'prepared' then return { sale[1] } end
redis.call('HSET', KEYS[1], 'state', 'active', 'sequence', sale[3] + 1)
return { 'active' }
