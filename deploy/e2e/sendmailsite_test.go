package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The site with Sendmail has the same addresses as that with Postfix. Its mailboxes are those of users whom every Debian
// system has, since Sendmail knows no others.
var sendmailUsers = map[string]string{
	"games@local.example":  "games",
	"user@virt.example":    "news",
	"other@virt.example":   "lp",
	"member@virt.example":  "uucp",
	"quiet@virt.example":   "mail",
	"user@monitor.example": "proxy",
	"user@auto.example":    "backup",
	"user@early.example":   "list",
	"info@alias.example":   "news",

	// Of TestDomainsOfSendmail; for other sites these are domains of the world.
	"games@physics.campus.example": "games",
	"games@a.b.campus.example":     "games",
	"games@firma.example":          "games",
	"games@company.example":        "games",
}

// siteOnABusyMachine is sendmailOnABusyMachine with the quotation marks of siteMc.
var siteOnABusyMachine = strings.NewReplacer("`", "‹", "'", "›").Replace(sendmailOnABusyMachine)

// siteMc describes the site without bouncefilter. The arguments are its directory, that of Sendmail's configuration files,
// the ports for everybody and for submission, and those of the world and of the server behind the relayed domain. ‹ and ›
// mean m4's quotation marks.
//
// The mailer for local users is a script that writes Maildirs; everything else about it is as usual, the check of users
// (flag w) included.
var siteMc = `define(‹_CF_DIR_›, ‹%[2]s/›)dnl
include(‹%[2]s/m4/cf.m4›)dnl
OSTYPE(‹linux›)dnl
define(‹confDOMAIN_NAME›, ‹mx.local.example›)dnl
define(‹confPID_FILE›, ‹%[1]s/sendmail.pid›)dnl
define(‹QUEUE_DIR›, ‹%[1]s/queue›)dnl
define(‹STATUS_FILE›, ‹%[1]s/statistics›)dnl
define(‹HELP_FILE›, ‹%[1]s/helpfile›)dnl
define(‹ALIAS_FILE›, ‹%[1]s/aliases›)dnl
define(‹confCW_FILE›, ‹%[1]s/local-host-names›)dnl
define(‹confCR_FILE›, ‹-o %[1]s/relay-domains›)dnl
define(‹confSERVICE_SWITCH_FILE›, ‹%[1]s/service.switch›)dnl
define(‹confDONT_BLAME_SENDMAIL›, ‹MapInUnsafeDirPath,ClassFileInUnsafeDirPath,GroupReadableSASLDBFile,RunProgramInUnsafeDirPath›)dnl
define(‹confTO_IDENT›, ‹0›)dnl
` + siteOnABusyMachine + `define(‹confTO_QUEUERETURN›, ‹3s›)dnl
define(‹confMIN_QUEUE_AGE›, ‹0›)dnl
define(‹confBAD_RCPT_THROTTLE›, ‹0›)dnl
define(‹confMAX_MESSAGE_SIZE›, ‹200000000›)dnl
define(‹confAUTH_MECHANISMS›, ‹PLAIN›)dnl
TRUST_AUTH_MECH(‹PLAIN›)dnl
define(‹LOCAL_MAILER_PATH›, ‹%[1]s/deliver›)dnl
define(‹LOCAL_MAILER_ARGS›, ‹deliver $u›)dnl
define(‹LOCAL_MAILER_FLAGS›, ‹SPhn9›)dnl
define(‹SMART_HOST›, ‹esmtp:[127.0.0.1]›)dnl
define(‹ESMTP_MAILER_ARGS›, ‹TCP $h %[5]d›)dnl
define(‹RELAY_MAILER_ARGS›, ‹TCP $h %[6]d›)dnl
FEATURE(‹nocanonify›)dnl
FEATURE(‹accept_unresolvable_domains›)dnl
FEATURE(‹use_cw_file›)dnl
FEATURE(‹virtusertable›, ‹hash %[1]s/virtusertable›)dnl
VIRTUSER_DOMAIN(‹virt.example›)dnl
VIRTUSER_DOMAIN(‹alias.example›)dnl
VIRTUSER_DOMAIN(‹monitor.example›)dnl
VIRTUSER_DOMAIN(‹auto.example›)dnl
VIRTUSER_DOMAIN(‹early.example›)dnl
FEATURE(‹mailertable›, ‹hash %[1]s/mailertable›)dnl
FEATURE(‹access_db›, ‹hash -T<TMPF> %[1]s/access›)dnl
FEATURE(‹no_default_msa›)dnl
DAEMON_OPTIONS(‹Family=inet, Name=MTA, Addr=127.0.0.1, Port=%[3]d›)dnl
DAEMON_OPTIONS(‹Family=inet, Name=MSA, Addr=127.0.0.1, Port=%[4]d, M=Ea›)dnl
MAILER(‹local›)dnl
MAILER(‹smtp›)dnl
`

