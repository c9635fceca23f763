package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// stockMTA is a mail server as Debian's packages set it up on a machine that has none.
type stockMTA struct {
	name    string
	preseed string // answers to the questions of the packages
	start   string // commands that let it take mail for example.com, and start it in place of the service manager
	files   string // that setup changes, or their folder
}

var stockMTAs = []stockMTA{
	{name: "postfix", start: "postfix start\n", files: "/etc/postfix", preseed: `postfix postfix/main_mailer_type select Internet Site
postfix postfix/mailname string example.com
postfix postfix/destinations string mx.example.com, example.com, localhost
`},
	{name: "sendmail", files: "/etc/mail/sendmail.*", start: "echo example.com >> /etc/mail/local-host-names\n" +
		// Without the DNS nothing that Sendmail looks up there is known to exist or not to exist.
		"cp /etc/mail/service.switch-nodns /etc/mail/service.switch\n" +
		"cat >> /etc/mail/sendmail.mc <<'END'\n" + sendmailOnABusyMachine + "END\n/usr/share/sendmail/sendmail start\n"},
}

// rootPrelude makes a root of its own on top of the machine's: what is written there is gone when the script ends. It has its own
// processes, network and host name, and no mail server.
const rootPrelude = `set -eu
R=$1 MTA=$2 DEBS=$3 PROJECT=$5
mount -t tmpfs -o mode=0755 tmpfs $R
mkdir $R/upper $R/work $R/root
mount -t overlay overlay -o lowerdir=/,upperdir=$R/upper,workdir=$R/work $R/root
R=$R/root
mount -t proc proc $R/proc
mount --rbind /dev $R/dev
mount -t tmpfs -o mode=0755 tmpfs $R/run
mount -t tmpfs -o mode=1777 tmpfs $R/tmp
mkdir $R/tmp/debs $R/tmp/stub $R/tmp/project
cp $DEBS/$MTA/*.deb $R/tmp/debs
tar -C "$PROJECT" --exclude=./.git --exclude=./bouncefilter -cf - . | tar -C $R/tmp/project -xf -
ip link set lo up
hostname mx.example.com
echo '127.0.0.1 mx.example.com mx localhost' > $R/etc/hosts
echo mx.example.com > $R/etc/hostname
echo example.com > $R/etc/mailname
printf '#!/bin/sh\nexit 101\n' > $R/usr/sbin/policy-rc.d
chmod 755 $R/usr/sbin/policy-rc.d
rm -f $R/var/lib/man-db/auto-update
exec chroot $R /bin/bash -c "$4"
`

// installMTA installs the packages within the root, without a network.
const installMTA = `
export DEBIAN_FRONTEND=noninteractive
dpkg --purge --force-depends $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 'postfix*' | sed -n 's/^installed //p') > /tmp/dpkg.log 2>&1
debconf-set-selections < /tmp/preseed
dpkg -i /tmp/debs/*.deb >> /tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; exit 1; }
`

// inFreshRoot runs a shell script as on a machine on which that mail server has just been installed and bouncefilter has not,
// in a copy of the project. The user named user has an account.
func inFreshRoot(t *testing.T, mta stockMTA, script string) string {
	t.Helper()
	needServers(t)
	needNamespaces(t)
	debs := needPeer(t, "BOUNCEFILTER_DEBS", "the folder with the packages of mail servers")
	project, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		return "cat > " + name + " <<'END_OF_FILE'\n" + text + "END_OF_FILE\n"
	}
	whole := "set -eu\n" + write("/tmp/preseed", mta.preseed) + write("/tmp/stub/systemctl", systemctl) + installMTA +
		"chmod 755 /tmp/stub/systemctl\nexport PATH=/tmp/stub:$PATH\nuseradd --create-home user\n" +
		"trap 'test -f /var/lib/pid && kill $(cat /var/lib/pid)' EXIT\n" + // bouncefilter, which systemctl started
		"cd /tmp/project\nset -x\n" + mta.start + script
	cmd := exec.Command("unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--kill-child",
		"bash", "-c", rootPrelude, "bash", t.TempDir(), mta.name, debs, whole, project)
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod -buildvcs=false", "GOPROXY=off")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, lastLines(string(out), 120))
	}
	return string(out)
}

