-- Judges intents of one shard. Changes nothing, but for a sale that is behind what the caller has seen: it stops.
--
-- Keys:      1 number of open orders | then three a sale: sale, held, keys
-- Arguments: 1 intents (intents.lua)
--            2 for each sale: generation u32, sequence u64 that the caller has seen (judge.lua)
-- Reply:     'screened' and the rest as in judge.lua

local groups, refused, answers, stopped = judge(ARGV[1], 2, ARGV[2])
return reply('screened', call('GET', KEYS[1]), groups, refused, answers, stopped, ARGV[1])
