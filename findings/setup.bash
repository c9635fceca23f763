# Sourced by every finding: a temporary folder, pinned packages in it, and the verdict.
#
# Exit codes of a finding: 0 the behaviour is still as described, 1 it changed, 2 it could not be tried here.

set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
root=$work/root # where the Debian packages are unpacked
changed=0

# cannot MESSAGE: ends the finding without a verdict.
cannot() {
	echo "cannot try: $1" >&2
	exit 2
}

# debs NAME=VERSION...: downloads Debian packages and unpacks them into $root; nothing is installed.
debs() {
	mkdir -p "$work/debs" "$root"
	(cd "$work/debs" && apt-get -qq -o APT::Sandbox::User=root download "$@") >/dev/null || cannot "no package of $*"
	local deb
	for deb in "$work"/debs/*.deb; do
		dpkg-deb -x "$deb" "$root"
	done
	local lib
	lib=$(echo "$root"/usr/lib/*-linux-gnu)
	export PERL5LIB=$root/usr/share/perl5:$(echo "$lib"/perl5/*)
	export PYTHONPATH=$root/usr/lib/python3/dist-packages
	libraries=$lib
}

# npm_packages NAME@VERSION...: installs npm packages, without their install scripts, into $work/npm.
npm_packages() {
	mkdir -p "$work/npm"
	(cd "$work/npm" && npm init -y && npm install --no-audit --no-fund --ignore-scripts "$@") >/dev/null 2>&1 ||
		cannot "no package of $*"
}

# go_module PATH@VERSION...: starts a Go module that requires the named ones, in $work/go.
go_module() {
	mkdir -p "$work/go"
	(cd "$work/go" && go mod init finding && go get "$@") >/dev/null 2>&1 || cannot "no module of $*"
}

# unprivileged COMMAND...: runs it as an ordinary user, for programs that refuse to work as root.
unprivileged() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	else
		"$@"
	fi
}

# expect WHAT AS_DESCRIBED ACTUAL: prints what was seen and notes whether it is as described.
expect() {
	echo "$1: $3"
	if [ "$2" != "$3" ]; then
		echo "  changed, it was: $2"
		changed=1
	fi
}

# verdict: the last line of a finding.
verdict() {
	if [ "$changed" = 0 ]; then
		echo "still as described"
	else
		echo "the behaviour changed"
	fi
	exit "$changed"
}
