-- lease_renew.lua: lead on. A lease that ran out while nobody else took it (Redis was away) is simply taken up again:
-- the epoch has not moved, so no other leader can have written.
-- KEYS  1 meta  hash  epoch        2 lease  string  owner, with a time to live
-- ARGV  1 owner  2 ttl, ms  3 epoch
-- Gives {1, epoch} · {0, epoch} another has led since
local epoch = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0')
local owner = redis.call('GET', KEYS[2])
if epoch ~= tonumber(ARGV[3]) or (owner and owner ~= ARGV[1]) then
  return { 0, epoch }
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return { 1, epoch }