// TestFreshRoot follows the chapters of the README on a machine that has nothing but a mail server as Debian installs it, to the
// end: a check of the running servers that finds nothing. Then it lets bounces be refused, and takes everything back.
func TestFreshRoot(t *testing.T) {
	t.Parallel()
	const (
		config = " --config /etc/bouncefilter/bouncefilter.toml\n"
		check  = "bouncefilter check --live --user user@example.com" + config
	)
	for _, mta := range stockMTAs {
		t.Run(mta.name, func(t *testing.T) {
			t.Parallel()
			setup := "bouncefilter setup " + mta.name
			chapter := strings.Join(codeBlocks(t, readme, strings.ToUpper(mta.name[:1])+mta.name[1:], "sh"), "\n")
			if !strings.Contains(chapter, setup+" --write") || !strings.Contains(chapter, check) {
				t.Fatalf("the chapter has no commands:\n%s", chapter)
			}
			prepare := ""
			if mta.name == "sendmail" {
				prepare = "sed -i '1i " + unixSocketOption(t) + "' /etc/bouncefilter/bouncefilter.toml\nsystemctl restart bouncefilter\n"
			}
			const parted = "\necho PARTED\n"
			out := strings.Split(inFreshRoot(t, mta, strings.Join(codeBlocks(t, readme, "Install", "sh"), "\n")+"\n"+prepare+
				"! bouncefilter check"+config+"mkdir /tmp/before\ncp -a "+mta.files+" /tmp/before\n"+parted+
				chapter+parted+
				"sed -i '1i mode = \"enforce\"' /etc/bouncefilter/bouncefilter.toml\nsystemctl reload bouncefilter\n"+check+setup+config+parted+
				setup+" --undo --reload"+config+"! bouncefilter check"+config+
				"for f in "+mta.files+"; do diff -r $f /tmp/before/${f##*/}; done\necho every byte is back\n"+parted), "\nPARTED\n")
			if len(out) != 5 {
				t.Fatalf("the script ended early:\n%s", strings.Join(out, "\n"))
			}
			before, watching, enforcing, undone := out[0], out[1], out[2], out[3]
			for where, text := range map[string]string{"before": before, "undone": undone} {
				if !strings.Contains(text, "\nerror ") {
					t.Errorf("%s: check finds nothing:\n%s", where, text)
				}
			}
			for where, text := range map[string]string{"watching": watching, "enforcing": enforcing} {
				if strings.Contains(text, "WRONG") || strings.Count(text, "\n  ok ")+strings.Count(text, "\n  skip ") != 12 {
					t.Errorf("%s: not all is well:\n%s", where, text)
				}
				if !regexp.MustCompile(`RCPT TO:<prvs=\d{4}[0-9a-f]{6}=nobody\.\w+@example\.com> -> 550 `).MatchString(text) {
					t.Errorf("%s: an unknown user with a tag is not refused:\n%s", where, text)
				}
			}
			for _, refusal := range []string{"Invalid tag: ", "No tag: "} {
				if strings.Contains(watching, refusal) || !strings.Contains(enforcing, "-> 550 5.7.1 "+refusal) {
					t.Errorf("refused too early or not at all: %s", refusal)
				}
			}
			for text, want := range map[string]string{watching: "\nNothing was changed. ", undone: "\nevery byte is back\n"} {
				if !strings.Contains(text, want) {
					t.Errorf("the output lacks %q:\n%s", want, text)
				}
			}
			if !strings.Contains(enforcing, " -> the sender becomes <prvs=") {
				t.Errorf("nothing is signed:\n%s", enforcing)
			}
			if !strings.Contains(enforcing, "Nothing is to be done: ") {
				t.Errorf("a second setup finds something to do:\n%s", enforcing)
			}
		})
	}
}

// unixSocketOption is the option that the manual of Sendmail puts into bouncefilter's configuration.
func unixSocketOption(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../sendmail/README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```toml\n(listen = [^\n]+)\n```").FindSubmatch(text)
	if m == nil {
		t.Fatal("deploy/sendmail/README.md does not say where to listen")
	}
	return string(m[1])
}
