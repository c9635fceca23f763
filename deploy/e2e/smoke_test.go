package e2e

import "testing"

func TestSmoke(t *testing.T) {
	s := newSite(t, siteOptions{})
	tag := s.tag(t, "user@virt.example")
	t.Log(tag)
	b := newBounce(tag, "x")
	c := s.outside(t)
	c.mustCommand("250", "MAIL FROM:<>")
	c.mustCommand("250", "RCPT TO:<"+tag+">")
	c.mustCommand("354", "DATA")
	t.Log(c.text(b.text))
	h, text := s.mailbox("user@virt.example").await(t, b.mark)
	t.Log(h, text)
	t.Log(s.daemon.process.out.String())
	t.Log(s.postfix.log())
}
