-- view.lua: facts, active and meta as they are now, for someone who reads them while the daemon goes on.
-- KEYS  1 meta  2 facts  3 active  hashes
--       4 outbox  5 audit  6 rejected  streams; how far they are goes into the copy of meta
--       7 8 9 view:<name>:meta, :facts, :active   the copies
-- ARGV  1 ms after which the copies go by themselves
-- Gives the cursor
-- include: streams.lua
redis.replicate_commands()
copy_state({ KEYS[1], KEYS[2], KEYS[3] }, { KEYS[7], KEYS[8], KEYS[9] },
  { outbox = KEYS[4], audit = KEYS[5], rejected = KEYS[6] })
for i = 7, 9 do
  redis.call('PEXPIRE', KEYS[i], ARGV[1])
end
return redis.call('HGET', KEYS[1], 'cursor') or '0-0@0'
