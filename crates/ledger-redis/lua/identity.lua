-- The identity of the ledger. Prepended to each script that gives or records a verdict on a batch, or makes one.
--
-- The hash has `ledger` and `store`, 32 hexadecimal digits each: the ledger, and the order store that it belongs to.

-- This ledger, if it is not the expected one ('': a ledger without an identity); else nil. A ledger that lost its
-- identity lost its log too: it may refuse intents, since its sales are gone as well, but must not return what became
-- of a batch.
local function other_ledger(key, meant, may_be_lost)
  local ledger = redis.call('HGET', key, 'ledger')
  if ledger then return ledger ~= meant and ledger or nil end
  return meant ~= '' and not may_be_lost and '' or nil
end
