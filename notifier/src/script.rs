//! The scripts: every change of more than one key is one of them.

use std::sync::LazyLock;

use redis::{Cmd, Script as Hashed, ToRedisArgs};

/// A script and its hash.
pub(crate) struct Script {
    code: &'static str,
    hashed: LazyLock<Hashed>,
}

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {
        $(
            pub(crate) static $name: Script = Script {
                code: include_str!(concat!("scripts/", $file)),
                hashed: LazyLock::new(|| Hashed::new(include_str!(concat!("scripts/", $file)))),
            };
        )*
    };
}

scripts! {
    ENQUEUE = "enqueue.lua";
    TAKE = "take.lua";
    SETTLE = "settle.lua";
    OPEN = "open.lua";
    PRUNE = "prune.lua";
    ENABLE = "enable.lua";
    PACE = "pace.lua";
    RENEW = "renew.lua";
    REDRIVE = "redrive.lua";
}

/// A call of a script: what runs it, and what makes it known first.
pub(crate) struct Call {
    /// `EVALSHA`.
    pub(crate) run: Cmd,
    /// `SCRIPT LOAD`.
    pub(crate) load: Cmd,
}

impl Script {
    /// Calls the script with these keys and arguments.
    pub(crate) fn call<K: ToRedisArgs, A: ToRedisArgs>(
        &self,
        keys: impl IntoIterator<Item = K>,
        args: impl IntoIterator<Item = A>,
    ) -> Call {
        let keys: Vec<K> = keys.into_iter().collect();
        let mut run = redis::cmd("EVALSHA");
        run.arg(self.hashed.get_hash()).arg(keys.len());
        for key in keys {
            run.arg(key);
        }
        for argument in args {
            run.arg(argument);
        }
        Call { run, load: self.load() }
    }

    /// Makes the script known to the server.
    pub(crate) fn load(&self) -> Cmd {
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(self.code);
        load
    }
}
