-- lease_release.lua: step down, so that a standby need not wait for the lease to run out.
-- KEYS  1 lease  string  owner
-- ARGV  1 owner
-- Gives 1 released · 0 it was not ours
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
