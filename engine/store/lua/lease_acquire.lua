-- lease_acquire.lua: lead, if nobody does. The epoch rises with every new leader and never falls.
-- KEYS  1 meta  hash  epoch        2 lease  string  owner, with a time to live
-- ARGV  1 owner  2 ttl, ms
-- Gives {epoch, 0} leading (also when the same owner asks again: the answer was lost) · {0, ms left, owner} another leads
local owner = redis.call('GET', KEYS[2])
if owner and owner ~= ARGV[1] then
  return { 0, redis.call('PTTL', KEYS[2]), owner }
end
local epoch = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0')
if not owner then
  epoch = redis.call('HINCRBY', KEYS[1], 'epoch', 1)
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return { epoch, 0 }
