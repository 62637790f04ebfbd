-- commit.lua: everything a batch of decisions changes, or nothing.
--
-- KEYS  1 meta      hash    cursor, commit (id of the last one), epoch, and whatever the engine counts
--       2 facts     hash    fact → claims
--       3 active    hash    activations and memories
--       4 dispatch  hash    command → row (row.lua)
--       5 outbox    stream  commands
--       6 audit     stream  decisions; trimmed by time
--       7 rejected  stream  refused entries; trimmed by length
--       8 clock     stream  under the entry's own id: the time it was given (trimmed with the journal)
--       9 done      hash    id of a coordination → how it ended
-- ARGV  1 epoch  2 expected cursor  3 cursor after  4 commit id  5 audit kept, ms  6 rejected kept, entries
--       7..20 how many arguments each section below has, then the sections:
--       facts set (field, record)…    facts deleted (field)…
--       active set (field, record)…   active deleted (field)…
--       meta set (field, text)…       meta deleted (field)…
--       commands (id, connector, verb, args, rule, coordination, expires or '')…
--       withdrawn (id)…               ended (id)…
--       audit (n, field, value × n/2)…   rejected (n, field, value × n/2)…   clock (entry id, ms)…
--       done set (id, record)…        done deleted (id)…
-- Gives {0, cursor} committed · {1, cursor} this commit id was committed before · {2, epoch} another leads
--       {3, cursor} the cursor is not the expected one
--
-- A script is not undone when one of its commands fails. So whatever could fail is asked before the first write, and
-- the first write is a trim: it is allowed at maxmemory, and after it Redis lets the script finish.
-- include: fence.lua
-- include: row.lua
local CHUNK = 400 -- arguments per call; even, and far below what Lua can unpack

local meta, facts, active, dispatch, outbox = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local audit, rejected, clock, done = KEYS[6], KEYS[7], KEYS[8], KEYS[9]

for i = 1, 9 do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= ((i <= 4 or i == 9) and 'hash' or 'stream') then
    return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' is a ' .. kind)
  end
end

local held = redis.call('HMGET', meta, 'epoch', 'cursor', 'commit')
local epoch = tonumber(held[1] or '0')
local cursor = held[2] or '0-0@0'
if epoch ~= tonumber(ARGV[1]) then
  return { 2, epoch }
end
if held[3] == ARGV[4] and cursor == ARGV[3] then
  return { 1, cursor }
end
if cursor ~= ARGV[2] then
  return { 3, cursor }
end

redis.replicate_commands() -- the clock is read before writing; the default since Redis 5, but a setting until 7
local now = server_ms()
redis.call('XTRIM', audit, 'MINID', '~', digits(math.max(0, now - tonumber(ARGV[5]))))
redis.call('XTRIM', rejected, 'MAXLEN', '~', ARGV[6])

local at = 21 -- where the next section begins
local function section(i)
  local first = at
  at = at + tonumber(ARGV[i])
  return first, at - 1
end
local function in_chunks(command, key, first, last)
  for i = first, last, CHUNK do
    redis.call(command, key, unpack(ARGV, i, math.min(i + CHUNK - 1, last)))
  end
end
local function add_entries(key, first, last)
  local i = first
  while i <= last do
    local n = tonumber(ARGV[i])
    redis.call('XADD', key, '*', unpack(ARGV, i + 1, i + n))
    i = i + n + 1
  end
end

in_chunks('HSET', facts, section(7))
in_chunks('HDEL', facts, section(8))
in_chunks('HSET', active, section(9))
in_chunks('HDEL', active, section(10))
in_chunks('HSET', meta, section(11))
in_chunks('HDEL', meta, section(12))

local first, last = section(13)
for i = first, last, 7 do
  local id, expires = ARGV[i], ARGV[i + 6]
  -- A command that is known is never queued a second time, whoever decides it again.
  if redis.call('HEXISTS', dispatch, id) == 0 then
    local entry = redis.call('XADD', outbox, '*', 'command', id, 'connector', ARGV[i + 1], 'verb', ARGV[i + 2],
      'args', ARGV[i + 3], 'rule', ARGV[i + 4], 'coordination', ARGV[i + 5], 'expires', expires, 'epoch', ARGV[1])
    write_row(dispatch, id, { state = 'queued', status = '-', epoch = ARGV[1], tries = 0, since = digits(now),
                              withdraw = '0', expires = expires == '' and '-' or expires, outbox = entry })
  end
end

first, last = section(14)
for i = first, last do
  local row = read_row(dispatch, ARGV[i])
  if row and row.state ~= 'ended' and row.withdraw == '0' then
    row.withdraw = '1'
    write_row(dispatch, ARGV[i], row)
  end
end
in_chunks('HDEL', dispatch, section(15))

add_entries(audit, section(16))
add_entries(rejected, section(17))

first, last = section(18)
for i = first, last, 2 do
  -- Entries come in rising order and once, so an id that is not above the last is already recorded.
  redis.pcall('XADD', clock, ARGV[i], 'now', ARGV[i + 1])
end

in_chunks('HSET', done, section(19))
in_chunks('HDEL', done, section(20))

redis.call('HSET', meta, 'cursor', ARGV[3], 'commit', ARGV[4])
return { 0, ARGV[3] }
