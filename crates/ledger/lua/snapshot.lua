-- A sale at one moment, with the open batches that hold units of it.
--
-- Keys:      1 sale | 2 held | 3 keys | 4 open batches
-- Arguments: 1 id of the sale, u64
--            2 what the key of a log entry begins with; the base of the batch follows, 16 hexadecimal digits
-- Reply:     nil: missing
--            state, generation, initial, restocked, returned, deducted, written_off, reclaimed, available, epoch,
--            sequence, buyers that hold something, keys, then for each open batch, oldest first:
--            batch id, deducted at (ms), orders of the sale, units of the sale

local result = redis.call('HMGET', KEYS[1], 'state', 'generation', 'initial', 'restocked', 'returned', 'deducted',
  'written_off', 'reclaimed', 'available', 'epoch', 'sequence')
if not result[1] then return false end
result[12], result[13] = redis.call('HLEN', KEYS[2]), redis.call('HLEN', KEYS[3])

local open, at = redis.call('ZRANGE', KEYS[4], 0, -1, 'WITHSCORES'), 13
for i = 1, #open, 2 do
  local id = open[i]
  -- A share is 16 bytes: sale id u64, orders u32, units u32.
  local shares = redis.call('HGET', ARGV[2] .. string.sub(id, 1, 16), 'sales') or ''
  for share = 1, #shares, 16 do
    if string.sub(shares, share, share + 7) == ARGV[1] then
      result[at + 1], result[at + 2] = id, open[i + 1]
      result[at + 3], result[at + 4] = struct.unpack('>I4I4', shares, share + 8)
      at = at + 4
    end
  end
end
return result
