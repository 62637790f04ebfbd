-- append_signed.lua: a signed entry, in the order of its writer's numbers, once.
-- KEYS  1 journal  stream        2 writers  hash  writer → "n id signature" of its last entry
-- ARGV  1 writer  2 n  3 signature  4… fields of the entry
-- Gives {'id', entry id} (also for the very same entry sent again: the answer was lost) · {'behind', last n}
local last_n, last_id, last_signature = string.match(redis.call('HGET', KEYS[2], ARGV[1]) or '0 - -', '^(%S+) (%S+) (%S+)$')
local n = tonumber(ARGV[2])
if n == tonumber(last_n) and ARGV[3] == last_signature then
  return { 'id', last_id }
end
if n <= tonumber(last_n) then
  return { 'behind', last_n }
end
local id = redis.call('XADD', KEYS[1], '*', unpack(ARGV, 4))
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. ' ' .. id .. ' ' .. ARGV[3])
return { 'id', id }
