-- Renews the leases of jobs that are under way with the caller, and its hold on their series; jobs that somebody else holds
-- now are left alone.
-- KEYS: leases, jobs, series. ARGV: lease in ms, the caller, for how many ms a series is its own, how many series, these,
-- then ids and tokens.
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
-- Removes nothing. A script whose first write frees memory may go on when memory is short.
redis.call('ZREM', KEYS[1], '')
local many = tonumber(ARGV[4])
for at = 5, 4 + many do
  local holder = string.match(redis.call('HGET', KEYS[3], ARGV[at]) or '', '^(%S+) %d+$')
  if not holder or holder == ARGV[2] then
    redis.call('HSET', KEYS[3], ARGV[at], ARGV[2] .. ' ' .. string.format('%d', math.floor(now)))
    redis.call('PEXPIRE', KEYS[3], ARGV[3])
  end
end
for at = 5 + many, #ARGV, 2 do
  local is_read, job = pcall(cjson.decode, redis.call('HGET', KEYS[2], ARGV[at]) or '')
  if is_read and type(job) == 'table' and job.token == tonumber(ARGV[at + 1]) and job.ended ~= job.token then
    redis.call('ZADD', KEYS[1], 'XX', now + tonumber(ARGV[1]), ARGV[at])
  end
end
return 0
