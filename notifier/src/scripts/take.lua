-- Takes due jobs of one recipient under a lease: their time moves to the lease's end, and their token
-- grows, so that whoever held them before can't settle them any more.
-- KEYS: due, jobs, disabled. ARGV: what alert keys begin with, recipient, its fingerprint, how many,
-- lease in ms, then ids and tokens of the jobs that are under way with the caller.
-- The alerts cannot be declared: which are due is found here. While the slot moves between nodes of a cluster, one
-- that has gone ahead stops the script; what it had taken by then is due again after its lease.
-- Answers {ms until the next job is due, or -1; jobs whose alert is gone; 1 while disabled; jobs}.
local due, jobs, disabled = KEYS[1], KEYS[2], KEYS[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
-- Removes nothing. A script whose first write frees memory may go on when memory is short, and only
-- delivering frees it.
redis.call('ZREM', due, '')
local fresh = '{"attempts":0,"token":0,"ended":0,"doubt":false}'
local under_way = {}
for at = 6, #ARGV, 2 do
  under_way[ARGV[at]] = tonumber(ARGV[at + 1])
end
local taken, gone = {}, 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, ARGV[4])) do
  local alert = redis.call('HGETALL', ARGV[1] .. id)
  if #alert == 0 then
    redis.call('ZREM', due, id)
    redis.call('HDEL', jobs, id)
    gone = gone + 1
  else
    local job = cjson.decode(redis.call('HGET', jobs, id) or fresh)
    -- One that the caller could not settle in time, and that nobody else took, stays as it is.
    if under_way[id] ~= job.token or job.ended == job.token then
      job.token = job.token + 1
      local text = cjson.encode(job)
      redis.call('HSET', jobs, id, text)
      taken[#taken + 1] = { id, text, alert }
    end
    redis.call('ZADD', due, 'XX', now + tonumber(ARGV[5]), id)
  end
end
local wait = -1
local head = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
if head[2] then
  wait = math.ceil(math.max(0, tonumber(head[2]) - now))
end
local is_disabled = 0
local note = redis.call('HGET', disabled, ARGV[2])
-- A note that can't be read disables nobody.
local is_read, read = pcall(cjson.decode, note or '')
if is_read and type(read) == 'table' and read.fingerprint == ARGV[3] then
  is_disabled = 1
end
return { wait, gone, is_disabled, taken }
