//! The Lua scripts of leases and roster. Each is sent whole, so that a flush of the script cache is no event.
//!
//! A lease is `<end in ms> <owner>`, by Redis' clock. It has no TTL of its own: under an eviction policy
//! such as `volatile-ttl` the leases would be the first to go, and workers would take partitions from
//! each other. A script has no rollback: all checks stand before the first write, and the first write is
//! the one that a full server refuses.

/// Takes a partition that is free, was released, or is ours already.
///
/// Keys: lease, fence. Arguments: owner, lease in ms. Answers `{1, token, cause}` when taken, else
/// `{0, holder, ms left}`. While workers live, the fence changes here and in a reset, which moves its epoch on.
pub(super) const ACQUIRE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = redis.call('GET', KEYS[1])
local till, holder
if lease then till, holder = string.match(lease, '^(%d+) (.*)$') end
local left = (tonumber(till) or now) - now
if holder and holder ~= ARGV[1] and left > 0 then
  return {0, holder, left}
end
local fence = redis.call('GET', KEYS[2])
local epoch, owner = 0, ''
if fence then
  epoch = tonumber(string.match(fence, '^%d+')) or 0
  owner = string.match(fence, '^%d+ (.*)$') or ''
end
local cause = 'expired'
if owner == '' or owner == ARGV[1] then cause = 'joined' end
if lease == '' then cause = 'handed_over' end
local token = string.format('%d %s', epoch + 1, ARGV[1])
redis.call('SET', KEYS[1], string.format('%d %s', now + ARGV[2], ARGV[1]))
redis.call('SET', KEYS[2], token)
return {1, token, cause}
";

/// Extends a lease that is ours, or has run out while nobody took over. One that was released stays so.
///
/// Keys: lease, fence. Arguments: owner, lease in ms, token. Answers 1 when extended, else 0.
pub(super) const RENEW: &str = r"
if redis.call('GET', KEYS[2]) ~= ARGV[3] or redis.call('GET', KEYS[1]) == '' then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('SET', KEYS[1], string.format('%d %s', now + ARGV[2], ARGV[1]))
return 1
";

/// Lets a lease of ours go, also one that we asked for and were not told of. An empty lease tells the next
/// owner that it was handed over.
///
/// Keys: lease, fence. Arguments: owner.
pub(super) const RELEASE: &str = r"
local holder = string.match(redis.call('GET', KEYS[1]) or '', '^%d+ (.*)$')
if holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], '')
return 1
";

/// Enters a worker into the roster, forgets those that have been dead for a minute, and answers with
/// `{now in ms, entries}`.
///
/// Keys: workers. Arguments: worker, its life in ms, what it holds.
pub(super) const ENTER: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], string.format('%d %s', now + ARGV[2], ARGV[3]))
local entries = redis.call('HGETALL', KEYS[1])
for at = 1, #entries, 2 do
  local till = tonumber(string.match(entries[at + 1], '^%d+'))
  if not till or till < now - 60000 then redis.call('HDEL', KEYS[1], entries[at]) end
end
return {now, entries}
";
