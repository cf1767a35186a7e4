-- Ends the rebuilding of a sale: it sells again, if as much is left as the order store says.
--
-- Keys:      1 sale | 2 held | 3 keys
-- Arguments: 1 generation | 2 units that must be left
-- Reply:     'missing'
--            'active' | 'prepared' | 'closed': the state it is in now, or was in before
--            'other_generation', then the generation that is there; nothing changed
--            'differs', then how many units are left; nothing changed
--            'incomplete': what buyers hold, or the keys of orders, are not as many as were written; nothing changed

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
