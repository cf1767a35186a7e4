-- Judges intents, for screen.lua and deduct.lua. Needs intents.lua.
--
-- Results, one character per intent, in the order of the checks:
--   = the same key came earlier in this call        # the key has an order: 8 bytes of its id follow
--   ! the key has an order of another quantity      M the sale is missing
--   N prepared, not active    Z paused    O not open yet    E ended, or closed
--   S not enough units left    L over the limit of the buyer    + passes
-- An intent that does not pass takes nothing from later ones.

-- Reads the columns of a sale, and names their indexes in the reply of HMGET.
local STATE, GENERATION, SEQUENCE, AVAILABLE, EPOCH, OPENS_AT, CLOSES_AT, LIMIT = 1, 2, 3, 4, 5, 6, 7, 8
local DEDUCTED, PENDING_ORDERS, PENDING_UNITS, BUYERS, ORDERS = 9, 10, 11, 12, 13

local function read_sale(key)
  return call('HMGET', key, 'state', 'generation', 'sequence', 'available', 'epoch', 'opens_at', 'closes_at',
    'limit', 'deducted', 'pending_orders', 'pending_units', 'buyers', 'orders')
end

-- A server with less progress of a sale than the caller has seen was behind when it took over.
local function is_behind(sale, seen_generation, seen_sequence)
  local generation = tonumber(sale[GENERATION])
  if generation ~= seen_generation then return generation < seen_generation end
  return tonumber(sale[SEQUENCE]) < seen_sequence
end

-- Whether the number of buyers with units, or of keys, differs from the count: some are lost, or a script failed
-- half-way. A sale of an older version has no counts.
local function is_incomplete(sale, held, keys)
  sale[BUYERS] = tonumber(sale[BUYERS] or call('HLEN', held))
  sale[ORDERS] = tonumber(sale[ORDERS] or call('HLEN', keys))
  return call('HLEN', held) ~= sale[BUYERS] or call('HLEN', keys) ~= sale[ORDERS]
end

-- Pauses a sale with a lost part: units that it would sell may be sold already. Returns whether it was paused now.
local function stop_if_something_is_lost(group, sale, seen_generation, seen_sequence)
  if sale[STATE] ~= 'active' and sale[STATE] ~= 'prepared' then return false end
  if not is_behind(sale, seen_generation, seen_sequence)
    and not is_incomplete(sale, KEYS[group.key + 1], KEYS[group.key + 2]) then return false end
  sale[STATE], sale[SEQUENCE] = 'paused', sale[SEQUENCE] + 1
  call('HSET', KEYS[group.key], 'state', 'paused', 'sequence', sale[SEQUENCE])
  return true
end

-- The refusal of every intent of the sale except replays, or nil.
local function refusal_of_all(sale, now)
  local state = sale[STATE]
  if not state then return 'M' end
  if state == 'prepared' then return 'N' end
  if state == 'paused' then return 'Z' end
  if state == 'closed' then return 'E' end
  if now < tonumber(sale[OPENS_AT]) then return 'O' end
  if now >= tonumber(sale[CLOSES_AT]) then return 'E' end
  return nil
end

-- Judges the intents of one sale. Sets `answers` for those that do not pass and returns their number. Sets in `group`
-- what the passing ones take: `units`, `holds`, the new total of each of their buyers, and `new_buyers`, the number
-- of those that held nothing.
local function judge_group(group, sale, now, intents, answers)
  local places, quantities, keys, buyers = group.places, group.quantities, group.keys, group.buyers
  local known = call('HMGET', KEYS[group.key + 2], unpack(keys))
  local held = call('HMGET', KEYS[group.key + 1], unpack(buyers))
  local refusal = refusal_of_all(sale, now)
  local left, limit = tonumber(sale[AVAILABLE]), tonumber(sale[LIMIT])
  local seen, holds, units, new_buyers, refused = {}, {}, 0, 0, 0
  for i = 1, group.count do
    local key, quantity, answer = keys[i], quantities[i], nil
    if seen[key] then
      answer = '='
    else
      seen[key] = true
      local entry = known[i]
      if entry then
        local at = places[i] * INTENT_BYTES + 3
        answer = sub(entry, 9, 12) == sub(intents, at, at + 3) and '#' .. sub(entry, 1, 8) or '!'
      elseif refusal then
        answer = refusal
      elseif quantity > left then
        answer = 'S'
      else
        local buyer = buyers[i]
        local total = (holds[buyer] or held[i] or 0) + quantity
        if total > limit then
          answer = 'L'
        else
          if not holds[buyer] and not held[i] then new_buyers = new_buyers + 1 end
          holds[buyer], left, units = total, left - quantity, units + quantity
        end
      end
    end
    if answer then
      answers[places[i] + 1], refused = answer, refused + 1
    end
  end
  group.units, group.holds, group.new_buyers = units, holds, new_buyers
  return refused
end

-- Judges every intent. `seen` has for each sale the greatest generation u32 and sequence u64 that the caller has
-- seen (0 and 0: none). Returns the groups, each with its `sale`, and:
--   refused, the number of intents that do not pass; answers, their results; stopped, the numbers of the sales that
--   were paused now, u16 each.
local function judge(intents, first_key, seen)
  local groups, now = group_by_sale(intents, first_key), now_ms()
  local answers, stopped, refused = {}, '', 0
  for number = 1, #groups do
    local group = groups[number]
    local sale = read_sale(KEYS[group.key])
    local seen_generation, seen_sequence = unpack_struct('>I4I8', seen, (number - 1) * 12 + 1)
    if stop_if_something_is_lost(group, sale, seen_generation, seen_sequence) then
      stopped = stopped .. pack_struct('>I2', number - 1)
    end
    group.sale = sale
    refused = refused + judge_group(group, sale, now, intents, answers)
  end
  return groups, refused, answers, stopped
end

-- The reply of both scripts:
--   status, open orders of the shard, results (empty: all pass), sales that were paused now (u16 each),
--   then for each sale: available, epoch, sequence, generation, opens_at (nil five times: missing).
local function reply(status, open_orders, groups, refused, answers, stopped, intents)
  local packed = ''
  if refused > 0 then
    for i = 1, #intents / INTENT_BYTES do
      answers[i] = answers[i] or '+'
    end
    packed = table.concat(answers)
  end
  local result = { status, math.max(tonumber(open_orders or 0), 0), packed, stopped }
  local at = 4
  for number = 1, #groups do
    local sale = groups[number].sale
    result[at + 1], result[at + 2], result[at + 3] = sale[AVAILABLE], sale[EPOCH], sale[SEQUENCE]
    result[at + 4], result[at + 5] = sale[GENERATION], sale[OPENS_AT]
    at = at + 5
  end
  return result
end
