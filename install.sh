#!/bin/sh
# Installs smolvm for this user: no root, no daemon. Give it to a shell, or read it first:
#
#   curl -fsSL ADDRESS/install.sh | sh
#   curl -fsSL ADDRESS/install.sh | sh -s -- --prefix /opt/smolvm --version 0.1.0
#
#   --prefix DIR          installs to DIR/bin and DIR/share      (default: ~/.local)
#   --version VERSION     this version                           (default: the newest)
#   --from ADDRESS        another release: https://..., or a directory
#   --require-signature   gives up where nothing here can check the signature
#   --newest              prints the newest version, and installs nothing
#   --uninstall           removes what it installed; machines and images stay
#   --help                prints this
#
# What is downloaded is checked before it is unpacked: against SHA256SUMS always, and SHA256SUMS against its signature
# where openssl 3 or ssh-keygen can do that. The program is replaced in one step, once the new one has run.
set -eu
LC_ALL=C; export LC_ALL
umask 022

# Filled in when a release is made (build/release/release.ts).
release_url=
release_key=
release_ssh_key=

say() { printf '%s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$1" >&2; [ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# --- what was asked for -----------------------------------------------------------------------------------------------

prefix='' version='' from='' uninstall='' newest='' require_signature='' new_prefix='' locked=''

read_options() {
  while [ $# -gt 0 ]; do
    option=$1; shift
    case $option in
      --*=*) set -- "${option#*=}" "$@"; option=${option%%=*} ;;
      --prefix | --version | --from) [ $# -gt 0 ] || die "$option needs a value" ;;
    esac
    case $option in
      --prefix) prefix=$1; shift ;;
      --version) version=${1#v}; shift ;;
      --from) from=$1; shift ;;
      --require-signature) require_signature=yes ;;
      --newest) newest=yes ;;
      --uninstall) uninstall=yes ;;
      -h | --help) usage; exit 0 ;;
      *) usage >&2; die "unknown option: $option" ;;
    esac
  done
  if [ -z "$prefix" ]; then
    [ -n "${HOME:-}" ] || die "HOME is not set, so there is no place to install to" "say where with --prefix DIR"
    prefix=$HOME/.local
  fi
  case $prefix in
    /*) ;;
    *) prefix=$(pwd)/$prefix ;;
  esac
  prefix=${prefix%/}
  # Both stand in lines of a receipt.
  case $prefix$from in *'
'*) die "there is a line break in --prefix or --from" ;; esac
  receipt=$prefix/share/smolvm/receipt
}

usage() {
  cat <<USAGE
Installs smolvm for this user, without root.

  --prefix DIR          installs to DIR/bin and DIR/share      (default: ~/.local)
  --version VERSION     this version                           (default: the newest)
  --from ADDRESS        another release: https://..., or a directory
  --require-signature   gives up where nothing here can check the signature
  --newest              prints the newest version, and installs nothing
  --uninstall           removes what it installed; machines and images stay
  --help                prints this
USAGE
}

# --- where it runs ----------------------------------------------------------------------------------------------------

# find_platform: sets $platform to what archives are called after.
find_platform() {
  case $(uname -s) in
    Linux) system=linux ;;
    Darwin) system=darwin ;;
    *) die "there is no smolvm for $(uname -s)" "on Windows, install it inside WSL 2" ;;
  esac
  case $(uname -m) in
    x86_64 | amd64) cpu=amd64 ;;
    aarch64 | arm64) cpu=arm64 ;;
    *) die "there is no smolvm for $(uname -m) processors" ;;
  esac
  # A shell that is translated on Apple silicon calls its processor x86_64.
  if [ "$system" = darwin ] && [ "$(sysctl -n hw.optional.arm64 2>/dev/null)" = 1 ]; then cpu=arm64; fi
  platform=$system-$cpu
}

# --- getting and checking ---------------------------------------------------------------------------------------------

# check_address: only what nobody on the way can change, or this machine itself.
check_address() {
  [ -n "$from" ] || die "this installer does not know where releases are" "say where with --from ADDRESS"
  from=${from%/}
  case $from in
    # Before the @ is a user name: http://127.0.0.1:80@example.org is example.org.
    http://*@* | https://*@*) die "there is an @ in $from" "release addresses have neither user names nor passwords" ;;
    https://* | http://127.0.0.1:* | http://127.0.0.1/* | http://localhost:* | http://localhost/* | "http://[::1]:"*) ;;
    http://*) die "$from is not https" "anybody on the way could change what is downloaded" ;;
    file://*) from=${from#file://} ;;
    *://*) die "$from is neither https nor a directory" ;;
    /*) ;;
    *) from=$(pwd)/$from ;;
  esac
}

# fetch NAME FILE: gets $from/NAME. Not in a subshell, so that `die` ends the program. A download whose installer was
# killed keeps no lock.
fetch() {
  case $from in
    /*) cp "$from/$1" "$2" 2>/dev/null || die "there is no $1 in $from"; return ;;
  esac
  if has curl; then
    curl -fsSL --retry 3 --connect-timeout 20 --speed-limit 1 --speed-time 60 \
      --proto '=http,https' --proto-redir '=https' -o "$2" "$from/$1" 9<&- ||
      die "downloading $from/$1 failed"
  elif has wget; then
    wget -q -O "$2" "$from/$1" 9<&- || die "downloading $from/$1 failed"
  else
    die "there is neither curl nor wget here" "download the release and give its directory: --from DIR"
  fi
}

# checksum FILE: prints its SHA-256.
checksum() {
  if has sha256sum; then sha256sum <"$1" | cut -d' ' -f1
  elif has shasum; then shasum -a 256 <"$1" | cut -d' ' -f1
  elif has openssl; then openssl dgst -sha256 -r <"$1" | cut -d' ' -f1
  else die "nothing here computes SHA-256 (sha256sum, shasum or openssl), so nothing can be checked"; fi
}

# check_signature PLACE NAME: of $work/NAME, by the key that came with this installer, or with what is installed. PLACE is
# where the release has it: nothing, or VERSION/.
check_signature() {
  if [ -f "$receipt" ]; then
    installed_key=$(sed -n 's/^key //p' "$receipt")
    [ -z "$installed_key" ] || [ "$installed_key" = "$release_key" ] ||
      die "what is installed in $prefix was signed with another key" "if the key has really changed: --uninstall first"
  fi
  if [ -z "$release_key" ]; then
    [ -z "$require_signature" ] || die "this release is not signed"
    return 0
  fi
  if has openssl && openssl version | grep -q '^OpenSSL [3-9]'; then
    fetch "$1$2.sig" "$work/$2.sig"
    printf -- '-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n' "$release_key" >"$work/key.pem"
    openssl pkeyutl -verify -pubin -inkey "$work/key.pem" -rawin -in "$work/$2" \
      -sigfile "$work/$2.sig" >/dev/null 2>&1 || die "the signature of $from/$1$2 is wrong"
  elif has ssh-keygen && ssh-keygen -Y 2>&1 | grep -q verify; then
    fetch "$1$2.sshsig" "$work/$2.sshsig"
    echo "smolvm ssh-ed25519 $release_ssh_key" >"$work/signers"
    ssh-keygen -Y verify -q -f "$work/signers" -I smolvm -n smolvm-release -s "$work/$2.sshsig" \
      <"$work/$2" >/dev/null 2>&1 || die "the signature of $from/$1$2 is wrong"
  else
    [ -z "$require_signature" ] || die "neither openssl 3 nor ssh-keygen is here, so the signature cannot be checked"
    [ "$2" = latest ] || say "note: the signature was not checked (neither openssl 3 nor ssh-keygen is here); the checksum was"
  fi
}

find_version() {
  if [ -z "$version" ]; then
    fetch latest "$work/latest"
    read -r version <"$work/latest" || [ -n "$version" ] || die "$from/latest says nothing"
  fi
  # It becomes a part of names and addresses.
  case $version in
    '' | .* | *[!0-9A-Za-z.+-]*) die "this is no version: $version" ;;
  esac
  [ ! -f "$work/latest" ] || check_signature "" latest
}

print_newest() {
  work=$(mktemp -d) || die "there is no room for a temporary file"
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' HUP INT TERM
  find_version
  printf '%s\n' "$version"
}

# get_archive: $work/archive.tar.gz, checked.
get_archive() {
  archive=smolvm-$version-$platform.tar.gz
  fetch "$version/SHA256SUMS" "$work/SHA256SUMS"
  check_signature "$version/" SHA256SUMS
  expected=$(sed -n "s/^\([0-9a-f]\{64\}\)  $(echo "$archive" | sed 's/[.+]/\\&/g')\$/\1/p" "$work/SHA256SUMS")
  [ -n "$expected" ] || die "smolvm $version does not come for $platform"
  say "downloading smolvm $version ($platform)"
  fetch "$version/$archive" "$work/archive.tar.gz"
  found=$(checksum "$work/archive.tar.gz")
  [ "$found" = "$expected" ] || die "$archive is damaged, or not what was published: its SHA-256 is $found, not $expected"
}

# --- installing -------------------------------------------------------------------------------------------------------

# make_work: sets $work to a directory on the prefix's filesystem, so that files can be moved to their places.
make_work() {
  [ -d "$prefix" ] || new_prefix=yes
  mkdir -p "$prefix" 2>/dev/null || die "$prefix cannot be made" "choose another place with --prefix DIR"
  [ -w "$prefix" ] || die "$prefix cannot be written to" "be the user who may, or choose another place with --prefix DIR"
  lock_prefix
  for left in "$prefix"/.smolvm-install.*; do
    # What an installer left that was killed: under the lock none is at work, else its number tells.
    if [ -n "$locked" ] || ! kill -0 "${left##*.}" 2>/dev/null; then rm -rf "$left"; fi
  done
  work=$prefix/.smolvm-install.$$
  (umask 077 && mkdir "$work") || die "$work cannot be made"
  trap 'rm -rf "$work"; [ -z "$new_prefix" ] || rmdir "$prefix" 2>/dev/null || true' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# lock_prefix: another installer that is at work there ends first, where there is a program for that. Each file is
# replaced in one step anyway; with two at once some could be of one version and some of another.
lock_prefix() {
  has flock || return 0
  exec 9<"$prefix"
  flock -n 9 || { say "waiting for another installer of $prefix"; flock 9; }
  locked=yes
}

install_files() {
  tar -xzf "$work/archive.tar.gz" -C "$work" || die "unpacking failed"
  tree=$work/smolvm-$version-$platform
  # That it runs here is the best test of whether it fits: processor, C library, and all of it there.
  said=$("$tree/bin/smolvm" --version 2>"$work/complaint") || {
    cat "$work/complaint" >&2
    musl=$(find /lib -maxdepth 1 -name 'ld-musl-*' 2>/dev/null)
    if [ -n "$musl" ]; then die "smolvm does not run here" "it needs glibc; this system has musl"; fi
    die "smolvm does not run here"
  }
  [ "$said" = "smolvm $version" ] || die "the archive holds another version: $said"

  (cd "$tree" && find . -type f | sed 's,^\./,,' | sort) >"$work/files"
  # Every directory before the first file, so that the receipt can say which of them were not there.
  if [ -f "$receipt" ]; then installed dir >"$work/made"; else : >"$work/made"; fi
  [ -z "$new_prefix" ] || echo . >>"$work/made"
  make_directory share/smolvm
  while IFS= read -r file; do make_directory "${file%/*}"; done <"$work/files"
  {
    echo "# What smolvm's installer has put below this prefix, and where it came from."
    echo "version $version"
    echo "from $from"
    [ -z "$release_key" ] || echo "key $release_key"
    sed 's/^/file /' "$work/files"
    sed 's/^/dir /' "$work/made"
  } >"$work/receipt"

  # Everything else before the program: that it is new is what counts.
  while IFS= read -r file; do
    [ "$file" = bin/smolvm ] || place "$tree/$file" "$file"
  done <"$work/files"
  remove_obsolete
  place "$work/receipt" share/smolvm/receipt
  place "$tree/bin/smolvm" bin/smolvm
}

# make_directory DIR: below the prefix, with those above it.
make_directory() {
  [ ! -d "$prefix/$1" ] || return 0
  case $1 in */*) make_directory "${1%/*}" ;; esac
  mkdir "$prefix/$1" || die "$prefix/$1 cannot be made"
  echo "$1" >>"$work/made"
}

