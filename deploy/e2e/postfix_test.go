package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The site's only account, and its only user with an entry in /etc/passwd: one that every Debian system has.
const (
	account  = "games@local.example"
	password = "correct horse"
)

// postfix is a Postfix instance of its own, running.
type postfix struct {
	dir        string
	conf       string
	smtp       int // port for everybody
	submission int // port that demands AUTH
}

// newPostfix makes an instance that is configured as a site without bouncefilter; see site for what is in it. It does
// not run yet.
func newPostfix(t *testing.T, dir string, world, inner *sink) *postfix {
	t.Helper()
	p := &postfix{dir: dir, conf: filepath.Join(dir, "conf"), smtp: freePort(t), submission: freePort(t)}
	for _, d := range []struct {
		name string
		mode os.FileMode
	}{{"", 0o755}, {"conf", 0o755}, {"conf/sasl", 0o755}, {"queue", 0o755}, {"data", 0o700}, {"mail", 0o777}, {"spool", 0o777}, {"log", 0o755}} {
		d.name = filepath.Join(dir, d.name)
		if err := os.MkdirAll(d.name, d.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(d.name, d.mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
	}
	execute(t, "chown", "postfix", filepath.Join(dir, "data"))
	p.write(t, "main.cf", fmt.Sprintf(mainCf, dir, world.port, inner.port))
	p.write(t, "master.cf", fmt.Sprintf(masterCf, p.smtp, p.submission))
	p.write(t, "sasl/smtpd.conf", fmt.Sprintf("pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: %s/sasldb\nmech_list: PLAIN\n", p.conf))

	user, realm, _ := strings.Cut(account, "@")
	db := filepath.Join(p.conf, "sasldb")
	passwd := exec.Command("saslpasswd2", "-f", db, "-p", "-c", "-u", realm, user)
	passwd.Stdin = strings.NewReader(password)
	if out, err := passwd.CombinedOutput(); err != nil {
		t.Fatalf("saslpasswd2: %v\n%s", err, out)
	}
	execute(t, "chgrp", "postfix", db)
	execute(t, "chmod", "640", db)
	return p
}

func (p *postfix) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.conf, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// start starts the instance. It ends with the test.
func (p *postfix) start(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("maillog:\n%s", lastLines(p.log(), 60))
		}
	})
	p.age(t)
	execute(t, "postfix", "-c", p.conf, "start")
	t.Cleanup(func() {
		// "postfix stop" reads the process id from the instance's own queue directory.
		if out, err := exec.Command("postfix", "-c", p.conf, "stop").CombinedOutput(); err != nil {
			t.Errorf("postfix stop: %v\n%s", err, out)
		}
	})
}

func (p *postfix) ports() (everybody, submission int) { return p.smtp, p.submission }

func (p *postfix) reply(words string) string { return words }

func (p *postfix) nullSender() string { return "<>" }

func (p *postfix) showsRecipients() bool { return true }

func (p *postfix) mailbox(address string) mailbox {
	local, domain, _ := strings.Cut(address, "@")
	if domain == "local.example" {
		return mailbox(filepath.Join(p.dir, "spool", local))
	}
	return mailbox(filepath.Join(p.dir, "mail", domain, strings.NewReplacer(`"`, "", " ", "").Replace(local)))
}

// age makes main.cf look old. Postfix' programs wait for up to two seconds when they read one that was changed just now: it
// might not be complete.
func (p *postfix) age(t *testing.T) {
	t.Helper()
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(filepath.Join(p.conf, "main.cf"), old, old); err != nil {
		t.Fatal(err)
	}
}

// set changes a parameter of main.cf.
func (p *postfix) set(t *testing.T, setting string) {
	t.Helper()
	execute(t, "postconf", "-c", p.conf, "-e", setting)
}

// drain waits until the queue is empty: everything delivered or bounced.
func (p *postfix) drain(t *testing.T) {
	t.Helper()
	p.retry(t, "Postfix' queue is empty", func() bool {
		return strings.TrimSpace(execute(t, "postqueue", "-c", p.conf, "-j")) == ""
	})
}

