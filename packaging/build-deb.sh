#!/bin/sh
# Build the Debian package of the gateway for this machine's Python: dist/wayside_VERSION_ARCH.deb.
#
# usage: sh packaging/build-deb.sh WHEEL      (PYTHON chooses the interpreter of the target, such as /usr/bin/python3)
#
# ARCHITECTURE=arm64 or amd64 builds for another machine with the same Python, from wheels: no compiler and no emulator is needed.
#
# The package holds a virtual environment with the locked distributions, so nothing is fetched when it is installed.
# SOURCE_DATE_EPOCH is the time of all files in the package.
set -eu

fail() { printf 'build-deb: %s\n' "$*" >&2; exit 1; }

[ $# -eq 1 ] || fail "usage: sh packaging/build-deb.sh WHEEL"
wheel=$1
here=$(cd "$(dirname "$0")" && pwd)
project=$(dirname "$here")
python=${PYTHON:-/usr/bin/python3}
prefix=/opt/wayside
command -v dpkg-deb >/dev/null || fail "dpkg-deb is not installed; on Debian: apt-get install dpkg"
[ -f "$wheel" ] || fail "there is no $wheel; build it with: make wheels"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$project" log -1 --format=%ct)}
export SOURCE_DATE_EPOCH PYTHONHASHSEED=0

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
root=$scratch/root
mkdir -p "$root/opt"

# --- the virtual environment, moved to its place -----------------------------------------------
architecture=${ARCHITECTURE:-$(dpkg --print-architecture)}
case $architecture in
  arm64) machine=aarch64 ;;
  amd64) machine=x86_64 ;;
  *) fail "there are no wheels for $architecture: ARCHITECTURE is arm64 or amd64" ;;
esac
PYTHON=$python MACHINE=$machine sh "$project/scripts/install-device.sh" "$root$prefix" "$wheel"
"$python" -m compileall -q -f --invalidation-mode unchecked-hash -s "$root" -p / "$root$prefix/lib"
rm -f "$root$prefix"/bin/activate* "$root$prefix"/bin/Activate*
for file in "$root$prefix"/bin/* "$root$prefix/pyvenv.cfg"; do
  [ -L "$file" ] || [ ! -f "$file" ] || sed -i "s|$root||g" "$file"
done
# pip notes the hashes of the scripts as it made them, and the path of the wheel: both differ from build to build.
site=$(echo "$root$prefix"/lib/python*/site-packages)
sed -i -E 's|^(\.\./\.\./\.\./bin/[^,]*),.*|\1,,|; /direct_url\.json,/d' "$site"/*.dist-info/RECORD
rm -f "$site"/*.dist-info/direct_url.json
# The libraries keep their symbols: `strip` breaks those that auditwheel has patched (ELF load command not page-aligned).

# --- units, starting points, documents ---------------------------------------------------------
for unit in wayside.service wayside-authority.service wayside-renew.service wayside-renew.timer wayside-update.service wayside-update.timer; do
  install -D -m 0644 "$here/$unit" "$root/usr/lib/systemd/system/$unit"
done
install -d "$root$prefix/share/wayside"
install -D -m 0755 "$here/wayside" "$root/usr/bin/wayside"
cp -r "$project/deploy/worlds" "$root$prefix/share/wayside/worlds"
cp "$project/deploy/broker/mosquitto.conf" "$here/README.md" "$root$prefix/share/wayside/"
install -D -m 0644 "$project/LICENSE" "$root/usr/share/doc/wayside/copyright"
"$python" "$here/sbom.py" "$site" "$root/usr/share/doc/wayside"

# --- control -----------------------------------------------------------------------------------
version=$(basename "$wheel" | cut -d- -f2)
needs=$("$python" -c 'import sys; a, b = sys.version_info[:2]; print(f"python3 (>= {a}.{b}), python3 (<< {a}.{b + 1})")')
install -d "$root/DEBIAN"
for script in postinst prerm postrm; do install -m 0755 "$here/debian/$script" "$root/DEBIAN/$script"; done
cat >"$root/DEBIAN/control" <<CONTROL
Package: wayside
Version: $version
Architecture: $architecture
Maintainer: Wayside <wayside@localhost>
Depends: $needs, libc6, libstdc++6, passwd, tzdata
Recommends: mosquitto
Section: net
Priority: optional
Installed-Size: $(find "$root" -type f -printf '%s\n' | awk '{sum += $1} END {print int(sum / 1024)}')
Description: IoT edge gateway with on-device personalization
 Receives messages of beacons and sensors over MQTT, keeps a local context of
 consenting people, and sends one offer or none. Identities stay on the gateway.
CONTROL
find "$root" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +

mkdir -p "$project/dist"
package=$project/dist/wayside_${version}_${architecture}.deb
dpkg-deb --root-owner-group -Zxz --build "$root" "$package" >/dev/null
printf 'build-deb: %s, %s MB; installed %s MB\n' "$package" "$(($(stat -c %s "$package") / 1000000))" "$(du -sm "$root$prefix" | cut -f1)"