# place SOURCE FILE: moves it to its place below the prefix, in one step.
place() { mv -f "$1" "$prefix/$2" || die "$prefix/$2 cannot be written"; }

# remove_obsolete: files of the version that was installed before, which this one does not have.
remove_obsolete() {
  [ -f "$receipt" ] || return 0
  installed file | while IFS= read -r file; do
    grep -qxF -- "$file" "$work/files" || rm -f "$prefix/$file"
  done
}

# installed file|dir: what the receipt lists; names that lead elsewhere are not ours.
installed() { sed -n "s/^$1 //p" "$receipt" | { grep -v -e '^/' -e '\(^\|/\)\.\.\(/\|$\)' || true; }; }

say_where() {
  say "installed smolvm $version to $prefix/bin/smolvm"
  case :$PATH: in
    *:"$prefix/bin":*) say "try: smolvm machine run -- echo hello" ;;
    *)
      say "$prefix/bin is not in your PATH; add it in your shell's settings:"
      say "  export PATH=\"$prefix/bin:\$PATH\""
      ;;
  esac
}

# --- removing ---------------------------------------------------------------------------------------------------------

uninstall() {
  [ -f "$receipt" ] || die "there is nothing in $prefix that this installer has installed" "say where with --prefix DIR"
  lock_prefix
  directories=$(installed dir | sort -r)
  installed file | while IFS= read -r file; do
    rm -f "$prefix/$file" || die "$prefix/$file cannot be removed"
  done || exit 1
  rm -f "$receipt"
  # Those that it made, the deepest first, and only when they are empty. Two are its own, whatever the receipt says.
  printf '%s\n' share/smolvm share/doc/smolvm "$directories" | while IFS= read -r directory; do
    case $directory in
      '') ;;
      .) rmdir "$prefix" 2>/dev/null || true ;;
      *) rmdir "$prefix/$directory" 2>/dev/null || true ;;
    esac
  done
  say "removed smolvm from $prefix"
  say "its machines and images are still there: ${XDG_DATA_HOME:-${HOME:-~}/.local/share}/smolvm, ${XDG_CACHE_HOME:-${HOME:-~}/.cache}/smolvm"
}

main() {
  read_options "$@"
  if [ -n "$uninstall" ]; then uninstall; return; fi
  [ -n "$from" ] || from=$release_url
  check_address
  if [ -n "$newest" ]; then print_newest; return; fi
  find_platform
  for tool in tar gzip sed cut find; do has "$tool" || die "$tool is missing here"; done
  make_work
  find_version
  get_archive
  install_files
  say_where
}

# At the end, so that half a download does nothing.
main "$@"
