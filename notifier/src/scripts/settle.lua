-- Settles a job that was taken; answers 1, or 0 when it is not the caller's any more.
-- KEYS: due, jobs, alert, dead, disabled, standing, leases. ARGV: id, token, what the recipient did (accepted, failed, refused
-- or nothing), what it answered, the breaker's failures, ms of failing, first and longest pause in ms, verdict, then by
-- verdict
--   delivered, expired, back
--   again: delay in ms, attempts made, 1 if the alert may have arrived
--   dead: oldest entry to keep in ms, recipient, note that disables it or '', fields and values to add
local due, jobs, alert, dead, disabled, standing, leases = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local id, token, verdict = ARGV[1], tonumber(ARGV[2]), ARGV[9]
local text = redis.call('HGET', jobs, id)
if not text then
  return 0
end
local is_read, job = pcall(cjson.decode, text)
if not is_read or type(job) ~= 'table' then
  return 0
end
-- What was delivered is done, whoever holds the job now.
if verdict ~= 'delivered' and job.token ~= token then
  return 0
end
-- Removes nothing. A script whose first write frees memory may go on when memory is short, and only
-- settling frees it.
redis.call('ZREM', due, '')
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local now_text = string.format('%d', math.floor(now))

-- How the recipient stands, and its breaker: after so many failures in a row over so long it opens, each time for twice
-- as long, until one attempt succeeds.
local probes = (ARGV[3] == 'failed' or ARGV[3] == 'nothing') and tonumber(redis.call('HGET', standing, 'probes') or nil)
if ARGV[3] == 'accepted' or ARGV[3] == 'refused' then
  -- One that refuses an alert works.
  redis.call('HDEL', standing, 'failures', 'failing_since', 'open_until', 'pauses', 'probes')
end
if ARGV[3] == 'accepted' then
  redis.call('HSET', standing, 'last_success', now_text)
elseif ARGV[3] ~= 'nothing' then
  redis.call('HSET', standing, 'last_error_at', now_text, 'last_error', ARGV[4])
end
if ARGV[3] == 'failed' then
  local failures = redis.call('HINCRBY', standing, 'failures', 1)
  if (tonumber(redis.call('HGET', standing, 'failing_since') or nil) or math.huge) > now then
    redis.call('HSET', standing, 'failing_since', now_text)
  end
  local failing = now - tonumber(redis.call('HGET', standing, 'failing_since'))
  local is_open = redis.call('HEXISTS', standing, 'open_until') == 1
  if probes or (not is_open and failures >= tonumber(ARGV[5]) and failing >= tonumber(ARGV[6])) then
    local pauses = redis.call('HINCRBY', standing, 'pauses', 1)
    local pause = math.min(tonumber(ARGV[7]) * 2 ^ math.min(pauses - 1, 20), tonumber(ARGV[8]))
    redis.call('HSET', standing, 'open_until', string.format('%.0f', now + pause))
    redis.call('HDEL', standing, 'probes')
  end
elseif ARGV[3] == 'nothing' and probes then
  if probes > 1 then
    redis.call('HINCRBY', standing, 'probes', -1)
  else
    -- Of what was let through nothing was tried: something else is.
    redis.call('HSET', standing, 'open_until', now_text)
    redis.call('HDEL', standing, 'probes')
  end
end

-- It was not tried: it has its place in the queue back.
if verdict == 'back' then
  -- An attempt before this one that never ended leaves its doubt.
  job.doubt = job.doubt or token > job.ended + 1
  job.ended = token
  redis.call('HSET', jobs, id, cjson.encode(job))
  redis.call('ZADD', due, job.since or now, id)
  redis.call('ZREM', leases, id)
  return 1
end
if verdict == 'again' then
  job.attempts, job.ended, job.doubt = tonumber(ARGV[11]), token, ARGV[12] == '1'
  redis.call('HSET', jobs, id, cjson.encode(job))
  redis.call('ZADD', due, now + tonumber(ARGV[10]), id)
  redis.call('ZREM', leases, id)
  return 1
end
-- The job is removed last: should anything before be refused, nothing is lost and all is tried again.
if verdict == 'dead' then
  if ARGV[12] ~= '' then
    redis.call('HSET', disabled, ARGV[11], ARGV[12])
  end
  local entry = {}
  local fields = redis.call('HGETALL', alert)
  for at = 1, #fields, 2 do
    if fields[at] ~= 'recipients' then
      entry[#entry + 1] = fields[at]
      entry[#entry + 1] = fields[at + 1]
    end
  end
  for at = 13, #ARGV do
    entry[#entry + 1] = ARGV[at]
  end
  redis.call('XADD', dead, 'MINID', '=', ARGV[10], '*', unpack(entry))
end
redis.call('HDEL', jobs, id)
redis.call('ZREM', due, id)
redis.call('ZREM', leases, id)
if redis.call('HINCRBY', alert, 'recipients', -1) <= 0 then
  redis.call('DEL', alert)
end
return 1
