-- Which ledger this is. Put before each script that gives or records a verdict on a batch, or makes one.
--
-- The hash has `ledger` and `store`, 32 hexadecimal digits each: the ledger, and the order store that it belongs to.

-- The ledger that is here, if it is another than the caller means ('' means: one that has no identity); else nil.
-- One that has lost its identity has lost its log too: it may refuse intents, since its sales are gone as well, but
-- must not say what became of a batch.
local function other_ledger(key, meant, may_be_lost)
  local ledger = redis.call('HGET', key, 'ledger')
  if ledger then return ledger ~= meant and ledger or nil end
  return meant ~= '' and not may_be_lost and '' or nil
end
