# shellcheck shell=bash
# Adding up what the groups of tests say about themselves.

PASSED=0 FAILED=0 SKIPPED=0

# count_add PASSED FAILED SKIPPED CODE GROUP: one group's sums. A group that ends badly without naming a
# failure has failed as a whole: a broken runner must not look like success.
count_add() {
  PASSED=$((PASSED + $1))
  FAILED=$((FAILED + $2))
  SKIPPED=$((SKIPPED + $3))
  if [ "$4" -ne 0 ] && [ "$2" -eq 0 ]; then
    echo "FAIL $5: it ended with exit $4 and named no failed test"
    FAILED=$((FAILED + 1))
  elif [ "$4" -eq 0 ] && [ $(($1 + $2 + $3)) -eq 0 ]; then
    echo "FAIL $5: it ran nothing"
    FAILED=$((FAILED + 1))
  fi
}

count_skip() {
  echo "skip $1: $2"
  SKIPPED=$((SKIPPED + 1))
}

# nextest's last summary: "Summary [ 1.2s] 9 tests run: 6 passed (1 slow), 2 failed, 1 timed out, 0 skipped"
count_nextest() {
  sed -n 's/.*Summary \[.*tests* run: //p' "$1" | tail -n 1 | sed 's/([^)]*)//g' | tr ',' '\n' | awk '
    / passed/ { passed += $1 } / failed/ || / timed out/ { failed += $1 } / skipped/ { skipped += $1 }
    END { print passed + 0, failed + 0, skipped + 0 }'
}

# Every "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; ..." of cargo test.
count_cargo() {
  sed -n 's/^test result: [a-zA-Z]*\. //p' "$1" | tr ';' '\n' | awk '
    / passed/ { passed += $1 } / failed/ { failed += $1 } / ignored/ || / filtered out/ { skipped += $1 }
    END { print passed + 0, failed + 0, skipped + 0 }'
}

# Lines "ok NAME", "FAIL NAME: why", "skip NAME: why".
count_lines() {
  awk '
    /^ok / { passed++ } /^FAIL / { failed++ } /^skip / { skipped++ }
    END { print passed + 0, failed + 0, skipped + 0 }' "$1"
}
