-- Prepended to a script by tests, with `writes_left`: the script fails instead of its next write.
local redis = (function(real)
  local reads = { TIME = true, GET = true, HGET = true, HMGET = true, HLEN = true, ZSCORE = true, ZCARD = true,
    ZRANGE = true, EXISTS = true }
  local function counted(command, ...)
    if not reads[command] then
      if writes_left == 0 then error('broken off before ' .. command) end
      writes_left = writes_left - 1
    end
    return real.call(command, ...)
  end
  return { call = counted, pcall = counted }
end)(redis)
