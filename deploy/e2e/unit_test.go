package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// bootPrelude boots systemd in a root of its own on top of the machine's, with its own processes and network, where the unit of $5 runs
// once. What is written there is gone when it ends, but for the output of that unit. bpf(2) is for IPAddressDeny.
const bootPrelude = `set -eu
mount -t tmpfs -o mode=0755 tmpfs "$1"
mkdir "$1"/upper "$1"/work "$1"/root
mount -t overlay overlay -o lowerdir=/,upperdir="$1"/upper,workdir="$1"/work "$1"/root
root=$1/root project=$2 program=$3 debs=$4
echo mx.example.com > $root/etc/hostname
echo '127.0.0.1 mx.example.com mx localhost' > $root/etc/hosts
echo example.com > $root/etc/mailname
: > $root/etc/machine-id
printf '#!/bin/sh\nexit 101\n' > $root/usr/sbin/policy-rc.d
chmod 755 $root/usr/sbin/policy-rc.d
rm -rf $root/etc/systemd/system/*.wants $root/var/lib/man-db/auto-update
mkdir -p $root/etc/systemd/system/multi-user.target.wants
printf '%s' "$5" > $root/etc/systemd/system/script.service
printf '%s' "$6" > $root/usr/local/bin/script
ln -s ../script.service $root/etc/systemd/system/multi-user.target.wants/
systemd-nspawn --quiet --register=no --keep-unit --private-network --link-journal=no --resolv-conf=off --timezone=off \
	--system-call-filter=bpf --capability=CAP_BPF --bind-ro="$project":/project --bind-ro="$program":/program --bind-ro="$debs":/debs \
	--directory=$root --boot -- systemd.unit=multi-user.target < /dev/null > "$1"/console 2>&1 || tail -n 40 "$1"/console
cat $root/var/log/script
`

const scriptUnit = `[Service]
Type=oneshot
ExecStart=/bin/bash /usr/local/bin/script
ExecStopPost=/bin/systemctl --no-block poweroff
StandardOutput=file:/var/log/script
StandardError=inherit
TimeoutStartSec=10min
`

// underSystemd runs a shell script on a machine that systemd has booted, with a copy of the project, whose program is built, as its
// working directory.
func underSystemd(t *testing.T, script string) string {
	t.Helper()
	needServers(t)
	needNamespaces(t)
	debs := needPeer(t, "BOUNCEFILTER_DEBS", "the folder with the packages of mail servers")
	if _, err := exec.LookPath("systemd-nspawn"); err != nil {
		if os.Getenv(requireServers) != "" {
			t.Fatal("systemd-nspawn is missing: apt-get install systemd-container")
		}
		t.Skip("systemd-nspawn is missing; deploy/test installs it")
	}
	project, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	prepare := "trap 'test $? = 0 || journalctl --no-pager --lines 40' EXIT\nset -eu\ncp -r /project/deploy /root/\ncd /root\ncp /program bouncefilter\n"
	cmd := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		"bash", "-c", bootPrelude, "bash", t.TempDir(), project, bouncefilter(t), debs, scriptUnit, prepare+script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, lastLines(string(out), 120))
	}
	return string(out)
}

// dropIn returns commands that give the service the lines of a code block of a document, as systemctl edit does.
func dropIn(name, block string) string {
	lines := strings.Join(strings.Fields(block), "\n")
	folder := "/etc/systemd/system/bouncefilter.service.d"
	return "mkdir -p " + folder + "\ncat > " + folder + "/" + name + ".conf <<'END'\n" + lines + "\nEND\nsystemctl daemon-reload\n"
}

