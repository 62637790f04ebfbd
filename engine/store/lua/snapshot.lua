-- snapshot.lua: facts, active and meta as they are at one cursor; older snapshots go.
-- KEYS  1 meta  2 facts  3 active  hashes
--       4 snapshots  hash  cursor → ms at which it was taken
--       5 outbox  6 audit  7 rejected  streams; how far they are goes into the copy of meta
--       8 9 10 snapshot:<cursor>:meta, :facts, :active   the copies
--       11…  three keys for each snapshot to forget
-- ARGV  1 epoch  2 cursor  3… the cursors to forget
-- Gives 1 taken · 0 another leads, or the cursor has moved
-- include: fence.lua
-- include: streams.lua
redis.replicate_commands()
if current_epoch(KEYS[1]) ~= tonumber(ARGV[1]) then
  return 0
end
if (redis.call('HGET', KEYS[1], 'cursor') or '0-0@0') ~= ARGV[2] then
  return 0
end
-- Forgetting first makes room, and Redis then lets the script finish even at maxmemory.
for i = 11, #KEYS do
  redis.call('UNLINK', KEYS[i])
end
for i = 3, #ARGV do
  redis.call('HDEL', KEYS[4], ARGV[i])
end
copy_state({ KEYS[1], KEYS[2], KEYS[3] }, { KEYS[8], KEYS[9], KEYS[10] },
  { outbox = KEYS[5], audit = KEYS[6], rejected = KEYS[7] })
redis.call('HSET', KEYS[4], ARGV[2], digits(server_ms()))
return 1
