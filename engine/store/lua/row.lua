-- row.lua: shared. A row of the dispatch hash is eight words:
--   state (queued sending sent ended)  status (- until ended; unknown of a sent one that was not told so yet)  epoch  tries  since_ms
--   withdraw (0, or 1 once withdrawal is asked)  expires_ms (- never)  outbox id
local function read_row(dispatch, id)
  local text = redis.call('HGET', dispatch, id)
  if not text then
    return nil
  end
  local w = {}
  for word in string.gmatch(text, '%S+') do
    w[#w + 1] = word
  end
  return { state = w[1], status = w[2], epoch = w[3], tries = tonumber(w[4]), since = w[5],
           withdraw = w[6], expires = w[7], outbox = w[8] }
end

local function write_row(dispatch, id, r)
  redis.call('HSET', dispatch, id, table.concat({ r.state, r.status, r.epoch, digits(r.tries), r.since,
                                                  r.withdraw, r.expires, r.outbox }, ' '))
end

local function end_row(dispatch, id, r, status)
  r.state = 'ended'
  r.status = status
  r.since = digits(server_ms())
  write_row(dispatch, id, r)
end
