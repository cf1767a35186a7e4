-- A compensating step: corrects a sale with missing or surplus units. It names the state that the caller saw, which
-- ordinary traffic does not change, so a second call changes nothing.
--
-- Keys:      1 sale
-- Arguments: 1 generation
--            2 compensating steps that the sale had before
--            3 the difference of `available` from the totals: corrected in `available` alone
--            4 the difference of the totals from the order store: if negative, that many units are `returned`; if
--              positive, that many are `deducted`
--            5 channel of the events
-- Reply:     'missing'
--            'conflict', then generation, steps, and the difference of `available` from the totals; nothing changed
--            'done', then deferred surplus units (sold already), then available, epoch, sequence, generation
-- Events:    'returned <sale> <available> <epoch>' if units came back

local call, max, min = redis.call, math.max, math.min
local key = KEYS[1]
local sale = call('HMGET', key, 'generation', 'adjustments', 'available', 'initial', 'restocked', 'returned',
  'deducted', 'written_off', 'reclaimed', 'epoch', 'sequence')
if not sale[1] then return { 'missing' } end
for column = 1, 11 do
  -- The number of steps is absent before the first one.
  sale[column] = tonumber(sale[column] or 0)
end
local generation, adjustments, available = sale[1], sale[2], sale[3]
local returned, deducted, written_off, reclaimed, epoch, sequence = sale[6], sale[7], sale[8], sale[9], sale[10], sale[11]

local by_totals = sale[4] + sale[5] + returned - deducted
local in_ledger = available - by_totals
if generation ~= tonumber(ARGV[1]) or adjustments ~= tonumber(ARGV[2]) or in_ledger ~= tonumber(ARGV[3]) then
  return { 'conflict', generation, adjustments, in_ledger }
end

local across = tonumber(ARGV[4])
local found, taken = max(-across, 0), max(across, 0)
local left = by_totals + found - taken
-- Below zero, some of the surplus was sold. The order store did not provide the units of it that were written off.
local again = max(min(-left, written_off - reclaimed), 0)
left = left + again
-- The rest is sold and undecided: it is deferred, and no step brings a sale below zero, or further below.
local deferred = max(min(-left, available - left), 0)
local untaken = min(deferred, taken)
local now_available = left + deferred
taken = taken - untaken

if now_available == available and found + taken + again == 0 then
  return { 'done', deferred, available, epoch, sequence, generation }
end
sequence = sequence + 1
local moved = now_available > available or found + again > 0
if moved then epoch = epoch + 1 end
call('HSET', key, 'available', now_available, 'returned', returned + found + again, 'deducted', deducted + taken,
  'reclaimed', reclaimed + again, 'epoch', epoch, 'sequence', sequence, 'adjustments', adjustments + 1)
if moved then
  -- A user without rights on the channel must not make a script fail after its writes.
  redis.pcall('PUBLISH', ARGV[5],
    string.format('returned %s %.0f %.0f', string.match(key, '%d+$'), now_available, epoch))
end
return { 'done', deferred, now_available, epoch, sequence, generation }
