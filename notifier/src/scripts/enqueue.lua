-- Queues one alert for recipients that have not had it yet; answers with how many those were.
-- Run again, it changes nothing.
-- KEYS: alert, seen, then each recipient's due, then each recipient's dead. ARGV: id, delay in ms, life of `seen` in
-- seconds, when the signal was found in ms, the recipients in the same order, then the alert's fields and values.
-- All keys are declared: a slot that is just moving between nodes of a cluster refuses a script before it
-- starts, instead of in the middle, when `seen` has the recipient and the queue has not.
local alert, seen, id = KEYS[1], KEYS[2], ARGV[1]
local recipients = (#KEYS - 2) / 2
local fresh = {}
for at, is_known in ipairs(redis.call('HMGET', seen, unpack(ARGV, 5, 4 + recipients))) do
  if not is_known then
    fresh[#fresh + 1] = at
  end
end
if #fresh == 0 then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
-- By when it was found, not by when it is queued: two notifiers that queue signals of one series may be at odds.
local due = math.min(now, tonumber(ARGV[4])) + tonumber(ARGV[2])
local function is_error(reply)
  return type(reply) == 'table' and reply.err
end
local function is_damage(reply)
  return string.find(reply.err, 'WRONGTYPE', 1, true)
end
-- The first write: refused when memory is short, before anything has changed.
local written = redis.pcall('HSET', alert, unpack(ARGV, 5 + recipients))
if is_error(written) and is_damage(written) then
  -- Whatever stands there is no alert.
  redis.call('DEL', alert)
  written = redis.pcall('HSET', alert, unpack(ARGV, 5 + recipients))
end
if is_error(written) then
  return written
end
local queued, known, fault = 0, {}, nil
for _, at in ipairs(fresh) do
  local added = redis.pcall('ZADD', KEYS[2 + at], 'NX', due, id)
  if is_error(added) and is_damage(added) then
    -- Where a queue should be is something else: the alert is kept where people look, and holds up nobody else's.
    local entry = { unpack(ARGV, 5 + recipients) }
    for _, text in ipairs({ 'answer', 'its queue is damaged: ' .. added.err, 'attempts', '0', 'given_up_ms',
      string.format('%d', math.floor(now)) }) do
      entry[#entry + 1] = text
    end
    added = redis.pcall('XADD', KEYS[2 + recipients + at], '*', unpack(entry))
  elseif not is_error(added) then
    queued = queued + added
  end
  if is_error(added) then
    fault = fault or added
  else
    known[#known + 1] = ARGV[4 + at]
    known[#known + 1] = '1'
  end
end
redis.call('HINCRBY', alert, 'recipients', queued)
-- Remembered last: should anything be refused before, all is tried again.
if #known > 0 then
  redis.call('HSET', seen, unpack(known))
  redis.call('EXPIRE', seen, ARGV[3])
end
return fault or queued