// submitMc is the part of Sendmail that the sendmail command is: it hands over to the port for everybody.
const submitMc = `define(‹_CF_DIR_›, ‹%[2]s/›)dnl
include(‹%[2]s/m4/cf.m4›)dnl
define(‹confCF_VERSION›, ‹Submit›)dnl
define(‹__OSTYPE__›, ‹›)dnl
define(‹_USE_DECNET_SYNTAX_›, ‹1›)dnl
define(‹MSP_QUEUE_DIR›, ‹%[1]s/msp›)dnl
define(‹confPID_FILE›, ‹%[1]s/sm-client.pid›)dnl
define(‹STATUS_FILE›, ‹%[1]s/sm-client.st›)dnl
define(‹confDONT_INIT_GROUPS›, ‹True›)dnl
define(‹confRUN_AS_USER›, ‹mail›)dnl
define(‹confTRUSTED_USER›, ‹mail›)dnl
define(‹RELAY_MAILER_ARGS›, ‹TCP $h %[3]d›)dnl
FEATURE(‹msp›, ‹[127.0.0.1]›)dnl
`

// deliverScript is the mailer for local users: it writes the message into the Maildir of $1.
const deliverScript = `#!/bin/sh
umask 022
mkdir -p "%[1]s/spool/$1/new" "%[1]s/spool/$1/tmp" || exit 75
f=$(mktemp "%[1]s/spool/$1/tmp/XXXXXXXX") && cat > "$f" && mv "$f" "%[1]s/spool/$1/new/" || exit 75
`

// sendmailSite is a Sendmail that is a site's mail server, running.
type sendmailSite struct {
	dir        string
	program    string
	smtp       int
	submission int
	daemon     *process
}

var _ mta = (*sendmailSite)(nil)

// newSendmailSite makes a Sendmail that is configured as a site without bouncefilter. It does not run yet.
func newSendmailSite(t *testing.T, dir string, world, inner *sink) *sendmailSite {
	t.Helper()
	root := needPeer(t, "BOUNCEFILTER_SENDMAIL", "the folder that Sendmail is unpacked in")
	s := &sendmailSite{dir: dir, program: filepath.Join(root, "usr/libexec/sendmail/sendmail"), smtp: freePort(t), submission: freePort(t)}
	for name, mode := range map[string]os.FileMode{"": 0o755, "queue": 0o700, "msp": 0o700, "spool": 0o777, "sasl2": 0o755} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
	}
	execute(t, "chown", "mail:mail", s.path("msp")) // the user that submit.cf runs as
	cf := filepath.Join(root, "usr/share/sendmail/cf")
	quotes := strings.NewReplacer("‹", "`", "›", "'")
	virtual := "postmaster@virt.example\tnews\n"
	for address, user := range sendmailUsers {
		if !strings.HasSuffix(address, "@local.example") {
			virtual += address + "\t" + user + "\n"
		}
	}
	for _, d := range []string{"virt", "alias", "monitor", "auto", "early"} {
		virtual += "@" + d + ".example\terror:5.1.1:550 User unknown\n"
	}
	s.write(t, "sendmail.mc", quotes.Replace(fmt.Sprintf(siteMc, dir, cf, s.smtp, s.submission, world.port, inner.port)), 0o644)
	masquerade := codeBlocks(t, "deploy/sendmail/README.md", "What is signed", "m4")[0] // as the manual has it, for senders without a domain
	submit := quotes.Replace(fmt.Sprintf(submitMc, dir, cf, s.smtp))
	s.write(t, "submit.mc", strings.Replace(submit, "FEATURE(`msp'", strings.ReplaceAll(masquerade, "example.com", "local.example")+"FEATURE(`msp'", 1), 0o644)
	s.write(t, "deliver", fmt.Sprintf(deliverScript, dir), 0o755)
	s.write(t, "aliases", "postmaster: games\nMAILER-DAEMON: postmaster\noffice: games\n", 0o644)
	s.write(t, "local-host-names", "local.example\nmx.local.example\n", 0o644)
	s.write(t, "relay-domains", "relay.example\n", 0o644)
	s.write(t, "service.switch", "hosts files\naliases files\npasswd files\n", 0o644)
	s.write(t, "virtusertable", virtual, 0o644)
	s.write(t, "mailertable", "relay.example\trelay:[127.0.0.1]\n", 0o644)
	s.write(t, "access", "Connect:"+internal+"\tRELAY\n", 0o644)
	s.write(t, "statistics", "", 0o644)
	s.write(t, "sm-client.st", "", 0o644)
	s.generate(t)
	makeSubmit := strings.ReplaceAll(codeBlocks(t, "deploy/sendmail/README.md", "What is signed", "sh")[0], "/etc/mail/", dir+"/")
	if out, err := exec.Command("sh", "-e", "-c", makeSubmit).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", makeSubmit, err, out)
	}
	for _, table := range []string{"virtusertable", "mailertable", "access"} {
		in, err := os.Open(filepath.Join(dir, table))
		if err != nil {
			t.Fatal(err)
		}
		makemap := s.within(filepath.Join(filepath.Dir(s.program), "makemap"), "-C", s.path("sendmail.cf"), "hash", filepath.Join(dir, table))
		makemap.Stdin = in
		out, err := makemap.CombinedOutput()
		in.Close()
		if err != nil {
			t.Fatalf("makemap %s: %v\n%s", table, err, out)
		}
	}
	if out, err := s.within(s.program, "-C", s.path("sendmail.cf"), "-bi").CombinedOutput(); err != nil {
		t.Fatalf("sendmail -bi: %v\n%s", err, out)
	}
	s.write(t, "sasl2/Sendmail.conf", fmt.Sprintf("pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: %s/sasldb\nmech_list: PLAIN\n", dir), 0o644)
	user, realm, _ := strings.Cut(account, "@")
	passwd := exec.Command("saslpasswd2", "-f", s.path("sasldb"), "-p", "-c", "-u", realm, user)
	passwd.Stdin = strings.NewReader(password)
	if out, err := passwd.CombinedOutput(); err != nil {
		t.Fatalf("saslpasswd2: %v\n%s", err, out)
	}
	return s
}

