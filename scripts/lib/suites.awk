# Copies the output of `cargo test`, and writes a table of the suites to the file `table`.

function finish(result) {
    if (suite != "") printf "%-34s %7s %7s %9s  %s\n", suite, passed, failed, seconds, result > table
    suite = ""
}

function begin(name) {
    finish("did not end")
    suite = name; passed = "-"; failed = "-"; seconds = "-"
}

BEGIN { printf "%-34s %7s %7s %9s\n", "SUITE", "PASSED", "FAILED", "SECONDS" > table }

{ print; fflush() }

# A test that cannot run here passes and prints so.
/NOT RUN: / { missed[++missed_count] = substr($0, index($0, "NOT RUN: ")) }

# "     Running tests/rules.rs (target/debug/deps/rules-0123456789abcdef)"
/^ +Running .*\(.*\)$/ {
    name = $NF
    sub(/^.*\//, "", name)
    sub(/-[0-9a-f]+\)$/, "", name)
    begin($2 == "unittests" ? name " (" $3 ")" : name)
}

/^ +Doc-tests / { begin($2 " (doc)") }

# "test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s"
/^test result: / {
    passed = $4; failed = $6
    seconds = $NF
    sub(/s$/, "", seconds)
    ignored = $8
    # Suites without a matching test are left out of the table.
    if (passed + failed + ignored == 0) suite = ""
    finish((failed > 0 ? "FAILED" : "") (ignored > 0 ? " " ignored " ignored" : ""))
}

END {
    finish("did not end")
    for (number = 1; number <= missed_count; number++) print missed[number] > table
}
