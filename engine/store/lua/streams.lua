-- streams.lua: shared. The last id a stream has given, even when that entry is gone.
local function last_id(stream)
  if redis.call('EXISTS', stream) == 0 then
    return '0-0'
  end
  local told = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #told, 2 do
    if told[i] == 'last-generated-id' then
      return told[i + 1]
    end
  end
end

-- Copies a state, and writes into the copy of meta how far the streams of what was decided were at that moment.
-- from: meta, facts, active; to: where their copies go; streams: name → key.
local function copy_state(from, to, streams)
  for i = 1, 3 do
    redis.call('UNLINK', to[i])
    if redis.call('EXISTS', from[i]) == 1 then
      redis.call('COPY', from[i], to[i])
    end
  end
  for name, key in pairs(streams) do
    redis.call('HSET', to[1], 'at:' .. name, last_id(key))
  end
end
