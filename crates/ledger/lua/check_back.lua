-- Tells the fate of a batch and makes it final: where nothing is known of it, a fence is left, and a deduction
-- that comes later is refused. Deletes nothing.
--
-- Keys:      1 log entry
-- Arguments: 1 nonce, 16 hexadecimal digits
--            2 retention of the fence, ms
-- Reply:     'deducted' | 'acknowledged' | 'fenced': the status of the batch

local entry = redis.call('HMGET', KEYS[1], 'status', 'nonce')
if not entry[1] then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('HSET', KEYS[1], 'status', 'fenced', 'nonce', ARGV[1], 'at', now)
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 'fenced'
end
if entry[2] ~= ARGV[1] then
  -- Another batch has the base. As long as its entry lives this one cannot be deducted: the entry is the fence.
  redis.call('PEXPIRE', KEYS[1], ARGV[2], 'GT')
  return 'fenced'
end
return entry[1]
