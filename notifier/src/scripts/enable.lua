-- Enables a recipient whatever disabled it, and closes its breaker. What waited is due now, in its order.
-- KEYS: disabled, due, standing. ARGV: recipient.
-- Answers {1 if it was disabled, 1 if its breaker was open, how many alerts wait}.
local was_open = redis.call('HEXISTS', KEYS[3], 'open_until')
redis.call('HDEL', KEYS[3], 'failures', 'failing_since', 'open_until', 'pauses', 'probes')
local was_disabled = redis.call('HDEL', KEYS[1], ARGV[1])
if was_disabled == 1 then
  -- Long ago, for all of them, in one command: a loop over a long queue would hold everybody up.
  redis.call('ZUNIONSTORE', KEYS[2], 1, KEYS[2], 'WEIGHTS', '1e-9')
end
return { was_disabled, was_open, redis.call('ZCARD', KEYS[2]) }
