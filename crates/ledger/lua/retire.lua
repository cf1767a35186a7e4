-- The end of a sale's keys. Put before each script that can bring a sale to its end.

-- Lets the three keys of a closed sale go after the retention, once nothing of it is open.
local function retire_if_over(first_key, state, pending_orders, retention_ms)
  if state ~= 'closed' or tonumber(pending_orders) > 0 then return end
  for key = first_key, first_key + 2 do
    redis.call('PEXPIRE', KEYS[key], retention_ms)
  end
end
