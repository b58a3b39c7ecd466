-- Puts dead letters back into their recipient's queue, with their id, as if never tried and however old they are.
-- Stopped half-way, it has lost none.
-- KEYS: dead, due, jobs, leases. ARGV: what alert keys begin with, the first and the last entry that are meant, how many at most,
-- then the names of the fields that are not the alert's.
-- Answers {how many were put back, the last entry that was looked at or ''}.
-- The alerts cannot be declared: which there are is found here.
local dead, due, jobs, leases = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local added = {}
for at = 5, #ARGV do
  added[ARGV[at]] = true
end
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local queued, last = 0, ''
for rank, entry in ipairs(redis.call('XRANGE', dead, ARGV[2], ARGV[3], 'COUNT', ARGV[4])) do
  local id, in_doubt, fields = nil, false, {}
  last = entry[1]
  for at = 1, #entry[2], 2 do
    local name, value = entry[2][at], entry[2][at + 1]
    if name == 'id' then
      id = value
    elseif name == 'in_doubt' then
      in_doubt = true
    end
    if not added[name] then
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
  end
  if id and not redis.call('ZSCORE', due, id) and not redis.call('ZSCORE', leases, id) then
    local alert = ARGV[1] .. id
    -- The first write: refused when memory is short, before anything has changed.
    redis.call('HSET', alert, unpack(fields))
    redis.call('HINCRBY', alert, 'recipients', 1)
    -- No token that was given before the alert was given up on.
    local token = math.floor(now)
    local job = { attempts = 0, token = token, ended = token, doubt = in_doubt, redriven = true }
    redis.call('HSET', jobs, id, cjson.encode(job))
    redis.call('ZADD', due, now + rank / 1000, id)
    queued = queued + 1
  end
  -- One without an id is no alert; it stays for people to look at.
  if id then
    redis.call('XDEL', dead, entry[1])
  end
end
return { queued, last }
