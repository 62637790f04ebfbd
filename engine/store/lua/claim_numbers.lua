-- claim_numbers.lua: a writer's numbers up to n count as used, so that who holds lower ones can write no more.
-- KEYS  1 writers  hash  writer → "n id signature" of its last entry
-- ARGV  1 writer  2 n
-- Gives 1 claimed · 0 they were used before
local last_n = string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '0', '^%S+')
if tonumber(ARGV[2]) <= tonumber(last_n) then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' - -')
return 1
