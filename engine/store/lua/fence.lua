-- fence.lua: shared. The epoch that may write; a number below 2^53.
local function current_epoch(meta)
  return tonumber(redis.call('HGET', meta, 'epoch') or '0')
end

-- The server's clock, unix milliseconds.
local function server_ms()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

local function digits(number)
  return string.format('%.0f', number)
end
