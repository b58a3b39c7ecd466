-- Removes consumers of a group that hold nothing: those idle for long, and the caller's own when it
-- leaves. In one step, since removing a consumer forgets what it holds.
-- KEYS: stream. ARGV: group, idle in ms, own name, 1 when leaving.
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for at = 1, #flat, 2 do
    consumer[flat[at]] = flat[at + 1]
  end
  local is_own = consumer.name == ARGV[3]
  local is_done = (is_own and ARGV[4] == '1') or (not is_own and consumer.idle > tonumber(ARGV[2]))
  if is_done and consumer.pending == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
  end
end
