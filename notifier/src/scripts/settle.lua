-- Settles a job that was taken; answers 1, or 0 when it is not the caller's any more.
-- KEYS: due, jobs, alert, dead, disabled. ARGV: id, token, verdict, then by verdict
--   delivered, expired
--   again: delay in ms, attempts made, 1 if the alert may have arrived
--   dead: oldest entry to keep in ms, recipient, note that disables it or '', fields and values to add
local due, jobs, alert, dead, disabled = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, token, verdict = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local text = redis.call('HGET', jobs, id)
if not text then
  return 0
end
-- What was delivered is done, whoever holds the job now.
if verdict ~= 'delivered' and cjson.decode(text).token ~= token then
  return 0
end
-- Removes nothing. A script whose first write frees memory may go on when memory is short, and only
-- settling frees it.
redis.call('ZREM', due, '')
if verdict == 'again' then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + time[2] / 1000
  local job = { attempts = tonumber(ARGV[5]), token = token, ended = token, doubt = ARGV[6] == '1' }
  redis.call('HSET', jobs, id, cjson.encode(job))
  redis.call('ZADD', due, 'XX', now + tonumber(ARGV[4]), id)
  return 1
end
-- The job is removed last: should anything before be refused, nothing is lost and all is tried again.
if verdict == 'dead' then
  if ARGV[6] ~= '' then
    redis.call('HSET', disabled, ARGV[5], ARGV[6])
  end
  local entry = {}
  local fields = redis.call('HGETALL', alert)
  for at = 1, #fields, 2 do
    if fields[at] ~= 'recipients' then
      entry[#entry + 1] = fields[at]
      entry[#entry + 1] = fields[at + 1]
    end
  end
  for at = 7, #ARGV do
    entry[#entry + 1] = ARGV[at]
  end
  redis.call('XADD', dead, 'MINID', '~', ARGV[4], '*', unpack(entry))
end
redis.call('HDEL', jobs, id)
redis.call('ZREM', due, id)
if redis.call('HINCRBY', alert, 'recipients', -1) <= 0 then
  redis.call('DEL', alert)
end
return 1
