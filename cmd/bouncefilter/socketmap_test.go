package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// lookup asks the lookup service as Postfix does.
func lookup(t *testing.T, c net.Conn, request string) string {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(2 * time.Minute))
	if _, err := fmt.Fprintf(c, "%d:%s,", len(request), request); err != nil {
		t.Fatal(err)
	}
	reply, err := bufio.NewReader(c).ReadString(',')
	if err != nil {
		t.Fatal(err)
	}
	_, reply, _ = strings.Cut(reply, ":")
	return strings.TrimSuffix(reply, ",")
}

func TestLookupService(t *testing.T) {
	w := newWorld(t)
	const service = "[socketmap]\nlisten = \"tcp:localhost:0\"\n"
	d := w.start("-c", w.config(service))
	conn, err := net.Dial("tcp", d.find(`msg="lookups on tcp:([^"]*)"`))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	signed := strings.TrimSpace(w.run("sign", "-c", w.path("bouncefilter.toml"), "user@example.com").stdout)
	forged := strings.Replace(signed, "=user@", "=other@", 1)
	ask := func(when, key, want string) {
		t.Helper()
		if got := lookup(t, conn, "untag "+key); got != want {
			t.Errorf("%s: <%s>: got %q, want %q", when, key, got, want)
		}
	}
	ask("a tag of ours", signed, "OK user@example.com")
	ask("a forged tag", forged, "NOTFOUND ")
	ask("no tag", "user@example.com", "NOTFOUND ")
	for key, plain := range map[string]string{signed: "user@example.com", forged: "other@example.com", "user@example.com": "user@example.com", "example.com": "example.com"} {
		if got := lookup(t, conn, "plain "+key); got != "OK "+plain {
			t.Errorf("plain <%s>: got %q", key, got)
		}
	}
	_, metrics := d.get("/metrics")
	contains(t, "metrics", metrics, `bouncefilter_socketmap_lookups_total{result="found"} 5`, `bouncefilter_socketmap_lookups_total{result="not-found"} 2`)

	// A reload changes what is known, and keeps connections and address.
	w.file("bouncefilter.toml", strings.Replace(mustRead(t, w.path("bouncefilter.toml")), "example.com", "example.org", 1), 0o600)
	d.reload()
	ask("after a reload without the domain", signed, "NOTFOUND ")
	w.config("[socketmap]\nlisten = \"\"\n")
	d.reload()
	contains(t, "log", d.stderr.String(), "socketmap: cannot change while the daemon runs")
	w.config(service)
	d.reload()
	ask("after a reload with the domain", signed, "OK user@example.com")

	second := newWorld(t)
	address := conn.RemoteAddr().String()
	r := second.run("serve", "-c", second.config(strings.Replace(service, "localhost:0", address, 1)))
	if r.status != 2 {
		t.Errorf("got %+v", r)
	}
	contains(t, "error", r.stderr, ":7: socketmap.listen: listen on tcp:"+address+": another process listens there")

	if r := d.stop(); r.status != 0 {
		t.Errorf("status %d", r.status)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("lookups are still answered")
	}
}

func TestListenersWithRoles(t *testing.T) {
	w := newWorld(t)
	config := w.config("[[listener]]\naddress = \"tcp:localhost:0\"\nrole = \"sign\"\n")
	d := w.start("-c", config)
	address := d.find(`msg="listening on tcp:([^"]*)" role=sign`)
	contains(t, "log", d.stderr.String(), "role=both")
	second := newWorld(t)
	r := second.run("serve", "-c", second.config("[[listener]]\naddress = \"tcp:"+address+"\"\nrole = \"verify\"\n"))
	if r.status != 2 {
		t.Errorf("got %+v", r)
	}
	contains(t, "error", r.stderr, ":7: listener[0].address: listen on tcp:"+address+": another process listens there")
	contains(t, "check", w.run("check", "-c", config).stdout, "tcp:localhost:0, only to sign")
}
