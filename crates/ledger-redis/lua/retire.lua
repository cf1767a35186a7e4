-- The end of a sale's keys. Prepended to each script that can bring a sale to its end.

-- Lets the keys of a closed sale expire after the retention, once no batch of it is open. They get no TTL: Redis frees
-- an expired key in one step, and a million keys of orders would block it for a third of a second. sweep.lua frees
-- them in the background.
local function retire_if_over(key, retired, state, pending_orders, retention_ms)
  if state ~= 'closed' or tonumber(pending_orders) > 0 then return end
  local time = redis.call('TIME')
  redis.call('ZADD', retired, 'NX', time[1] * 1000 + math.floor(time[2] / 1000) + retention_ms,
    string.match(key, '%d+$'))
end