// generate makes sendmail.cf of sendmail.mc.
func (s *sendmailSite) generate(t *testing.T) {
	t.Helper()
	out, err := exec.Command("m4", s.path("sendmail.mc")).Output()
	if err != nil {
		t.Fatalf("m4 sendmail.mc: %v", err)
	}
	s.write(t, "sendmail.cf", string(out), 0o644)
}

func (s *sendmailSite) path(name string) string { return filepath.Join(s.dir, name) }

func (s *sendmailSite) write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(s.path(name), mode); err != nil {
		t.Fatal(err)
	}
}

// within makes a command of Sendmail's with a host name and a folder /etc of its own.
//
// QUIRK: Sendmail sleeps for 60 s when its host has no qualified name, and looks for the configuration of SASL in /etc/sasl2
// alone.
func (s *sendmailSite) within(command ...string) *exec.Cmd {
	script := `set -e; hostname mx.local.example; mount -t tmpfs tmpfs /mnt; cp -a /etc /mnt/etc; mkdir -p /mnt/etc/sasl2
cp "$0"/sasl2/* /mnt/etc/sasl2 2>/dev/null || true; echo 127.0.0.1 mx.local.example localhost > /mnt/etc/hosts; mount --bind /mnt/etc /etc; exec "$@"`
	return exec.Command("unshare", append([]string{"--uts", "--mount", "sh", "-c", script, s.dir}, command...)...)
}

// safeFolder returns a new folder for a socket. Sendmail insists that no other user can write to it or to the folders above.
func safeFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/run", "bouncefilter-e2e-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// setUp does what the manual says, with the names of this site, and lets bouncefilter look at the result: nothing is left to do.
func (s *sendmailSite) setUp(t *testing.T, d *daemon, socket string) {
	t.Helper()
	const manual = "deploy/sendmail/README.md"
	names := strings.NewReplacer("/etc/mail/", s.dir+"/", "sendmail -bv", s.program+" -C "+s.path("sendmail.cf")+" -bv",
		"/run/bouncefilter/milter.sock", socket, "example.com", "local.example")
	for _, chapter := range []string{"1. Tagged recipients", "2. The milter"} {
		_, body, found := strings.Cut(readManual(t, manual), "\n## "+chapter+"\n")
		if !found {
			t.Fatalf("%s has no chapter %q", manual, chapter)
		}
		body, _, _ = strings.Cut(body, "\n## ")
		for _, block := range regexp.MustCompile("(?s)```(sh|m4)\n(.*?)```").FindAllStringSubmatch(body, -1) {
			text := names.Replace(block[2])
			if block[1] == "m4" {
				s.append(t, "sendmail.mc", text)
				continue
			}
			sh := s.within("sh", "-e", "-c", "cd "+filepath.Join(root, "deploy/sendmail")+"\n"+text)
			out, err := sh.CombinedOutput()
			if err != nil || strings.Contains(text, "-bv") && !strings.Contains(string(out), "... deliverable") {
				t.Fatalf("%v\n%s\n%s", err, text, out)
			}
			s.edit(t, "bouncefilter-untag.m4", "C{BouncefilterDomain} example.com", "C{BouncefilterDomain} local.example virt.example "+
				"monitor.example auto.example early.example alias.example relay.example")
			s.edit(t, "bouncefilter-milter.m4", "/run/bouncefilter/milter.sock", socket)
		}
	}
	again := s.within(d.program, "setup", "sendmail", "--mta-config", s.path("sendmail.cf"), "--config", d.config)
	again.Env = append(os.Environ(), "PATH="+filepath.Dir(s.program)+":"+os.Getenv("PATH"))
	if out, err := again.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "Nothing is to be done") {
		t.Errorf("bouncefilter setup sendmail, after the manual: %v\n%s", err, out)
	}
}

