# shellcheck shell=bash
# The release binaries: one profile and one set of them for `up`, `test` and everything later.

cargo_find() {
  command -v cargo >/dev/null && return 0
  if [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
    PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
    return 0
  fi
  fail "cargo is not here" "" "install Rust (https://rustup.rs), then the same command again"
}

# Cargo's own progress stays visible. The programs of the product; with the benchmark's: build_bench.
build_binaries() { build_release --workspace --exclude waybill-bench; }
build_bench() { build_release --workspace; }

build_release() {
  cargo_find
  cargo build --release --locked --bins "$@" ||
    fail "the build failed: cargo's messages stand above" "" \
      "with 'linker cc not found': install a C compiler; with 'No space left': free some, $TARGET_DIR is large"
}
