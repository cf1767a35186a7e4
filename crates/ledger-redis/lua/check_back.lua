-- Returns the fate of a batch and makes it final: if the batch is unknown, it is fenced, and a later deduction is
-- refused. Deletes nothing. Needs identity.lua.
--
-- Keys:      1 log entry | 2 identity
-- Arguments: 1 nonce, 16 hexadecimal digits
--            2 retention of the fence, ms
--            3 the expected ledger
-- Reply:     'deducted' | 'acknowledged' | 'fenced': the status of the batch
--            'other_ledger', then this ledger; nothing changed

local other = other_ledger(KEYS[2], ARGV[3])
if other then return { 'other_ledger', other } end

local entry = redis.call('HMGET', KEYS[1], 'status', 'nonce')
if not entry[1] then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('HSET', KEYS[1], 'status', 'fenced', 'nonce', ARGV[1], 'at', now)
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 'fenced'
end
if entry[2] ~= ARGV[1] then
  -- Another batch has the base. As long as its entry lives, this batch cannot be deducted: the entry is the fence.
  redis.call('PEXPIRE', KEYS[1], ARGV[2], 'GT')
  return 'fenced'
end
return entry[1]
