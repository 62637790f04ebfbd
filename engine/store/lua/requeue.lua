-- requeue.lua: sending → queued, for a send that certainly did not leave (the connection was refused).
-- KEYS  1 meta  hash  epoch        2 dispatch  hash  command → row (row.lua)
-- ARGV  1 command id  2 epoch
-- Gives 1 queued · 0 another leads, or it was not sending
-- include: fence.lua
-- include: row.lua
redis.replicate_commands()
if current_epoch(KEYS[1]) ~= tonumber(ARGV[2]) then
  return 0
end
local row = read_row(KEYS[2], ARGV[1])
if not row or row.state == 'ended' or row.state == 'sent' then
  return 0
end
row.state = 'queued'
row.since = digits(server_ms())
write_row(KEYS[2], ARGV[1], row)
return 1
