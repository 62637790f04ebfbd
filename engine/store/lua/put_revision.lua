-- put_revision.lua: a rule base under its revision, and a line in the history.
-- KEYS  1 rulebase  hash  revision:<revision> → canonical form · history:<n> → note (JSON) · history → last n
-- ARGV  1 revision  2 canonical form  3 note (JSON)
-- Gives n of the note. The same note as the last again writes nothing: the answer was lost.
redis.call('HSETNX', KEYS[1], 'revision:' .. ARGV[1], ARGV[2])
local n = redis.call('HGET', KEYS[1], 'history') or '0'
if redis.call('HGET', KEYS[1], 'history:' .. n) == ARGV[3] then
  return tonumber(n)
end
n = redis.call('HINCRBY', KEYS[1], 'history', 1)
redis.call('HSET', KEYS[1], 'history:' .. n, ARGV[3])
return n
