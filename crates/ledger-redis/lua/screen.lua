-- Judges intents of one shard. Changes nothing, except that a sale with a lost part is paused (judge.lua). Needs
-- identity.lua.
--
-- Keys:      1 number of open orders | 2 identity | then three per sale: sale, held, keys
-- Arguments: 1 intents (intents.lua)
--            2 for each sale: generation u32, sequence u64 that the caller has seen (judge.lua)
--            3 the expected ledger
-- Reply:     'other_ledger', then this ledger; nothing changed
--            'screened' and the fields of judge.lua

local other = other_ledger(KEYS[2], ARGV[3], true)
if other then return { 'other_ledger', other } end

local groups, refused, answers, stopped = judge(ARGV[1], 3, ARGV[2])
return reply('screened', call('GET', KEYS[1]), groups, refused, answers, stopped, ARGV[1])
