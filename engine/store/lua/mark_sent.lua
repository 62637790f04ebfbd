-- mark_sent.lua: sending → sent, when a connector has handed the command over.
-- KEYS  1 meta  hash  epoch        2 dispatch  hash  command → row (row.lua)
-- ARGV  1 command id  2 epoch
-- Gives 1 sent (or marked so before by the same epoch: the answer was lost) · 0 another leads, or it was not sending
-- include: fence.lua
-- include: row.lua
redis.replicate_commands()
if current_epoch(KEYS[1]) ~= tonumber(ARGV[2]) then
  return 0
end
local row = read_row(KEYS[2], ARGV[1])
if not row or tonumber(row.epoch) ~= tonumber(ARGV[2]) then
  return 0
end
if row.state == 'sent' then
  return 1
end
if row.state ~= 'sending' then
  return 0
end
row.state = 'sent'
row.since = digits(server_ms())
write_row(KEYS[2], ARGV[1], row)
return 1
