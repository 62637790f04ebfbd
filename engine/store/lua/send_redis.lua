-- send_redis.lua: a taken command enters its connector's stream and is marked sent, both or neither.
-- KEYS  1 meta      hash    epoch
--       2 dispatch  hash    command → row (row.lua)
--       3 outbox    stream  commands
--       4 commands:<connector>  stream  the same fields; `epoch` is the sender's
-- ARGV  1 command id  2 epoch
-- Gives sent (now, or before) · withdrawn (asked since it was taken; it ends so) · fenced · unknown · ended · not_taken
-- include: fence.lua
-- include: row.lua
redis.replicate_commands()
local id = ARGV[1]
if current_epoch(KEYS[1]) ~= tonumber(ARGV[2]) then
  return 'fenced'
end
local row = read_row(KEYS[2], id)
if not row then
  return 'unknown'
end
if row.state == 'sent' then
  return 'sent'
end
if row.state == 'ended' then
  return row.status == 'withdrawn' and 'withdrawn' or 'ended'
end
if row.state ~= 'sending' then
  return 'not_taken'
end
if row.withdraw == '1' then
  end_row(KEYS[2], id, row, 'withdrawn')
  return 'withdrawn'
end
local entry = redis.call('XRANGE', KEYS[3], row.outbox, row.outbox)[1]
if not entry then
  return 'unknown'
end
local fields = entry[2]
for i = 1, #fields, 2 do
  if fields[i] == 'epoch' then
    fields[i + 1] = ARGV[2]
  end
end
redis.call('XADD', KEYS[4], '*', unpack(fields))
row.state = 'sent'
row.epoch = ARGV[2]
row.since = digits(server_ms())
write_row(KEYS[2], id, row)
return 'sent'
