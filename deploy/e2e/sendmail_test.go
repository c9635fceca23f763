package e2e

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// sendmailOnABusyMachine lets Sendmail go on whatever the load average is. By default it only queues messages at 8 for each processor,
// and closes its sockets at 12 (confQUEUE_LA and confREFUSE_LA, Sendmail 8.17).
const sendmailOnABusyMachine = "define(`confQUEUE_LA', `10000')dnl\n" + "define(`confREFUSE_LA', `10000')dnl\n" + "define(`confDELAY_LA', `0')dnl\n"

// sendmailMc is a Sendmail that sends mail to our site there, and everything else to the world. The arguments are its
// directory, the ports of our site and of the world, and lines of its own.
//
// A bounce that our site refuses is dropped. It would go to the local postmaster, and there is no program that delivers local mail:
// Sendmail's exit status would depend on whether it has written the message to the pipe before the child has ended.
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
` + sendmailOnABusyMachine + `define(` + "`confDOUBLE_BOUNCE_ADDRESS', `'" + `)dnl
define(` + "`RELAY_MAILER_ARGS', `TCP $h %[2]d'" + `)dnl
define(` + "`SMTP_MAILER_ARGS', `TCP $h %[3]d'" + `)dnl
define(` + "`ESMTP_MAILER_ARGS', `TCP $h %[3]d'" + `)dnl
define(` + "`SMART_HOST', `esmtp:[127.0.0.1]'" + `)dnl
FEATURE(` + "`nocanonify'" + `)dnl
FEATURE(` + "`accept_unresolvable_domains'" + `)dnl
%[4]sMAILER(` + "`smtp'" + `)dnl
LOCAL_RULE_0
R$* < @ virt.example . > $*	$#relay $@ [127.0.0.1] $: $1 < @ virt.example . > $2
R$* < @ virt.example > $*	$#relay $@ [127.0.0.1] $: $1 < @ virt.example > $2
`

// sendmail is a Sendmail with a configuration of its own.
type sendmail struct{ program, conf string }

// newSendmail writes the configuration.
func newSendmail(t *testing.T, site, world int, lines string) *sendmail {
	t.Helper()
	root := needPeer(t, "BOUNCEFILTER_SENDMAIL", "the folder that Sendmail is unpacked in")
	dir := newFolder(t, "sendmail")
	if err := os.Mkdir(filepath.Join(dir, "queue"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"sendmail.mc":    fmt.Sprintf(sendmailMc, dir, site, world, lines),
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
	s := &sendmail{program: filepath.Join(root, "usr/libexec/sendmail/sendmail"), conf: filepath.Join(dir, "sendmail.cf")}
	if err := os.WriteFile(s.conf, text, 0o644); err != nil {
		t.Fatal(err)
	}
	s.run(t, "", 0, "-bi")
	return s
}

// command makes a command of Sendmail.
//
// QUIRK: Sendmail sleeps for 60 s when its host has no qualified name, so it gets a host of its own.
func (s *sendmail) command(arguments ...string) *exec.Cmd {
	return exec.Command("unshare", append([]string{"--uts", "sh", "-c", `hostname mx.sendmail.example; exec "$@"`, "sh", s.program, "-C", s.conf}, arguments...)...)
}

// run runs Sendmail to its end.
func (s *sendmail) run(t *testing.T, input string, status int, arguments ...string) {
	t.Helper()
	cmd := s.command(arguments...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != status {
		t.Errorf("sendmail %q: %v\n%s", arguments, err, out)
	}
}

// dial begins an SMTP session with a Sendmail of its own.
func (s *sendmail) dial(t *testing.T) *client {
	t.Helper()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "client"), os.NewFile(uintptr(pair[1]), "server")
	cmd := s.command("-bs", "-odi")
	cmd.Stdin, cmd.Stdout = theirs, theirs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		_ = cmd.Wait() // it ends when its client is gone
	})
	c := &client{t: t, conn: conn, in: bufio.NewReader(conn)}
	c.mustCommand("220", "")
	c.mustCommand("250", "EHLO client.example")
	return c
}

// startSendmail prepares a Sendmail at a remote site. A message is handed over as by a user of its host.
func startSendmail(t *testing.T, site, world int) func(t *testing.T, sender, text string) {
	t.Helper()
	const noSuchUser = 67 // EX_NOUSER of sysexits.h: the world refused the recipient, which is what it is there for
	s := newSendmail(t, site, world, "")
	return func(t *testing.T, sender, text string) {
		t.Helper()
		s.run(t, text, noSuchUser, "-i", "-odi", "-oem", "-f", sender, "reject@remote.example")
	}
}

// A Sendmail with our milter adds a Message-ID to mail that has none only after the milter has seen it. The milter adds one
// itself, and there is one in the end.
func TestSendmailMessageID(t *testing.T) {
	t.Parallel()
	needServers(t)
	world := newSink(t, "world.example")
	d := newDaemon(t, filepath.Join(newFolder(t, "site"), "bouncefilter"), "memory:", false, "", "")
	host, port, _ := strings.Cut(strings.TrimPrefix(d.milter, "inet:"), ":")
	s := newSendmail(t, world.port, world.port, "FEATURE(`promiscuous_relay')dnl\nINPUT_MAIL_FILTER(`bouncefilter', `S=inet:"+port+"@"+host+", F=T')dnl\n")
	d.start(t)
	for _, id := range []string{"", "Message-ID: <own@client.example>\n"} {
		m := newMessage("games@local.example", "friend@remote.example")
		c := s.dial(t)
		c.mustCommand("250", "MAIL FROM:<games@local.example>")
		c.mustCommand("250", "RCPT TO:<friend@remote.example>")
		c.mustCommand("354", "DATA")
		if r := c.text("X-Mark: " + m.mark + "\n" + id + "From: games@local.example\n\nHello.\n"); r[0] != '2' {
			t.Fatalf("the message was answered %q", r)
		}
		c.quit()
		got := world.await(t, m.mark)
		found := messageID(got.text)
		own := strings.HasSuffix(found, "@local.example")
		if n := strings.Count(strings.ToLower(got.text), "\nmessage-id:"); n != 1 || !isSigned(got.sender, "games@local.example") || own != (id == "") {
			t.Errorf("from <%s> with %d Message-IDs:\n%s", got.sender, n, got.text)
		}
	}
}
