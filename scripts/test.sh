#!/bin/bash
# The whole test command: makes sure of a Vulkan software adapter and of the test data, then formatting, spelling, clippy,
# docs and all tests.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
ls /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json >/dev/null 2>&1 || missing+=(mesa-vulkan-drivers)
ldconfig -p | grep -q libvulkan.so.1 || missing+=(libvulkan1)
[ -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ] || missing+=(dataset-fashion-mnist)
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -q
    apt-get install -y -q --no-install-recommends "${missing[@]}"
  else
    echo "Missing: ${missing[*]}. On Debian and Ubuntu: apt-get install ${missing[*]}" >&2
    exit 1
  fi
fi

# Built from source where it is missing: a minute and a half, once.
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
command -v typos >/dev/null || cargo install --quiet --locked typos-cli

cargo fmt --check
typos
cargo clippy --all-targets -- -D warnings
RUSTDOCFLAGS='-D warnings' cargo doc --no-deps
cargo test
