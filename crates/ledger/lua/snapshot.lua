-- A sale at one moment, with the open batches that hold units of it.
--
-- Keys:      1 sale | 2 held | 3 keys | 4 open batches
-- Arguments: 1 id of the sale, u64
--            2 what the key of a log entry begins with; the base of the batch follows, 16 hexadecimal digits
-- Reply:     nil: missing
--            state, generation, initial, restocked, returned, deducted, written_off, reclaimed, available, epoch,
--            sequence, compensating steps, buyers that hold something, keys, this moment (ms), the number of open
--            batches of the shard without a log entry, then for each of those, oldest first: batch id, deducted at
--            (ms); then for each open batch of the sale, oldest first: batch id, deducted at (ms), orders of the
--            sale, units of the sale

local result = redis.call('HMGET', KEYS[1], 'state', 'generation', 'initial', 'restocked', 'returned', 'deducted',
  'written_off', 'reclaimed', 'available', 'epoch', 'sequence', 'adjustments')
if not result[1] then return false end
result[12] = result[12] or 0
result[13], result[14] = redis.call('HLEN', KEYS[2]), redis.call('HLEN', KEYS[3])
local time = redis.call('TIME')
result[15] = time[1] * 1000 + math.floor(time[2] / 1000)

local open, at = redis.call('ZRANGE', KEYS[4], 0, -1, 'WITHSCORES'), 16
local rows, count, lost = {}, 0, 0
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
result[16] = lost
for i = 1, count do
  result[at + i] = rows[i]
end
return result