func (s *sendmailSite) append(t *testing.T, name, text string) {
	t.Helper()
	before, err := os.ReadFile(s.path(name))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, name, string(before)+text, 0o644)
}

// edit replaces the text that a postmaster has to edit; it must be there exactly once.
func (s *sendmailSite) edit(t *testing.T, name, old, edited string) {
	t.Helper()
	if text, err := os.ReadFile(s.path(name)); err == nil {
		s.write(t, name, strings.ReplaceAll(string(text), old, edited), 0o644)
	}
}

// start starts Sendmail and waits until it takes connections. It ends with the test.
func (s *sendmailSite) start(t *testing.T) {
	t.Helper()
	cmd := s.within(s.program, "-C", s.path("sendmail.cf"), "-bD", "-q1s", "-X", s.path("traffic"))
	t.Cleanup(func() {
		if t.Failed() {
			queue, _ := s.within(s.program, "-C", s.path("sendmail.cf"), "-bp", "-v").CombinedOutput()
			t.Logf("queue:\n%s\ntraffic:\n%s", queue, lastLines(s.log(), 60))
		}
	})
	s.daemon = start(t, "sendmail", cmd.Args...)
	for _, port := range []int{s.smtp, s.submission} {
		eventually(t, "Sendmail takes connections", func() bool {
			select {
			case <-s.daemon.done:
				t.Fatalf("Sendmail ended:\n%s", s.daemon.out)
			default:
			}
			c, err := tryDial(t, internal, port)
			if err == nil {
				c.quit()
			}
			return err == nil
		})
	}
}

func (s *sendmailSite) ports() (everybody, submission int) { return s.smtp, s.submission }

func (s *sendmailSite) sendmail(from string, to []string, message string) error {
	cmd := s.within(append([]string{s.program, "-C", s.path("submit.cf"), "-Ac", "-i", "-odi", "-oem", "-f", from}, to...)...)
	cmd.Stdin = strings.NewReader(message)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("sendmail: %w\n%s", err, out)
	}
	return nil
}

func (s *sendmailSite) mailbox(address string) mailbox {
	return mailbox(filepath.Join(s.dir, "spool", sendmailUsers[address]))
}

// drain waits until nothing is queued and no child of the daemon delivers.
func (s *sendmailSite) drain(t *testing.T) {
	t.Helper()
	eventually(t, "Sendmail's queue is empty", func() bool {
		for _, queue := range []string{"queue", "msp"} {
			if files, err := filepath.Glob(filepath.Join(s.dir, queue, "*")); err != nil || len(files) > 0 {
				return false
			}
		}
		return true
	})
}

var (
	addressInReply = regexp.MustCompile(`^(\d{3} \d\.\d\.\d) <[^ ]*>\.\.\. `)
	acceptedReply  = regexp.MustCompile(`^250 2\.0\.0 (\S+) Message accepted for delivery`)
)

// reply takes out what Sendmail adds to replies.
func (s *sendmailSite) reply(words string) string {
	words = addressInReply.ReplaceAllString(words, "$1 ")
	if strings.HasPrefix(words, "550 5.7.1 Relaying denied") || strings.HasPrefix(words, "503 5.0.0 Need RCPT") {
		words = "554" + words[len("550"):]
	}
	return acceptedReply.ReplaceAllString(words, "250 2.0.0 Ok: queued as $1")
}

func (s *sendmailSite) nullSender() string { return "<MAILER-DAEMON>" }

func (s *sendmailSite) showsRecipients() bool { return false }

func (s *sendmailSite) log() string {
	text, _ := os.ReadFile(s.path("traffic"))
	return string(text)
}
