//! What the program's user may do: each command that the program needs is tried, and none is run.
//!
//! Commands are sent within a transaction that is then discarded. Redis judges permissions when it queues a command, so
//! that a user without any right to ask about its own rights finds them out, and nothing is changed. Nothing is sent
//! before the transaction is known to have begun: a user that may not even begin one would run what follows.

use std::collections::BTreeSet;

use redis::{Cmd, RedisError, RedisResult, Value};

use crate::connection::{RESPONSE_TIMEOUT, RedisTarget, describe, server_error};
use crate::doctor::{Finding, Verdict};

/// The commands that a program needs on one key.
#[derive(Clone, Debug)]
pub struct Need {
    /// The key.
    pub key: String,
    /// The commands, with `KEY` where the key stands.
    pub commands: &'static [&'static str],
}

/// Commands that make things safer, and without which programs work: to see that memory is short, and to have a file
/// rewritten that ends in a torn transaction.
const HELPFUL: [&str; 2] = ["INFO", "BGREWRITEAOF"];

/// Tries all of it.
pub(super) async fn look(target: &RedisTarget, needs: &[Need]) -> Finding {
    let subject = "redis permissions";
    let (mut refused, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for need in needs {
        match attempt(target, need).await {
            Ok(found) if found.is_empty() => {}
            Ok(found) => {
                refused.extend(found);
                keys.insert(need.key.as_str());
            }
            Err(error) => return Finding::fault(subject, format!("can't be tried: {}", describe(&error))),
        }
    }
    if refused.is_empty() {
        return Finding::ok(subject, "everything that this program does");
    }
    let list = |names: Vec<&str>| names.join(" ");
    let commands = list(refused.iter().map(String::as_str).collect());
    // Not the rules to paste: a command that is missing on one key must not be granted on all.
    let detail = format!(
        "its user may not {commands} on {}: deploy/redis/users.acl has what each program needs",
        list(keys.into_iter().collect())
    );
    let is_helpful = refused.iter().all(|name| HELPFUL.contains(&name.as_str()));
    Finding::new(if is_helpful { Verdict::Warning } else { Verdict::Fault }, subject, detail)
}

/// The commands that are refused.
async fn attempt(target: &RedisTarget, need: &Need) -> Result<Vec<String>, RedisError> {
    // A connection of its own: between MULTI and DISCARD nobody else may use it.
    let mut connection = target.connect(&need.key, RESPONSE_TIMEOUT).await?;
    let begun: Result<(), RedisError> = redis::cmd("MULTI").exec_async(&mut connection).await;
    match begun {
        Ok(()) => {}
        Err(error) if is_denied(&error) => return Ok(vec!["MULTI".to_owned()]),
        Err(error) => return Err(error),
    }
    let mut pipe = redis::pipe();
    pipe.ignore_errors();
    for command in need.commands {
        pipe.add_command(written(command, &need.key));
    }
    pipe.cmd("DISCARD");
    let answers: Vec<RedisResult<Value>> = pipe.query_async(&mut connection).await?;
    let refused = need.commands.iter().zip(&answers).filter(|(_, answer)| answer.as_ref().is_err_and(is_denied));
    Ok(refused.map(|(command, _)| name(command)).collect())
}

fn is_denied(error: &RedisError) -> bool {
    server_error(error).is_some_and(|error| error.code() == "NOPERM")
}

fn written(command: &str, key: &str) -> Cmd {
    let mut cmd = Cmd::new();
    for word in command.split(' ') {
        cmd.arg(if word == "KEY" { key } else { word });
    }
    cmd
}

/// The command's name, with its subcommand where it has such.
fn name(command: &str) -> String {
    let words: Vec<&str> = command.split(' ').collect();
    let has_subcommand = matches!(words[0], "XGROUP" | "XINFO" | "SCRIPT");
    words[..if has_subcommand { 2 } else { 1 }].join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_written_with_their_key() {
        let packed = written("XADD KEY * a b", "cw:{0}:candles").get_packed_command();
        let mut expected = redis::cmd("XADD");
        expected.arg("cw:{0}:candles").arg("*").arg("a").arg("b");
        assert_eq!(packed, expected.get_packed_command());
        assert_eq!(["XADD KEY * a b", "XINFO GROUPS KEY", "TIME"].map(name), ["XADD", "XINFO GROUPS", "TIME"]);
    }
}
