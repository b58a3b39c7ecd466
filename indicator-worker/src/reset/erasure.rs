//! The erasure: the states of some series of a partition go, and its fence moves on, in one script.
//!
//! A script has no rollback: all looks stand before the first write, and the first write, of the fence, is the one that
//! a full server refuses. The fence keeps its owner's name, so that the owner, which still has the lease, takes the
//! partition back as its own; its epoch is one that no process has ever had for a token.

use candlewire_common::keys::Keys;
use candlewire_common::nodes::Nodes;
use candlewire_common::series::Series;
use redis::RedisError;

use super::Found;

/// How many series one script looks at: some milliseconds of Redis' time.
const AT_ONCE: usize = 500;

/// Keys: fence, then state and history of each series. Arguments: `erase` or `look`, how many candles a history holds
/// when it is full. Answers a verdict for each series.
///
/// A state goes only if the history ends with its last candle or a later one: that is where the owner begins again. One
/// that is no hash goes, too, as a worker would replace it.
const ERASE: &str = r"
local verdicts, doomed, is_changed = {}, {}, false
for at = 2, #KEYS, 2 do
  local state, history = KEYS[at], KEYS[at + 1]
  local last, candles, newest, length = nil, 0, nil, 0
  local kind = redis.call('TYPE', state).ok
  if kind == 'hash' then
    last = tonumber(redis.call('HGET', state, 'open_time') or nil)
    candles = tonumber(redis.call('HGET', state, 'candles') or nil) or 0
  end
  local is_stream = redis.call('TYPE', history).ok == 'stream'
  if is_stream then
    local entry = redis.call('XREVRANGE', history, '+', '-', 'COUNT', 1)[1]
    newest = entry and tonumber(string.match(entry[1], '^%d+'))
    length = redis.call('XLEN', history)
  end
  local verdict = 'erased'
  if kind == 'none' and not is_stream then
    verdict = 'missing'
  elseif last and (not newest or newest < last) then
    verdict = 'kept'
  else
    if length < candles and length < tonumber(ARGV[2]) then verdict = 'short' end
    if kind ~= 'none' then doomed[#doomed + 1] = state end
    is_changed = true
  end
  verdicts[#verdicts + 1] = verdict
end
if is_changed and ARGV[1] == 'erase' then
  local fence = redis.call('GET', KEYS[1])
  if fence then
    local epoch = tonumber(string.match(fence, '^%d+')) or 0
    redis.call('SET', KEYS[1], string.format('%d %s', epoch + 1, string.match(fence, '^%d+ (.*)$') or ''))
  end
  for _, state in ipairs(doomed) do redis.call('DEL', state) end
end
return verdicts
";

/// What becomes of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its state is forgotten.
    Erased,
    /// So it is, but its history holds fewer candles than averages may need, which then warm up again.
    Short,
    /// Its history does not reach its last candle, so the state is kept.
    Kept,
    /// There is no such series.
    Missing,
}

/// Whether to do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Only tells what would become of the series.
    Look,
    /// Forgets them.
    Erase,
}

/// Forgets states.
#[derive(Clone, Copy, Debug)]
pub(super) struct Erasure<'a> {
    pub(super) keys: &'a Keys,
    /// How many candles a history holds when it is full.
    pub(super) history: usize,
}

impl Erasure<'_> {
    /// Goes through all series. What a fault ends is done in part; to do it again does no harm.
    pub(super) async fn apply(
        &self,
        found: &Found,
        mode: Mode,
        nodes: &mut Nodes,
    ) -> Result<Vec<(Series, Verdict)>, RedisError> {
        let mut verdicts = Vec::new();
        for (partition, series) in found {
            let fence = self.keys.fence(*partition);
            let mut series: Vec<&Series> = series.iter().collect();
            series.sort_by_key(|series| series.as_str());
            for chunk in series.chunks(AT_ONCE) {
                let mut call = redis::cmd("EVAL");
                call.arg(ERASE).arg(1 + 2 * chunk.len()).arg(&fence);
                for series in chunk {
                    call.arg(self.keys.state(*partition, series)).arg(self.keys.history(*partition, series));
                }
                call.arg(if mode == Mode::Erase { "erase" } else { "look" }).arg(self.history);
                let node = nodes.of(&fence).await?;
                let answers: Vec<String> = call.query_async(&mut nodes.to(&node).await?).await?;
                verdicts.extend(chunk.iter().map(|series| (*series).clone()).zip(answers.iter().map(|a| read(a))));
            }
        }
        Ok(verdicts)
    }
}

fn read(answer: &str) -> Verdict {
    match answer {
        "erased" => Verdict::Erased,
        "short" => Verdict::Short,
        "kept" => Verdict::Kept,
        _ => Verdict::Missing,
    }
}
