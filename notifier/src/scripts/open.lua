-- Opens a recipient's queue at start: one that was disabled under another configuration is enabled
-- again, and what waited for that is due now, in its order.
-- KEYS: disabled, due. ARGV: recipient, its fingerprint.
-- Answers with the note that disables it, or with '' for enabled, or with 'enabled' for enabled just now.
local note = redis.call('HGET', KEYS[1], ARGV[1])
if not note then
  return ''
end
-- A note that can't be read disables nobody.
local is_read, read = pcall(cjson.decode, note)
if is_read and type(read) == 'table' and read.fingerprint == ARGV[2] then
  return note
end
redis.call('HDEL', KEYS[1], ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
for rank, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  redis.call('ZADD', KEYS[2], 'XX', now + rank / 1000, id)
end
return 'enabled'
