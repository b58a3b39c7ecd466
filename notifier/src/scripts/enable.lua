-- Enables a recipient whatever disabled it, and closes its breaker. What waited is due now, in its order.
-- KEYS: disabled, due, standing. ARGV: recipient.
-- Answers {1 if it was disabled, 1 if its breaker was open, how many alerts wait}.
local was_open = redis.call('HEXISTS', KEYS[3], 'open_until')
redis.call('HDEL', KEYS[3], 'failures', 'failing_since', 'open_until', 'pauses', 'probe')
local was_disabled = redis.call('HDEL', KEYS[1], ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local waiting = redis.call('ZRANGE', KEYS[2], 0, -1)
if was_disabled == 1 then
  for rank, id in ipairs(waiting) do
    redis.call('ZADD', KEYS[2], 'XX', now + rank / 1000, id)
  end
end
return { was_disabled, was_open, #waiting }
