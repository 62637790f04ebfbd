-- note_down.lua: what a connector notes, and what it has seen, both or neither, once.
-- KEYS  1 meta  hash  epoch        2 notebook  hash  'write' → id of the last write, 'note:<name>' → text
--       3 journal  stream
-- ARGV  1 epoch  2 write id  3, 4 how many arguments the first two sections have, then the sections:
--       notes set (field, text)…   notes taken out (field)…   entries (n, field, value × n/2)…
-- Gives 1 written (or before, by this write id: the answer was lost) · 0 another leads
-- The first write is refused at maxmemory, with nothing written; after it Redis lets the script finish.
-- include: fence.lua
if current_epoch(KEYS[1]) ~= tonumber(ARGV[1]) then
  return 0
end
local kind = redis.call('TYPE', KEYS[3]).ok
if kind ~= 'none' and kind ~= 'stream' then
  return redis.error_reply('WRONGTYPE ' .. KEYS[3] .. ' is a ' .. kind)
end
if redis.call('HGET', KEYS[2], 'write') == ARGV[2] then
  return 1
end
redis.replicate_commands() -- ids are the clock's; the default since Redis 5, but a setting until 7
redis.call('HSET', KEYS[2], 'write', ARGV[2])
local at = 5
local after = at + tonumber(ARGV[3])
while at < after do
  redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
  at = at + 2
end
after = at + tonumber(ARGV[4])
while at < after do
  redis.call('HDEL', KEYS[2], ARGV[at])
  at = at + 1
end
while at <= #ARGV do
  local n = tonumber(ARGV[at])
  redis.call('XADD', KEYS[3], '*', unpack(ARGV, at + 1, at + n))
  at = at + n + 1
end
return 1
