-- take.lua: a command becomes `sending`, once it is sure that it may go out.
-- KEYS  1 meta      hash    epoch
--       2 dispatch  hash    command → row (row.lua)
--       3 outbox    stream  commands
-- ARGV  1 command id  2 epoch
-- Gives {'taken', tries, fields of the outbox entry} or {why}: fenced, unknown, sent, withdrawn, expired, ended
--
-- A withdrawn or expired command ends here, and its row says so, if it was never taken before. One that was may have
-- gone out under its earlier take: to say `withdrawn` of it would be a lie, so it counts as sent.
-- include: fence.lua
-- include: row.lua
redis.replicate_commands() -- the clock is read before writing; the default since Redis 5, but a setting until 7
local id = ARGV[1]
if current_epoch(KEYS[1]) ~= tonumber(ARGV[2]) then
  return { 'fenced' }
end
local row = read_row(KEYS[2], id)
if not row then
  return { 'unknown' }
end
if row.state == 'ended' then
  if row.status == 'withdrawn' or row.status == 'expired' then
    return { row.status }
  end
  return { 'ended' }
end
if row.state == 'sent' then
  return { 'sent' }
end

local now = server_ms()
local refusal = nil
if row.withdraw == '1' then
  refusal = 'withdrawn'
elseif row.expires ~= '-' and now > tonumber(row.expires) then
  refusal = 'expired'
end
if refusal then
  if row.state == 'sending' then
    row.state = 'sent'
    row.status = 'unknown' -- nobody was told of it yet: a start that finds it so asks again what became of it
    row.epoch = ARGV[2]
    row.since = digits(now)
    write_row(KEYS[2], id, row)
    return { 'sent' }
  end
  end_row(KEYS[2], id, row, refusal)
  return { refusal }
end

local entry = redis.call('XRANGE', KEYS[3], row.outbox, row.outbox)[1]
if not entry then
  return { 'unknown' }
end
row.state = 'sending'
row.epoch = ARGV[2]
row.tries = row.tries + 1
row.since = digits(now)
write_row(KEYS[2], id, row)
return { 'taken', row.tries, entry[2] }
