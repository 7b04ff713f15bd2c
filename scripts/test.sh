#!/bin/bash
# The whole test command: makes sure of a Vulkan software adapter, then formatting, clippy, docs and all tests.
set -euo pipefail
cd "$(dirname "$0")/.."

have_vulkan() { ls /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json >/dev/null 2>&1 && ldconfig -p | grep -q libvulkan.so.1; }
if ! have_vulkan; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -q
    apt-get install -y -q --no-install-recommends mesa-vulkan-drivers libvulkan1
  else
    echo 'No Vulkan driver is installed. On Debian and Ubuntu: apt-get install mesa-vulkan-drivers libvulkan1' >&2
    exit 1
  fi
fi

cargo fmt --check
cargo clippy --all-targets -- -D warnings
RUSTDOCFLAGS='-D warnings' cargo doc --no-deps
cargo test
