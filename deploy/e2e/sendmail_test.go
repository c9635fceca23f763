package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sendmailMc is Sendmail at a remote site: mail to our site goes there, everything else to the world. The arguments are its
// directory, and the ports of our site and of the world.
const sendmailMc = `divert(-1)
define(` + "`_USE_ETC_MAIL_'" + `)
define(` + "`MAIL_SETTINGS_DIR', `%[1]s/'" + `)
divert(0)dnl
OSTYPE(` + "`linux'" + `)
define(` + "`confDOMAIN_NAME', `mx.sendmail.example'" + `)dnl
define(` + "`QUEUE_DIR', `%[1]s/queue'" + `)dnl
define(` + "`STATUS_FILE', `%[1]s/statistics'" + `)dnl
define(` + "`ALIAS_FILE', `%[1]s/aliases'" + `)dnl
define(` + "`confSERVICE_SWITCH_FILE', `%[1]s/service.switch'" + `)dnl
define(` + "`confDONT_BLAME_SENDMAIL', `MapInUnsafeDirPath'" + `)dnl
define(` + "`confTO_IDENT', `0'" + `)dnl
define(` + "`RELAY_MAILER_ARGS', `TCP $h %[2]d'" + `)dnl
define(` + "`SMTP_MAILER_ARGS', `TCP $h %[3]d'" + `)dnl
define(` + "`ESMTP_MAILER_ARGS', `TCP $h %[3]d'" + `)dnl
define(` + "`SMART_HOST', `esmtp:[127.0.0.1]'" + `)dnl
FEATURE(` + "`nocanonify'" + `)dnl
FEATURE(` + "`accept_unresolvable_domains'" + `)dnl
MAILER(` + "`smtp'" + `)dnl
LOCAL_RULE_0
R$* < @ virt.example . > $*	$#relay $@ [127.0.0.1] $: $1 < @ virt.example . > $2
R$* < @ virt.example > $*	$#relay $@ [127.0.0.1] $: $1 < @ virt.example > $2
`

// startSendmail prepares Sendmail. A message is handed over as by a user of its host.
//
// QUIRK: Sendmail sleeps for 60 s when its host has no qualified name, so it gets a host of its own.
func startSendmail(t *testing.T, site, world int) func(t *testing.T, sender, text string) {
	t.Helper()
	root := needPeer(t, "BOUNCEFILTER_SENDMAIL", "the folder that Sendmail is unpacked in")
	sendmail := filepath.Join(root, "usr/libexec/sendmail/sendmail")
	dir := newFolder(t, "sendmail")
	if err := os.Mkdir(filepath.Join(dir, "queue"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"sendmail.mc":    fmt.Sprintf(sendmailMc, dir, site, world),
		"aliases":        "postmaster: root\nMAILER-DAEMON: postmaster\n",
		"service.switch": "hosts files\naliases files\n",
		"statistics":     "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cf := filepath.Join(root, "usr/share/sendmail/cf")
	m4 := exec.Command("m4", "-D_CF_DIR_="+cf+"/", cf+"/m4/cf.m4", filepath.Join(dir, "sendmail.mc"))
	m4.Dir = filepath.Join(cf, "cf")
	text, err := m4.Output()
	if err != nil {
		t.Fatalf("m4: %v", err)
	}
	conf := filepath.Join(dir, "sendmail.cf")
	if err := os.WriteFile(conf, text, 0o644); err != nil {
		t.Fatal(err)
	}
	const noSuchUser = 67 // EX_NOUSER of sysexits.h: the world refused the recipient, which is what it is there for
	run := func(t *testing.T, input string, expected int, arguments ...string) {
		t.Helper()
		cmd := exec.Command("unshare", append([]string{"--uts", "sh", "-c", `hostname mx.sendmail.example; exec "$@"`, "sh", sendmail, "-C", conf}, arguments...)...)
		cmd.Stdin = strings.NewReader(input)
		if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != expected {
			t.Errorf("sendmail %q: %v\n%s", arguments, err, out)
		}
	}
	run(t, "", 0, "-bi")
	return func(t *testing.T, sender, text string) {
		t.Helper()
		run(t, text, noSuchUser, "-i", "-odi", "-oem", "-f", sender, "reject@remote.example")
	}
}