// The service of deploy/systemd, under a real systemd: it signs and judges for Postfix over TCP and over a unix socket, reads a Redis on
// a unix socket, obeys reload and restart, and has no more rights than the unit says.
func TestUnit(t *testing.T) {
	t.Parallel()
	install := strings.Replace(strings.Join(codeBlocks(t, readme, "Install", "sh"), "\n"), "go build -o bouncefilter ./cmd/bouncefilter\n", "", 1)
	socket := codeBlocks(t, postfixManual, "Good to know", "sh")[0]
	makeFolder, edits, _ := strings.Cut(socket, "\n")
	if strings.TrimSpace(edits) != "systemctl edit bouncefilter" {
		t.Fatalf("the commands for a socket in the queue directory are %q", socket)
	}
	chapter := strings.Join(codeBlocks(t, readme, "Postfix", "sh"), "\n")
	const (
		config  = "/etc/bouncefilter/bouncefilter.toml"
		options = "options() { sed -i '0,/^# end/d' " + config + "; sed -i \"1i $1\\n# end\" " + config + "; }\n"
		restart = "systemctl restart bouncefilter\n"
	)
	out := underSystemd(t, `
cat > /tmp/preseed <<'END'
`+stockMTAs[0].preseed+`END
mkdir /tmp/debs
cp /debs/postfix/*.deb /tmp/debs
`+installMTA+`
systemctl daemon-reload
systemctl start postfix
useradd --create-home user
ip address add 192.0.2.1/32 dev lo
set -x
`+install+`
try() { timeout 5 bash -c ": < /dev/tcp/$1/$2" 2>/dev/null && echo "$3 reached" || echo "$3 not reached"; }
status() { grep "^$1:" /proc/$(systemctl show -P MainPID bouncefilter)/status; }
ready() { for i in $(seq 600); do test "$(curl -s http://127.0.0.1:8767/readyz)" = ready && echo "$1 ready" && return; sleep 0.1; done; echo "$1 not ready"; }
sed -i '1i # end' `+config+"\n"+options+chapter+`
echo TCP DONE
systemctl reload bouncefilter
status NoNewPrivs
status Seccomp
status CapEff
grep '^Max core file size' /proc/$(systemctl show -P MainPID bouncefilter)/limits | tr -s ' '
systemctl show --property=MemoryMax,MemorySwapMax bouncefilter
awk '{ n += $3 } END { print "users: " n }' /proc/$(systemctl show -P MainPID bouncefilter)/uid_map
echo proc: $(nsenter --mount --target $(systemctl show -P MainPID bouncefilter) ls /proc | grep -v '^[0-9]*$')
echo "backlog: $(ss --no-header --listening --numeric --tcp 'sport = 8766' | awk '{ print $3 }')"
`+makeFolder+"\n"+dropIn("socket", codeBlocks(t, postfixManual, "Good to know", "ini")[0])+`
options 'listen = ["unix:/var/spool/postfix/bouncefilter/milter.sock"]'
`+restart+chapter+`
echo UNIX DONE
stat -c '%n: %A %U %G' /var/spool/postfix/bouncefilter/milter.sock
setpriv --reuid user --regid user --clear-groups bash -c 'cd /var/spool/postfix/bouncefilter' || echo "another user cannot enter"
options 'listen = ["tcp:0.0.0.0:8766"]'
`+restart+`
try 127.0.0.1 8766 "own host:"
try 192.0.2.1 8766 "another address:"
`+dropIn("allow", codeBlocks(t, "deploy/scale.md", "Hosts that the service may reach", "ini")[0])+restart+`
try 192.0.2.1 8766 "another address allowed:"
install -d -o redis -g redis /run/redis
setpriv --reuid redis --regid redis --clear-groups redis-server --unixsocket /run/redis/redis.sock --unixsocketperm 770 \
	--bind 192.0.2.1 --protected-mode no --dir /run/redis --daemonize yes > /dev/null
options 'store = "redis://192.0.2.1:6379/0"'
`+restart+`ready "Redis elsewhere, allowed:"
rm /etc/systemd/system/bouncefilter.service.d/allow.conf
sed -n 's/^#\(SupplementaryGroups=redis\)$/[Service]\n\1/p' /etc/systemd/system/bouncefilter.service > /etc/systemd/system/bouncefilter.service.d/redis.conf
systemctl daemon-reload
`+restart+`
sleep 1
echo "Redis elsewhere: $(curl -s http://127.0.0.1:8767/readyz)"
options 'store = "unix:/run/redis/redis.sock"'
`+restart+`ready "Redis on a unix socket:"
options 'socket_group = "postfix"\nlisten = ["unix:/var/spool/postfix/bouncefilter/milter.sock"]'
systemctl restart bouncefilter || echo "not started with socket_group"
journalctl --no-pager --output cat --unit bouncefilter
set +x
echo END OF LOG
for priority in 3 4 6; do
	journalctl --no-pager --output cat --priority $priority..$priority --unit bouncefilter --identifier bouncefilter | grep -o '^time=\|level=[A-Z]*\|^bouncefilter: error' | sort -u | sed "s/^/priority $priority: /"
done
echo END
`)
	tcp, rest, both := strings.Cut(out, "\nTCP DONE\n")
	unix, rest, both2 := strings.Cut(rest, "\nUNIX DONE\n")
	if !both || !both2 || !strings.Contains(rest, "\nEND\n") {
		t.Fatalf("the script ended early:\n%s", lastLines(out, 120))
	}
	for where, text := range map[string]string{"over TCP": tcp, "over a unix socket": unix} {
		if strings.Contains(text, "WRONG") || strings.Count(text, "\n  ok ")+strings.Count(text, "\n  skip ") != 12 {
			t.Errorf("%s: not all is well:\n%s", where, lastLines(text, 60))
		}
	}
	if !strings.Contains(unix, "unix:bouncefilter/milter.sock") {
		t.Error("Postfix does not use the unix socket")
	}
	for _, want := range []string{
		`msg="configuration loaded"`,
		"\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n", "\nCapEff:\t0000000000000000\n", "\nMax core file size 0 0 ", "\nMemoryMax=536870912\n", "\nMemorySwapMax=0\n", "\nusers: 2\n", "\nproc: self thread-self\n", "\nbacklog: 4096\n",
		"milter.sock: srw-rw---- bouncefilter postfix\n", "\nanother user cannot enter\n",
		"\nown host: reached\n", "\nanother address: not reached\n", "\nanother address allowed: reached\n",
		"\nRedis elsewhere, allowed: ready\n", "\nRedis elsewhere: not ready: ", "\nRedis on a unix socket: ready\n",
		"\nEND OF LOG\npriority 3: bouncefilter: error\npriority 4: level=WARN\npriority 6: level=INFO\nEND\n",
		"\nnot started with socket_group\n", "cannot give the socket to the group: chown", "install -d -m 2750",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q", want)
		}
	}
	if t.Failed() {
		t.Logf("%s", unix[:0]+rest)
	}
}
