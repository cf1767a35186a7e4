-- The byte layout of intents and orders. Prepended to each script that reads intents.
--
-- A sale has three keys: its hash, what its buyers hold, its idempotency keys. An intent names its sale by the index
-- of its three keys, from 0, in the order in which the sales first appear in the batch.
--
-- One intent is 38 bytes, integers big-endian:
--   sale number u16 | quantity u32 | key digest 16 bytes | buyer digest 16 bytes
-- An order id has 63 bits and does not fit a Lua number, so it stays a string of 8 bytes: the base of its batch,
-- whose last 10 bits are 0, plus the index in the batch.

local call, unpack = redis.call, unpack
local byte, char, floor, sub = string.byte, string.char, math.floor, string.sub
local pack_struct, unpack_struct = struct.pack, struct.unpack

local INTENT_BYTES = 38
-- Follows the value of an order in the keys of a sale once the order gave its units up: the proof that they are back.
local RETURN_MARK = 'r'

-- The intents by sale: for each, its fields and its index in the batch (from 0), in four lists.
local function group_by_sale(intents, first_key)
  local groups = {}
  for number = 1, (#KEYS - first_key + 1) / 3 do
    groups[number] = { key = first_key + (number - 1) * 3, count = 0,
      places = {}, quantities = {}, keys = {}, buyers = {} }
  end
  local place = 0
  local current, group, places, quantities, keys, buyers
  for at = 1, #intents, INTENT_BYTES do
    local number, quantity, key, buyer = unpack_struct('>I2I4c16c16', intents, at)
    if number ~= current then
      current, group = number, groups[number + 1]
      places, quantities, keys, buyers = group.places, group.quantities, group.keys, group.buyers
    end
    local count = group.count + 1
    group.count = count
    places[count], quantities[count], keys[count], buyers[count] = place, quantity, key, buyer
    place = place + 1
  end
  return groups
end

-- The value of an order in the keys of a sale: its id and its quantity, 12 bytes; without the mark.
local function key_entry(base, place, intents)
  local at = place * INTENT_BYTES + 3
  return sub(base, 1, 6) .. char(byte(base, 7) + floor(place / 256), place % 256) .. sub(intents, at, at + 3)
end

-- The share of each sale in a log entry: its id u64, its orders u32 and its units u32. `sales` are the ids, u64 each.
local function pack_shares(groups, sales)
  local shares = {}
  for number = 1, #groups do
    local group, units = groups[number], 0
    for i = 1, group.count do
      units = units + group.quantities[i]
    end
    shares[number] = pack_struct('>c8I4I4', sub(sales, number * 8 - 7, number * 8), group.count, units)
  end
  return table.concat(shares)
end

-- Milliseconds since 1970, by the clock of this server.
local function now_ms()
  local time = call('TIME')
  return time[1] * 1000 + floor(time[2] / 1000)
end
