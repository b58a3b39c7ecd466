-- Takes the right to send one message now, if every window has room for one.
-- KEYS: what closes the recipient's way, then the windows, each a list of when the last messages were sent, the
-- newest first. ARGV: how many messages within how many ms, of each window.
-- Answers {1 if it was given, ms until the next message may be sent}.
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local function wait()
  local longest = math.max(redis.call('PTTL', KEYS[1]), 0)
  for at = 2, #KEYS do
    local limit, span = tonumber(ARGV[2 * at - 3]), tonumber(ARGV[2 * at - 2])
    local oldest = redis.call('LINDEX', KEYS[at], limit - 1)
    -- One that lies ahead is from before the clock was set back, and says nothing.
    if oldest and tonumber(oldest) <= now then
      longest = math.max(longest, oldest + span - now)
    end
  end
  return math.ceil(longest)
end
local first = wait()
if first > 0 then
  return { 0, first }
end
for at = 2, #KEYS do
  local limit, span = tonumber(ARGV[2 * at - 3]), tonumber(ARGV[2 * at - 2])
  -- Removing comes first. A script whose first write frees memory may go on when memory is short, and only
  -- delivering frees it.
  redis.call('LTRIM', KEYS[at], 0, limit - 1)
  redis.call('LPUSH', KEYS[at], string.format('%.3f', now))
  redis.call('PEXPIRE', KEYS[at], math.ceil(span))
end
return { 1, wait() }
