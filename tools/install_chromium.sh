#!/usr/bin/env bash
# Install the browser of the tests: Chromium from Debian's packages. Without them the browser tests are skipped.
set -euo pipefail
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" > /dev/null; then exit 0; fi
done
as_root=""
if [ "$(id -u)" != 0 ]; then as_root="sudo -n"; fi
if ! command -v apt-get > /dev/null || ! $as_root true 2> /dev/null; then
  echo "SKIPPED: there is no Chromium, and no apt-get that may install it: the browser tests will be skipped"
  exit 0
fi
echo "Installing Chromium"
export DEBIAN_FRONTEND=noninteractive
if ! { $as_root apt-get update -qq && $as_root apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } > /dev/null; then
  echo "SKIPPED: Chromium could not be installed: the browser tests will be skipped"
fi
