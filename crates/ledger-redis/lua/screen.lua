-- Judges intents of one shard. Changes nothing, but for a sale of which something is missing (judge.lua): it stops.
-- Needs identity.lua.
--
-- Keys:      1 number of open orders | 2 identity | then three a sale: sale, held, keys
-- Arguments: 1 intents (intents.lua)
--            2 for each sale: generation u32, sequence u64 that the caller has seen (judge.lua)
--            3 the ledger that the caller means
-- Reply:     'other_ledger', then the one that is here; nothing changed
--            'screened' and the rest as in judge.lua

local other = other_ledger(KEYS[2], ARGV[3], true)
if other then return { 'other_ledger', other } end

local groups, refused, answers, stopped = judge(ARGV[1], 3, ARGV[2])
return reply('screened', call('GET', KEYS[1]), groups, refused, answers, stopped, ARGV[1])
