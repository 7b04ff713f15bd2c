#!/bin/bash
# The whole test command: makes sure of a Vulkan software adapter and of the test data, then formatting, spelling, clippy,
# docs, all tests, and the tests of the kernels once more on SwiftShader, whose subgroups have four lanes.
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

if command -v apt-get >/dev/null && command -v dpkg >/dev/null; then
  swiftshader=$PWD/target/swiftshader
  icd=$swiftshader/usr/lib/chromium/vk_swiftshader_icd.json
  if [ ! -e "$icd" ]; then
    # Debian's package of Chromium has it; unpacked only, not installed.
    mkdir -p "$swiftshader"
    (cd "$swiftshader" && { apt-get download -q chromium-common || { apt-get update -q && apt-get download -q chromium-common; }; })
    dpkg -x "$swiftshader"/chromium-common*.deb "$swiftshader"
    rm "$swiftshader"/chromium-common*.deb
  fi
  VK_DRIVER_FILES=$icd VK_ICD_FILENAMES=$icd cargo test --test kernels --test golden
else
  echo "SwiftShader is taken from a Debian package: the kernels were tried on the system's adapter alone." >&2
fi
