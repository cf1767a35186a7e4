-- A sale at one moment, with some of its open batches. A shard can have a million open batches, so one call reads a
-- page of them, oldest first; the last call returns the sale at its own end.
--
-- Keys:      1 sale | 2 held | 3 keys | 4 open batches
-- Arguments: 1 id of the sale, u64
--            2 prefix of the log entries; the base of the batch follows, 16 hexadecimal digits
--            3 minimum deduction time of the batches, ms, or '-inf'
--            4 maximum number of batches
-- Reply:     nil: missing
--            state, generation, initial, restocked, returned, deducted, written_off, reclaimed, released, available,
--            epoch, sequence, compensating steps, pending orders, pending units, the counts of buyers and orders,
--            buyers with units, keys, the server's time (ms), the deduction time of the last batch of a full page (ms;
--            0: there are no more), the number of batches of the page without a log entry, then for each of those:
--            batch id, deducted at (ms); then for each open batch of the sale: batch id, deducted at (ms), orders of
--            the sale, units of the sale

local result = redis.call('HMGET', KEYS[1], 'state', 'generation', 'initial', 'restocked', 'returned', 'deducted',
  'written_off', 'reclaimed', 'released', 'available', 'epoch', 'sequence', 'adjustments', 'pending_orders',
  'pending_units', 'buyers', 'orders')
if not result[1] then return false end
-- Sales of older versions lack these.
result[9], result[13] = result[9] or 0, result[13] or 0
result[18], result[19] = redis.call('HLEN', KEYS[2]), redis.call('HLEN', KEYS[3])
result[16], result[17] = result[16] or result[18], result[17] or result[19]
local time = redis.call('TIME')
result[20] = time[1] * 1000 + math.floor(time[2] / 1000)

local open = redis.call('ZRANGE', KEYS[4], ARGV[3], '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[4], 'WITHSCORES')
result[21] = #open == ARGV[4] * 2 and open[#open] or 0
local rows, count, lost, at = {}, 0, 0, 22
for i = 1, #open, 2 do
  local id = open[i]
  -- A share is 16 bytes: sale id u64, orders u32, units u32.
  local shares = redis.call('HGET', ARGV[2] .. string.sub(id, 1, 16), 'sales')
  if not shares then
    lost, result[at + 1], result[at + 2] = lost + 1, id, open[i + 1]
    at = at + 2
  end
  for share = 1, #(shares or ''), 16 do
    if string.sub(shares, share, share + 7) == ARGV[1] then
      rows[count + 1], rows[count + 2] = id, open[i + 1]
      rows[count + 3], rows[count + 4] = struct.unpack('>I4I4', shares, share + 8)
      count = count + 4
    end
  end
end
result[22] = lost
for i = 1, count do
  result[at + i] = rows[i]
end
return result
