-- end.lua: a command has ended in a named way; its row says so until the journal has heard of it (commit.lua forgets it).
-- KEYS  1 meta  hash  epoch        2 dispatch  hash  command → row (row.lua)
-- ARGV  1 command id  2 epoch  3 status
-- Gives 1 ended so (now or before) · 0 another leads, no such command, or it ended otherwise
-- include: fence.lua
-- include: row.lua
redis.replicate_commands()
if current_epoch(KEYS[1]) ~= tonumber(ARGV[2]) then
  return 0
end
local row = read_row(KEYS[2], ARGV[1])
if not row then
  return 0
end
if row.state == 'ended' then
  return row.status == ARGV[3] and 1 or 0
end
end_row(KEYS[2], ARGV[1], row, ARGV[3])
return 1
