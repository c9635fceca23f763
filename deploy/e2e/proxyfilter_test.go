package e2e

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

const proxyFilter = "Content filter before the queue"

// newProxy starts a filter before the queue, which finds nothing: it passes on what Postfix says to the port to which it gives mail
// back, and what it gets for an answer. It ends with the test.
func newProxy(t *testing.T, back int) (port int) {
	t.Helper()
	return listen(t, func(front net.Conn) {
		behind, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", back))
		if err != nil {
			return
		}
		go func() {
			io.Copy(behind, front)
			behind.Close()
		}()
		io.Copy(front, behind)
	}).Port
}

// TestProxyFilter runs a site whose mail goes through a filter before Postfix' queue: it is signed and judged when it comes back.
func TestProxyFilter(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	backOutside, backSubmitted := freePort(t), freePort(t)
	toOutside, toSubmitted := newProxy(t, backOutside), newProxy(t, backSubmitted)
	const sender, receiver = "user@virt.example", "friend@remote.example"

	// Without the section mail leaves unsigned. check says so.
	service := "127.0.0.1:" + itoa(s.postfix.submission) + "/inet/"
	execute(t, "postconf", "-c", s.postfix.conf, "-P", service+"smtpd_proxy_filter=127.0.0.1:"+itoa(toSubmitted))
	execute(t, "postconf", "-c", s.postfix.conf, "-M", fmt.Sprintf("127.0.0.1:%[1]d/inet=127.0.0.1:%[1]d inet n - n - - smtpd", backSubmitted))
	execute(t, "postconf", "-c", s.postfix.conf, "-P", fmt.Sprintf("127.0.0.1:%d/inet/smtpd_milters=", backSubmitted),
		fmt.Sprintf("127.0.0.1:%d/inet/mynetworks=127.0.0.0/8", backSubmitted), fmt.Sprintf("127.0.0.1:%d/inet/smtpd_relay_restrictions=permit_mynetworks,reject", backSubmitted))
	s.postfix.reload(t)
	m := newMessage(sender, receiver)
	if r := s.trySubmit(t, sender, receiver, m); r[0] != '2' {
		t.Fatal(r)
	}
	if d := s.world.await(t, m.mark); d.sender != sender {
		t.Errorf("Postfix has begun to honour changes of milters before a proxy filter: the sender is <%s>", d.sender)
	}
	if out, status := s.aboutPostfix(t, "check"); status != 1 || !strings.Contains(out, "smtpd_proxy_filter") || !strings.Contains(out, "leaves unsigned") {
		t.Errorf("check, with a filter that no milter follows: exit status %d\n%s", status, out)
	}

	config := strings.Replace(roleBlocks(t, proxyFilter, "toml"), "192.0.2.0/24", "127.0.0.2/32", 1)
	s.restart(t, func() {
		had := "[outbound]\nnetworks = [\"127.0.0.2/32\"]\n"
		if !strings.Contains(s.daemon.read(t), had) {
			t.Fatalf("the configuration has no %q", had)
		}
		s.daemon.write(t, strings.Replace(s.daemon.read(t), had, config, 1))
		s.postfix.play(t, proxyFilter, "127.0.0.1:10024", "127.0.0.1:"+itoa(toOutside), "127.0.0.1:10025", "127.0.0.1:"+itoa(backOutside),
			"127.0.0.1:10026", "127.0.0.1:"+itoa(toSubmitted), "127.0.0.1:10027", "127.0.0.1:"+itoa(backSubmitted))
	})
	if out, status := s.aboutPostfix(t, "check"); status != 0 || strings.Contains(out, "\nwarning ") {
		t.Errorf("check, after the manual: exit status %d\n%s", status, out)
	}
	for _, sc := range []scenario{
		{
			name: "genuine bounce", to: []rcpt{{valid(sender), ok}}, mailboxes: []string{sender},
			reason: "valid", action: "accept", header: "batv=pass reason=valid method=tag",
		}, {
			name: "missing tag is refused at the end of the message, through the filter",
			to:   []rcpt{{plain(sender), ok}}, end: replyNone, reason: "untagged", action: "reject",
		}, {
			name: "mail of a stranger with an address of ours is not signed",
			from: "other@virt.example", to: []rcpt{{plain(sender), ok}}, mailboxes: []string{sender},
		}, {
			name: "unknown user with a valid tag", to: []rcpt{{unrecorded("nobody.here@virt.example"), replyUnknown}},
		},
	} {
		t.Run(sc.name, sc.test(s))
	}
	t.Run("mail of the sendmail command is signed", func(t *testing.T) {
		m := newMessage(sender, receiver)
		if err := s.postfix.sendmail(sender, []string{receiver}, m.text); err != nil {
			t.Fatal(err)
		}
		if d := s.world.await(t, m.mark); !isSigned(d.sender, sender) {
			t.Errorf("the sender is <%s>", d.sender)
		}
	})
}
