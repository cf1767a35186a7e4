//! The scripts, and how a call of one is put into a command.

use std::sync::LazyLock;

use redis::Cmd;

/// One script with its digest.
pub(super) struct Script {
    /// Its name, for metrics and faults.
    pub(super) name: &'static str,
    code: &'static str,
    digest: LazyLock<String>,
}

macro_rules! scripts {
    ($($(#[doc = $doc:literal])* $id:ident = $name:literal: $($file:literal)+;)+) => {
        $($(#[doc = $doc])*
        pub(super) static $id: Script = Script {
            name: $name,
            code: concat!($(include_str!(concat!("../../lua/", $file, ".lua"))),+),
            digest: LazyLock::new(|| redis::Script::new($id.code).get_hash().to_owned()),
        };)+
        #[cfg(test)]
        const ALL: &[&Script] = &[$(&$id),+];
    };
}

scripts! {
    /// Judges intents.
    SCREEN = "screen": "intents" "judge" "screen";
    /// Applies a batch.
    DEDUCT = "deduct": "intents" "judge" "deduct";
    /// Tells the fate of a batch.
    CHECK_BACK = "check_back": "check_back";
    /// Records outcomes.
    SETTLE = "settle": "intents" "retire" "settle";
    /// Records that a whole batch was confirmed.
    SETTLE_CONFIRMED = "settle_confirmed": "retire" "settle_confirmed";
    /// Puts a sale in.
    PREPARE = "prepare": "prepare";
    /// Begins to build a sale anew.
    REBUILD = "rebuild": "rebuild";
    /// Puts decided orders into it.
    RESTORE = "restore": "intents" "restore";
    /// Ends that.
    RESUME = "resume": "resume";
    /// Makes a sale sellable.
    ACTIVATE = "activate": "activate";
    /// Stops a sale.
    PAUSE = "pause": "pause";
    /// Ends a sale.
    CLOSE = "close": "retire" "close";
    /// Mends what an audit found.
    COMPENSATE = "compensate": "compensate";
    /// Looks an order up.
    ORDER = "order": "order";
    /// Totals and open batches.
    SNAPSHOT = "snapshot": "snapshot";
}

impl Script {
    /// A call without keys and arguments yet.
    pub(super) const fn call(&'static self) -> ScriptCall {
        ScriptCall { script: self, keys: Vec::new(), arguments: Vec::new() }
    }

    /// Whether the answer to a second copy of a call holds for the first, which may still be on its way. Not for
    /// a deduction: a refusal leaves no trace, and the first copy could be applied after it. Its caller asks
    /// check_back.lua, which makes the fate final.
    pub(super) fn can_be_repeated(&'static self) -> bool {
        !std::ptr::eq(self, &DEDUCT)
    }
}

/// One call of a script.
pub(super) struct ScriptCall {
    pub(super) script: &'static Script,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl ScriptCall {
    /// Adds a key.
    pub(super) fn key(mut self, key: String) -> Self {
        self.keys.push(key);
        self
    }

    /// Adds keys.
    pub(super) fn keys(mut self, keys: impl IntoIterator<Item = String>) -> Self {
        self.keys.extend(keys);
        self
    }

    /// Adds an argument.
    pub(super) fn arg(mut self, argument: impl Into<Vec<u8>>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds a number, in decimal digits.
    pub(super) fn number(self, number: impl ToString) -> Self {
        self.arg(number.to_string())
    }

    /// The command for a server that knows the script.
    pub(super) fn by_digest(&self) -> Cmd {
        self.command("EVALSHA", &self.script.digest)
    }

    /// The command for a server that has forgotten it, or never knew it: it carries the script along.
    pub(super) fn by_code(&self) -> Cmd {
        self.command("EVAL", self.script.code)
    }

    fn command(&self, verb: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(verb);
        command.arg(script).arg(self.keys.len()).arg(&self.keys).arg(&self.arguments);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_script_says_its_keys_and_its_reply() {
        for script in ALL {
            for word in ["-- Keys:", "Reply:"] {
                assert!(script.code.contains(word), "{} lacks {word}", script.name);
            }
        }
    }
}
