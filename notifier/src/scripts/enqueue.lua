-- Queues one alert for recipients that have not had it yet; answers with how many those were.
-- Run again, it changes nothing.
-- KEYS: alert, seen. ARGV: what due keys begin with, id, delay in ms, life of `seen` in seconds,
-- how many recipients, the recipients, then the alert's fields and values.
local alert, seen = KEYS[1], KEYS[2]
local due_prefix, id, recipients = ARGV[1], ARGV[2], tonumber(ARGV[5])
local fresh = {}
for at = 6, 5 + recipients do
  if redis.call('HEXISTS', seen, ARGV[at]) == 0 then
    fresh[#fresh + 1] = ARGV[at]
  end
end
if #fresh == 0 then
  return 0
end
local time = redis.call('TIME')
local due = time[1] * 1000 + time[2] / 1000 + tonumber(ARGV[3])
-- The first write: refused when memory is short, before anything has changed.
redis.call('HSET', alert, unpack(ARGV, 6 + recipients))
local queued = 0
for _, name in ipairs(fresh) do
  redis.call('HSET', seen, name, 1)
  queued = queued + redis.call('ZADD', due_prefix .. name, 'NX', due, id)
end
redis.call('HINCRBY', alert, 'recipients', queued)
redis.call('EXPIRE', seen, ARGV[4])
return queued
