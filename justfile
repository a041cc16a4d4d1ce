# Every command of the project. `just` is a convenience: each line works by itself, and `./test` needs no just.

# What CI runs, and what the README's second command runs.
ci:
    ./test

# The README's first command: a recorded cloud, shown.
demo:
    cargo demo

# Unit, integration, golden and spec tests, without installing anything.
test *ARGS:
    cargo test --workspace {{ARGS}}

# Format, lint and document as CI does.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Spelling; needs `typos` (`pip install typos`).
spelling:
    typos

# Check the built-in specs and run their tests.
specs:
    cargo run -- check
    cargo run -- fmt --check specs
    cargo run -- test

# Seeded mistakes in the built-in specs: what `check` catches at the right line, elsewhere, or not at all.
mistakes:
    cargo test -p calipso-spec --test mistakes -- --nocapture

# Which changes of the built-in specs no test notices: just mutate, just mutate link_types/
mutate *ARGS:
    cargo run -- test --mutate {{ARGS}}

# Write the generated reference (docs/reference, schemas) again.
reference:
    cargo run -- reference docs/reference

# Run conformance cases of the original: just conformance DIR
conformance DIR:
    cargo run -p calipso-conformance -- {{DIR}}

# The acceptance suite against a running lab (see tests/lab/README.md).
lab-test *ARGS:
    tests/lab/run {{ARGS}}

# Figures for docs/BENCHMARKS.md.
bench:
    tests/bench/run
