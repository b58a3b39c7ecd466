-- Renews the leases of jobs that are under way with the caller; those that somebody else holds now are left alone.
-- KEYS: due, jobs. ARGV: lease in ms, then ids and tokens.
local time = redis.call('TIME')
local ends = time[1] * 1000 + time[2] / 1000 + tonumber(ARGV[1])
-- Removes nothing. A script whose first write frees memory may go on when memory is short.
redis.call('ZREM', KEYS[1], '')
for at = 2, #ARGV, 2 do
  local is_read, job = pcall(cjson.decode, redis.call('HGET', KEYS[2], ARGV[at]) or '')
  if is_read and type(job) == 'table' and job.token == tonumber(ARGV[at + 1]) and job.ended ~= job.token then
    redis.call('ZADD', KEYS[1], 'XX', ends, ARGV[at])
  end
end
return 0
