-- Opens a recipient's queue at start: one that was disabled under another configuration is enabled
-- again, and what waited for that is due now, in its order.
-- An open breaker is not waited for: somebody may just have mended what it opened for.
-- KEYS: disabled, due, standing. ARGV: recipient, its fingerprint.
-- Answers with the note that disables it, or with '' for enabled, or with 'enabled' for enabled just now.
if redis.call('HEXISTS', KEYS[3], 'open_until') == 1 then
  redis.call('HDEL', KEYS[3], 'probes')
  redis.call('HSET', KEYS[3], 'open_until', 0)
end
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
-- Long ago, for all of them, in one command: a loop over a long queue would hold everybody up.
redis.call('ZUNIONSTORE', KEYS[2], 1, KEYS[2], 'WEIGHTS', '1e-9')
return 'enabled'
