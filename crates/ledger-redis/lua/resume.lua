-- Ends a rebuild: the sale sells again, if as many units are left as the order store has.
--
-- Keys:      1 sale | 2 held | 3 keys
-- Arguments: 1 generation | 2 units that must be left
-- Reply:     'missing'
--            'active' | 'prepared' | 'closed': the state after the call
--            'other_generation', then the ledger's generation; nothing changed
--            'differs', then the number of units left; nothing changed
--            'incomplete': the number of buyers with units, or of keys, differs from the count; nothing changed

local sale = redis.call('HMGET', KEYS[1], 'state', 'generation', 'available', 'sequence', 'buyers', 'orders')
if not sale[1] then return { 'missing' } end
if sale[2] ~= ARGV[1] then return { 'other_generation', sale[2] } end
if sale[1] ~= 'paused' then return { sale[1] } end
if sale[3] ~= ARGV[2] then return { 'differs', sale[3] } end
if redis.call('HLEN', KEYS[2]) ~= tonumber(sale[5]) or redis.call('HLEN', KEYS[3]) ~= tonumber(sale[6]) then
  return { 'incomplete' }
end
redis.call('HSET', KEYS[1], 'state', 'active', 'sequence', sale[4] + 1)
return { 'active' }
