-- lag.lua: how many entries are still unread, counted up to a bound, without sending them.
-- KEYS  1 journal  stream
-- ARGV  1 last applied entry  2 bound
-- Gives the count
return #redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
