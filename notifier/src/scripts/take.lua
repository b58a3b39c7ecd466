-- Takes due jobs of one recipient under a lease, and grows their tokens, so that whoever held them before can't settle
-- them any more. What is under a lease is not due. A lease that is over gives the job its place in the queue back.
-- KEYS: due, jobs, disabled, standing, series, leases. ARGV: what alert keys begin with, recipient, its fingerprint, how
-- many, lease in ms, with how many more due a digest is taken instead (or -1), how many at most for one, the caller, for how
-- many ms a series is its own, 1 if all series are as one, then ids and tokens of the jobs that are under way with the caller.
-- The alerts of a series are taken by one notifier until it has taken none for some time: two would overtake each other.
-- The alerts cannot be declared: which are due is found here. While the slot moves between nodes of a cluster, one
-- that has gone ahead stops the script; what it had taken by then is due again after its lease.
-- Answers {ms until the next job is due, or -1; jobs whose alert is gone; 1 while disabled; 1 for a digest; jobs}.
local due, jobs, disabled, standing, series, leases = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
-- How many leases that are over are looked at.
local OVER_MAX = 50
-- A pause that is longer than any was not meant: the clock was set back.
local PAUSE_MAX_MS = 600000
-- How many alerts of others' series are passed over at most.
local PASSED_MAX = 100
local caller, own_ms = ARGV[8], tonumber(ARGV[9])
local count, lease, digest_over = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
-- Removes nothing. A script whose first write frees memory may go on when memory is short, and only
-- delivering frees it.
redis.call('ZREM', due, '')
local is_disabled = 0
local note = redis.call('HGET', disabled, ARGV[2])
-- A note that can't be read disables nobody.
local is_read, read = pcall(cjson.decode, note or '')
if is_read and type(read) == 'table' and read.fingerprint == ARGV[3] then
  is_disabled = 1
end
-- A state that can't be read is begun anew; whether the alert has arrived is then unknown.
local function state(id)
  local text = redis.call('HGET', jobs, id)
  local is_read, job = pcall(cjson.decode, text or '')
  if is_read and type(job) == 'table' and tonumber(job.token) and tonumber(job.ended) and tonumber(job.attempts) then
    return job
  end
  return { attempts = 0, token = 0, ended = 0, doubt = text and true or false }
end
local under_way = {}
-- Whether a job's attempt runs with the caller, who has not settled it, and nobody else took it.
local function is_running(id, job)
  return under_way[id] == job.token and job.ended ~= job.token
end
for at = 11, #ARGV, 2 do
  under_way[ARGV[at]] = tonumber(ARGV[at + 1])
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, OVER_MAX)) do
  local job = state(id)
  if is_running(id, job) then
    redis.call('ZADD', leases, 'XX', now + lease, id)
  else
    redis.call('ZADD', due, job.since or now, id)
    redis.call('ZREM', leases, id)
  end
end
local opens = is_disabled == 0 and tonumber(redis.call('HGET', standing, 'open_until') or nil)
if opens and opens > now and opens - now <= PAUSE_MAX_MS then
  return { math.ceil(opens - now), 0, 0, 0, {} }
end
local is_digest = 0
if digest_over >= 0 and is_disabled == 0 and redis.call('ZCOUNT', due, '-inf', now) > digest_over then
  is_digest, count = 1, tonumber(ARGV[7])
end
-- How long a series is another notifier's; 0 if it is the caller's now.
local waits, is_claimed = {}, false
local function others(name)
  if ARGV[10] == '1' then
    name = '*'
  end
  if waits[name] then
    return waits[name]
  end
  local held = redis.pcall('HGET', series, name)
  if type(held) == 'table' then
    redis.call('DEL', series)
    held = nil
  end
  local holder, last = string.match(held or '', '^(%S+) (%d+)$')
  if holder and holder ~= caller and tonumber(last) <= now and now - tonumber(last) < own_ms then
    waits[name] = own_ms - (now - tonumber(last))
  else
    redis.call('HSET', series, name, caller .. ' ' .. string.format('%d', math.floor(now)))
    waits[name], is_claimed = 0, true
  end
  return waits[name]
end
local taken, gone, seen, left, passed = {}, 0, 0, 0, nil
-- Looks at jobs in their order; what it takes or removes is due no more.
local function look(found)
  for at = 1, #found, 2 do
    if seen == count then
      return
    end
    local id, since = found[at], found[at + 1]
    local name = redis.pcall('HGET', ARGV[1] .. id, 'series')
    local wait = type(name) == 'string' and others(name) or 0
    if wait > 0 then
      left, passed = left + 1, math.min(passed or wait, wait)
    else
      local alert = redis.pcall('HGETALL', ARGV[1] .. id)
      if alert.err or #alert == 0 then
        redis.call('ZREM', due, id)
        redis.call('HDEL', jobs, id)
        gone = gone + 1
      else
        local job = state(id)
        -- One that runs may stand here: another notifier found its lease over.
        if not is_running(id, job) then
          seen = seen + 1
          job.token = job.token + 1
          job.since = since
          local text = cjson.encode(job)
          redis.call('HSET', jobs, id, text)
          taken[#taken + 1] = { id, text, alert }
        end
        redis.call('ZADD', leases, now + lease, id)
        redis.call('ZREM', due, id)
      end
    end
  end
end
local function due_now(from, many)
  return redis.call('ZRANGEBYSCORE', due, '-inf', now, 'WITHSCORES', 'LIMIT', from, many)
end
look(due_now(0, count))
if passed and seen < count then
  -- Behind the alerts of others' series there may be some of the caller's.
  look(due_now(left, PASSED_MAX))
end
if is_claimed then
  redis.call('PEXPIRE', series, own_ms)
end
if opens and #taken > 0 then
  -- The breaker lets through what is taken now, and nothing more until that is settled or its lease is over.
  redis.call('HSET', standing, 'probes', #taken, 'open_until', string.format('%.0f', now + lease))
end
if #taken == 0 then
  is_digest = 0
end
local wait = -1
local head = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
if head[2] then
  wait = math.ceil(math.max(0, tonumber(head[2]) - now))
end
-- What is passed over is due, and not for the caller yet.
if passed and seen < count then
  wait = math.ceil(passed)
end
return { wait, gone, is_disabled, is_digest, taken }
