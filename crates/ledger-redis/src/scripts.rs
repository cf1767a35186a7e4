//! The scripts, and the commands that call them.

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
            code: concat!($(include_str!(concat!("../lua/", $file, ".lua"))),+),
            digest: LazyLock::new(|| redis::Script::new($id.code).get_hash().to_owned()),
        };)+
        /// The names of all scripts, as the metrics have them.
        pub const SCRIPT_NAMES: &[&str] = &[$($name),+];

        #[cfg(test)]
        const ALL: &[&Script] = &[$(&$id),+];
    };
}

scripts! {
    /// Judges intents.
    SCREEN = "screen": "identity" "intents" "judge" "screen";
    /// Applies a batch.
    DEDUCT = "deduct": "identity" "intents" "judge" "deduct";
    /// Returns the fate of a batch.
    CHECK_BACK = "check_back": "identity" "check_back";
    /// Records outcomes.
    SETTLE = "settle": "identity" "intents" "retire" "settle";
    /// Records that a whole batch was confirmed.
    SETTLE_CONFIRMED = "settle_confirmed": "identity" "retire" "settle_confirmed";
    /// Returns the units of a cancelled order.
    RETURN_UNITS = "return_units": "identity" "intents" "return_units";
    /// Adds a sale.
    PREPARE = "prepare": "prepare";
    /// Begins to rebuild a sale.
    REBUILD = "rebuild": "rebuild";
    /// Restores decided orders of a sale that is being rebuilt.
    RESTORE = "restore": "identity" "intents" "restore";
    /// Ends a rebuild.
    RESUME = "resume": "resume";
    /// Makes a sale sellable.
    ACTIVATE = "activate": "activate";
    /// Adds restocked units.
    RESTOCK = "restock": "restock";
    /// Pauses a sale.
    PAUSE = "pause": "pause";
    /// Closes a sale.
    CLOSE = "close": "retire" "close";
    /// Applies a compensating step.
    COMPENSATE = "compensate": "compensate";
    /// Gives a shard its identity.
    ESTABLISH = "establish": "establish";
    /// Frees the keys of a closed sale.
    SWEEP = "sweep": "sweep";
    /// Checks that a server can run the scripts.
    PROBE = "probe": "probe";
    /// Reads an order.
    ORDER = "order": "order";
    /// Reads totals and open batches.
    SNAPSHOT = "snapshot": "snapshot";
}

impl Script {
    /// A call without keys and arguments.
    pub(super) const fn call(&'static self) -> ScriptCall {
        ScriptCall {
            script: self,
            keys: Vec::new(),
            arguments: Vec::new(),
            #[cfg(feature = "failpoints")]
            prefix: None,
        }
    }

    /// Whether the answer to a repeated call is valid for the first copy, which may still be under way. Not for a
    /// deduction: a refusal leaves no trace, and the first copy could be applied after it. The caller of a deduction
    /// uses check_back.lua instead, which makes the fate final.
    pub(super) fn can_be_repeated(&'static self) -> bool {
        !std::ptr::eq(self, &DEDUCT)
    }
}

/// One call of a script.
pub(super) struct ScriptCall {
    pub(super) script: &'static Script,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
    /// Code in front of the script, so that a test can make it fail.
    #[cfg(feature = "failpoints")]
    prefix: Option<String>,
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

    /// The script fails at the write after that many.
    #[cfg(feature = "failpoints")]
    pub(super) fn broken_off_after(mut self, writes: u32) -> Self {
        self.prefix = Some(format!("local writes_left = {writes}\n{}", include_str!("../lua/break_off.lua")));
        self
    }

    /// The command for a server that has the script.
    pub(super) fn by_digest(&self) -> Cmd {
        #[cfg(feature = "failpoints")]
        if self.prefix.is_some() {
            return self.by_code();
        }
        self.command("EVALSHA", &self.script.digest)
    }

    /// The command for a server without the script: it carries the code.
    pub(super) fn by_code(&self) -> Cmd {
        #[cfg(feature = "failpoints")]
        if let Some(prefix) = &self.prefix {
            return self.command("EVAL", &format!("{prefix}{}", self.script.code));
        }
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
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_script_documents_its_keys_and_its_reply() {
        for script in ALL {
            for word in ["-- Keys:", "Reply:"] {
                assert!(script.code.contains(word), "{} lacks {word}", script.name);
            }
        }
    }

    /// The commands that a script calls: words in capitals at the start of a call.
    fn commands(code: &str) -> BTreeSet<&str> {
        let calls = ["call('", "call(\"", "try('"];
        let begins =
            calls.iter().flat_map(|call| code.match_indices(call).map(|(at, _call)| at + call.len()));
        let word = |at| code.get(at..).and_then(|rest: &str| rest.split(['\'', '"']).next());
        begins.filter_map(word).collect()
    }

    #[test]
    fn the_probe_tries_every_command_of_every_script() {
        let tried = commands(PROBE.code);
        for script in ALL {
            let missing: Vec<_> = commands(script.code).difference(&tried).copied().collect();
            assert_eq!(missing, [""; 0], "{} calls what the probe does not", script.name);
        }
    }

    /// An error after a write must be expected: only the publishing of events may fail after a write.
    #[test]
    fn events_are_published_in_protected_calls_only() {
        for script in ALL {
            assert!(!script.code.contains("redis.call('PUBLISH'"), "{}", script.name);
            assert!(!script.code.contains(" call('PUBLISH'"), "{}", script.name);
        }
    }
}
