-- Queues one alert for recipients that have not had it yet; answers with how many those were.
-- Run again, it changes nothing.
-- KEYS: alert, seen, then each recipient's due. ARGV: id, delay in ms, life of `seen` in seconds, when the signal was found
-- in ms, the recipients in the same order, then the alert's fields and values.
-- All keys are declared: a slot that is just moving between nodes of a cluster refuses a script before it
-- starts, instead of in the middle, when `seen` has the recipient and the queue has not.
local alert, seen, id = KEYS[1], KEYS[2], ARGV[1]
local recipients = #KEYS - 2
local fresh = {}
for at = 1, recipients do
  if redis.call('HEXISTS', seen, ARGV[4 + at]) == 0 then
    fresh[#fresh + 1] = at
  end
end
if #fresh == 0 then
  return 0
end
local time = redis.call('TIME')
-- By when it was found, not by when it is queued: two notifiers that queue signals of one series may be at odds.
local due = math.min(time[1] * 1000 + time[2] / 1000, tonumber(ARGV[4])) + tonumber(ARGV[2])
-- The first write: refused when memory is short, before anything has changed.
redis.call('HSET', alert, unpack(ARGV, 5 + recipients))
local queued = 0
for _, at in ipairs(fresh) do
  redis.call('HSET', seen, ARGV[4 + at], 1)
  queued = queued + redis.call('ZADD', KEYS[2 + at], 'NX', due, id)
end
redis.call('HINCRBY', alert, 'recipients', queued)
redis.call('EXPIRE', seen, ARGV[3])
return queued
