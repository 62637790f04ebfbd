-- note.lua: fields of meta outside a commit (start and stop marks, the entry about to be tried). The cursor stays.
-- KEYS  1 meta  hash
-- ARGV  1 epoch  2 how many of the rest are set, then (field, text)… set and (field)… deleted
-- Gives 1 written · 0 another leads
-- include: fence.lua
if current_epoch(KEYS[1]) ~= tonumber(ARGV[1]) then
  return 0
end
local set = tonumber(ARGV[2])
for i = 3, 2 + set, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
for i = 3 + set, #ARGV do
  redis.call('HDEL', KEYS[1], ARGV[i])
end
return 1
