-- Checks that this server can run the scripts: it calls each command that one of them calls, on a key that nothing
-- else uses. A failed command does not stop the check, so that all missing rights are reported at once.
--
-- Keys:      1 a key for this check alone
-- Arguments: 1 channel of the events
-- Reply:     the errors of the failed commands; empty: none failed
-- Events:    'probe'

local key, errors = KEYS[1], {}

local function try(command, ...)
  local answer = redis.pcall(command, ...)
  if type(answer) == 'table' and answer.err then errors[#errors + 1] = command .. ': ' .. answer.err end
end

-- As a hash, as a sorted set, as a number. The first write needs memory: a server without any refuses it alone.
try('HSET', key, 'field', 1)
try('HSETNX', key, 'field', 1)
try('HGET', key, 'field')
try('HMGET', key, 'field')
try('HLEN', key)
try('HINCRBY', key, 'field', 1)
try('HDEL', key, 'field')
try('ZADD', key, 1, 'member')
try('ZSCORE', key, 'member')
try('ZCARD', key)
try('ZRANGE', key, '-inf', '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
try('ZREM', key, 'member')
try('SET', key, 1)
try('GET', key)
try('INCRBY', key, 1)
try('DECRBY', key, 1)
try('EXISTS', key)
try('PEXPIRE', key, 60000)
try('TIME')
try('UNLINK', key)
try('PUBLISH', ARGV[1], 'probe')
return errors