// retry waits for something that comes when Postfix tries to deliver what is in its queue, and lets it try once a second: with times as
// short as here a message may be skipped because it is still being delivered, and then be left alone for minutes.
func (p *postfix) retry(t *testing.T, what string, ok func() bool) {
	t.Helper()
	var flushed time.Time
	eventually(t, what, func() bool {
		if time.Since(flushed) > time.Second {
			execute(t, "postqueue", "-c", p.conf, "-f")
			flushed = time.Now()
		}
		return ok()
	})
}

func (p *postfix) log() string {
	text, _ := os.ReadFile(filepath.Join(p.dir, "log", "maillog"))
	return string(text)
}

// sendmail hands in a message with the sendmail command, as a cron job or a web application does.
func (p *postfix) sendmail(from string, to []string, message string) error {
	cmd := exec.Command("sendmail", append([]string{"-C", p.conf, "-i", "-f", from}, to...)...)
	cmd.Stdin = strings.NewReader(message)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("sendmail: %w\n%s", err, out)
	}
	return nil
}

// mainCf describes the site without bouncefilter. The arguments are its directory, the port of the rest of the world,
// and the port of the server behind the relayed domain.
//
// Times are short: a test that waits for a queue lifetime should not take five days.
const mainCf = `compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = %[1]s/log/maillog
maillog_file_prefixes = %[1]s
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.local.example
mydomain = local.example
myorigin = local.example
mynetworks = 127.0.0.2/32

mydestination = local.example, mx.local.example
alias_maps = inline:{ office=games, {postmaster=games} }
alias_database =
mail_spool_directory = %[1]s/spool/

virtual_mailbox_domains = virt.example, monitor.example, auto.example, early.example
virtual_mailbox_base = %[1]s/mail
virtual_mailbox_maps =
  inline:{ {user@virt.example=virt.example/user/}, {other@virt.example=virt.example/other/},
    {member@virt.example=virt.example/member/}, {"first last"@virt.example=virt.example/firstlast/} },
  inline:{ {user@monitor.example=monitor.example/user/}, {user@auto.example=auto.example/user/}, {user@early.example=early.example/user/} }
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534

virtual_alias_domains = alias.example
virtual_alias_maps = inline:{ {info@alias.example=user@virt.example}, {postmaster@virt.example=user@virt.example} }

relay_domains = relay.example
relay_recipient_maps = inline:{ {bob@relay.example=x} }
transport_maps = inline:{ {relay.example=smtp:[127.0.0.1]:%[3]d} }
relayhost = [127.0.0.1]:%[2]d

smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_sasl_path = smtpd
cyrus_sasl_config_path = %[1]s/conf/sasl
smtpd_sasl_local_domain = local.example
smtpd_tls_security_level = none
smtp_tls_security_level = none
smtputf8_enable = yes

message_size_limit = 200000000
mailbox_size_limit = 0
virtual_mailbox_limit = 0
smtpd_recipient_limit = 11000
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
smtpd_client_connection_count_limit = 0
smtpd_delay_reject = yes
in_flow_delay = 0
default_process_limit = 40
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
maximal_queue_lifetime = 3s
bounce_queue_lifetime = 3s
`

const masterCf = `127.0.0.1:%[1]d inet n - n - - smtpd
127.0.0.1:%[2]d inet n - n - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
  -o milter_macro_daemon_name=ORIGINATING
pickup     unix  n - n 1 1 pickup
cleanup    unix  n - n - 0 cleanup
qmgr       unix  n - n 300 1 qmgr
tlsmgr     unix  - - n 1000? 1 tlsmgr
rewrite    unix  - - n - - trivial-rewrite
bounce     unix  - - n - 0 bounce
defer      unix  - - n - 0 bounce
trace      unix  - - n - 0 bounce
verify     unix  - - n - 1 verify
flush      unix  n - n 1000? 0 flush
proxymap   unix  - - n - - proxymap
proxywrite unix  - - n - 1 proxymap
smtp       unix  - - n - - smtp
relay      unix  - - n - - smtp
showq      unix  n - n - - showq
error      unix  - - n - - error
retry      unix  - - n - - error
discard    unix  - - n - - discard
local      unix  - n n - - local
virtual    unix  - n n - - virtual
lmtp       unix  - - n - - lmtp
anvil      unix  - - n - 1 anvil
scache     unix  - - n - 1 scache
postlog    unix-dgram n - n - 1 postlogd
`
