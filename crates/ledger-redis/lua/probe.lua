-- Whether this server does what the scripts need: each command that one of them calls is called here, on a key that
-- nothing else uses. A command is called even if one before it failed, so that all missing rights are told at once.
--
-- Keys:      1 a key for the purpose
-- Arguments: 1 channel of the events
-- Reply:     the errors of the commands that failed; none: all is well
-- Notes:     'probe'

local key, errors = KEYS[1], {}

local function try(command, ...)
  local answer = redis.pcall(command, ...)
  if type(answer) == 'table' and answer.err then errors[#errors + 1] = command .. ': ' .. answer.err end
end

-- As a hash, as a sorted set, as a number. The first write is one that needs memory: only there a server without any
-- says so.
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
