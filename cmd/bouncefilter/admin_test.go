package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/webconfig/webconfigtest"
)

// webUsers lets alice in with the password hunter2.
const webUsers = "basic_auth_users:\n  alice: $2a$04$mYvQqo3L4kS1CmjgXpZI.eB6dBYw6MuWhwRUUs/LBGfLhArOugd7e\n"

// webTLS is the TLS of a web configuration beside the files of webconfigtest.
const webTLS = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"

// adminClient is a client of the admin listener, with a certificate unless that is "". It speaks HTTP/2 if the listener does.
func adminClient(t *testing.T, dir, certificate string) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	c := &tls.Config{RootCAs: x509.NewCertPool()}
	c.RootCAs.AppendCertsFromPEM(pem)
	if certificate != "" {
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, certificate+".crt"), filepath.Join(dir, certificate+".key"))
		if err != nil {
			t.Fatal(err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true, ForceAttemptHTTP2: true}}
}

// ask returns the status of an answer, or 0 if there is none.
func ask(t *testing.T, c *http.Client, url, user, password, host string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	r.Host = host
	resp, err := c.Do(r)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.ProtoMajor != 1 {
		t.Errorf("the answer is HTTP/%d, of which one connection has many requests at once", resp.ProtoMajor)
	}
	return resp.StatusCode
}

// webFile is a web configuration file, in a folder with certificates.
type webFile struct{ dir, path string }

func newWebFile(t *testing.T, text string) webFile {
	t.Helper()
	dir := webconfigtest.Certificates(t)
	f := webFile{dir, filepath.Join(dir, "web.yml")}
	f.write(t, text)
	return f
}

func (f webFile) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// option is the line of the configuration that names the file.
func (f webFile) option() string { return "web_config = \"" + f.path + "\"\n" }

// On an address that other hosts can reach, only clients with the password are answered, whatever name they call the host by. When the
// file is edited so that every client may come in, none is answered; no restart is needed for that, or for a new password.
func TestAdminListenerElsewhereNeedsThePassword(t *testing.T) {
	w := newWorld(t)
	web := newWebFile(t, webTLS+webUsers)
	config := w.config(web.option())
	w.edit("bouncefilter.toml", "127.0.0.1:0", "0.0.0.0:0")
	d := w.start("-c", config)
	_, port, err := net.SplitHostPort(d.find(`metrics and health on https://([^ "]+)`))
	if err != nil {
		t.Fatal(err)
	}
	c, base := adminClient(t, web.dir, ""), "https://127.0.0.1:"+port
	for _, page := range []string{"/", "/metrics", "/healthz", "/readyz"} {
		for _, host := range []string{"", "mx.example.com:8767", "192.0.2.1"} {
			if got := ask(t, c, base+page, "alice", "hunter2", host); got != http.StatusOK {
				t.Errorf("%s of host %q with the password: %d", page, host, got)
			}
		}
		for name, got := range map[string]int{
			"without a password": ask(t, c, base+page, "", "", ""),
			"with a wrong one":   ask(t, c, base+page, "alice", "hunter3", ""),
			"of another user":    ask(t, c, base+page, "bob", "hunter2", ""),
		} {
			if got != http.StatusUnauthorized {
				t.Errorf("%s %s: %d", page, name, got)
			}
		}
		if got := ask(t, http.DefaultClient, "http://127.0.0.1:"+port+page, "alice", "hunter2", "localhost"); got != http.StatusBadRequest {
			t.Errorf("%s without TLS: %d", page, got)
		}
	}
	web.write(t, webTLS)
	if got := ask(t, c, base+"/metrics", "", "", ""); got != http.StatusForbidden {
		t.Errorf("after the passwords are gone: %d", got)
	}
	web.write(t, "tls_server_config: 1\n")
	for range 10 {
		if got := ask(t, c, base+"/metrics", "alice", "hunter2", ""); got != 0 {
			t.Errorf("with a file that cannot be read: %d", got)
		}
	}
	web.write(t, webTLS+strings.Replace(webUsers, "alice", "carol", 1))
	if got := ask(t, c, base+"/metrics", "carol", "hunter2", ""); got != http.StatusOK {
		t.Errorf("with a new user: %d", got)
	}
	if got := ask(t, c, base+"/metrics", "alice", "hunter2", ""); got != http.StatusUnauthorized {
		t.Errorf("of a user who is gone: %d", got)
	}
	log := d.stop().stderr
	if strings.Contains(log, "hunter2") || strings.Contains(log, "$2a$") {
		t.Error("the log has a password or its hash")
	}
}

// On a loopback address, a client that is not known any more is treated as one of a listener without a web configuration: a page of
// another site whose name leads here is not answered.
func TestAdminListenerHereWithoutThePassword(t *testing.T) {
	w := newWorld(t)
	web := newWebFile(t, webTLS+webUsers)
	d := w.start("-c", w.config(web.option()))
	c, url := adminClient(t, web.dir, ""), d.find(`metrics and health on (https://[^ "]+)`)+"/metrics"
	if got := ask(t, c, url, "alice", "hunter2", "mx.example.com"); got != http.StatusOK {
		t.Errorf("with the password: %d", got)
	}
	web.write(t, webTLS)
	for host, want := range map[string]int{"": http.StatusOK, "attacker.example": http.StatusMisdirectedRequest} {
		if got := ask(t, c, url, "", "", host); got != want {
			t.Errorf("as %q, after the password is gone: %d", host, got)
		}
	}
}

func TestAdminListenerElsewhereNeedsAClientCertificate(t *testing.T) {
	w := newWorld(t)
	web := newWebFile(t, webTLS+"  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n")
	config := w.config(web.option())
	w.edit("bouncefilter.toml", "127.0.0.1:0", "0.0.0.0:0")
	d := w.start("-c", config)
	_, port, err := net.SplitHostPort(d.find(`metrics and health on https://([^ "]+)`))
	if err != nil {
		t.Fatal(err)
	}
	for certificate, want := range map[string]int{"client": 200, "": 0, "stranger": 0} {
		if got := ask(t, adminClient(t, web.dir, certificate), "https://127.0.0.1:"+port+"/metrics", "", "", ""); got != want {
			t.Errorf("with the certificate %q: %d", certificate, got)
		}
	}
}

// A configuration that would let every client of other hosts in is refused, with the remedy; so is one that cannot be read.
func TestAdminListenerElsewhereIsProtectedOrNotAtAll(t *testing.T) {
	for text, want := range map[string]string{
		"":                     `web_config: "WEB" has no TLS certificate, and http is not a loopback address; add cert_file and key_file to tls_server_config in it`,
		webUsers:               `web_config: "WEB" has no TLS certificate`,
		webTLS:                 `web_config: "WEB" lets every client in, and http is not a loopback address; add basic_auth_users to it, or client_auth_type: RequireAndVerifyClientCert with client_ca_file`,
		webTLS + "  x: 1\n":    `web_config: "WEB" cannot be used: yaml:`,
		webTLS + "key_file: 1": `; correct the file, which the user of the daemon must be able to read: see "Access from other hosts"`,
	} {
		w := newWorld(t)
		web := newWebFile(t, text)
		config := w.config(web.option())
		w.edit("bouncefilter.toml", "127.0.0.1:0", "0.0.0.0:0")
		r := w.run("serve", "-c", config)
		if r.status != 2 {
			t.Errorf("%q: status %d", text, r.status)
		}
		contains(t, text, r.stderr, "bouncefilter.toml:6: "[:17], strings.ReplaceAll(want, "WEB", web.path))
	}
}

// Keys and passwords that every user of the host can read are warned about.
func TestSecretsOfTheAdminListenerAreWarnedAbout(t *testing.T) {
	w := newWorld(t)
	web := newWebFile(t, webTLS+webUsers)
	key := filepath.Join(web.dir, "server.key")
	config := w.config(web.option())
	const words = "every user of this host can read secrets of the admin listener"
	if log := w.start("-c", config).stop().stderr; strings.Contains(log, words) {
		t.Errorf("warned without a reason:\n%s", log)
	}
	for _, name := range []string{web.path, key} {
		if err := os.Chmod(name, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	log := w.start("-c", config).stop().stderr
	contains(t, "log", log, words+`" file=`+web.path+` remedy="chmod o-r `+web.path, words+`" file=`+key)
	contains(t, "check", w.run("check", "-c", config).stdout, "chmod o-r "+key)
}

// A unix socket has the rights of the other sockets, and answers the same.
func TestAdminListenerOnAUnixSocket(t *testing.T) {
	w := newWorld(t)
	socket := w.path("admin.sock")
	config := w.config("socket_mode = \"0660\"\n")
	w.edit("bouncefilter.toml", "127.0.0.1:0\"\nlisten", "unix:"+socket+"\"\nlisten")
	d := w.start("-c", config)
	contains(t, "log", d.stderr.String(), "metrics and health on unix:"+socket)
	info, err := os.Stat(socket)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket: %v, %v", info, err)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	for _, page := range []string{"/", "/metrics", "/readyz"} {
		if got := ask(t, c, "http://localhost"+page, "", "", ""); got != http.StatusOK {
			t.Errorf("%s: %d", page, got)
		}
	}
	if got := ask(t, c, "http://attacker.example/", "", "", ""); got != http.StatusMisdirectedRequest {
		t.Errorf("another host: %d", got)
	}
	d.stop()
	if _, err := os.Stat(socket); err == nil {
		t.Error("the socket is left behind")
	}
}

// The page of a daemon shows what it has just decided, with addresses masked, and judges an address that is nowhere in the log.
func TestPageOfADaemon(t *testing.T) {
	w := newWorld(t)
	d := w.start("-c", w.config("mode = \"enforce\"\n"))
	tagged := d.sign("user@example.com")
	if got := d.replay(tagged); got != taken {
		t.Fatalf("a genuine bounce: %s", got)
	}
	if got := d.replay("user@example.com"); !strings.HasPrefix(got, "550 ") {
		t.Fatalf("a forged bounce: %s", got)
	}
	status, body := d.get("/")
	if status != http.StatusOK || strings.Contains(strings.Replace(body, "=user@example.com\"", "", 1), "user@") {
		t.Errorf("status %d", status)
	}
	contains(t, "the page", body, "bouncefilter</strong> on ", "example.com", "<strong>untagged</strong>: refused", "bouncefilter inspect ", "u...@example.com",
		"<dt>Signed</dt><dd>1</dd>", "<dt>Bounces accepted</dt><dd>1</dd>", "<dt>Refused</dt><dd>1</dd>")
	base := d.find(`(http://[^ "]+)`)
	judge := func(address string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/", strings.NewReader(url.Values{"address": {address}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", base)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		var text strings.Builder
		if _, err := bufio.NewReader(resp.Body).WriteTo(&text); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("status %d, %v", resp.StatusCode, err)
		}
		return text.String()
	}
	contains(t, "a right tag", judge(tagged), "<code>valid user@example.com, key ", "judgement green")
	wrong := strings.Replace(tagged, "=user@", "=judged.unseen@", 1)
	for range 20 {
		contains(t, "a wrong tag", judge(wrong), "<code>bad-signature judged.unseen@example.com")
	}
	contains(t, "one more", judge(tagged), "not judged")
	_, metrics := d.get("/metrics")
	contains(t, "metrics", metrics, `bouncefilter_limit_reached_total{limit="page-wrong-tags"} 1`)
	log := d.stderr.String()
	contains(t, "log", log, fmt.Sprintf(`msg="limit reached" limit=page-wrong-tags value=20 peer=127.0.0.1 listener=tcp:%s `, strings.TrimPrefix(base, "http://")))
	if strings.Contains(log, "judged.unseen") {
		t.Error("the log has an address that was judged")
	}
}

// What the manual shows works: its files, with the password and the names of certificates of a site, let the right clients in.
func TestManualOfAccessFromOtherHosts(t *testing.T) {
	text, err := os.ReadFile("../../deploy/manual.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## Access from other hosts\n")
	section, _, ended := strings.Cut(section, "\n## ")
	blocks := regexp.MustCompile("(?ms)^```(yaml|toml)\\n(.*?)^```$").FindAllStringSubmatch(section, -1)
	if !found || !ended || len(blocks) != 3 || blocks[2][1] != "toml" {
		t.Fatalf("%d blocks", len(blocks))
	}
	for i, tt := range []struct {
		user, certificate string
		refused           int
	}{{"prometheus", "", 401}, {"", "client", 0}} {
		w := newWorld(t)
		site := strings.NewReplacer("mx.crt", "server.crt", "mx.key", "server.key", "clients.crt", "ca.crt",
			`"$2y$10$..."`, "$2a$04$mYvQqo3L4kS1CmjgXpZI.eB6dBYw6MuWhwRUUs/LBGfLhArOugd7e")
		web := newWebFile(t, site.Replace(blocks[i][2]))
		lines := strings.NewReplacer("/etc/bouncefilter", web.dir, ":8767", ":0").Replace(blocks[2][2])
		config := w.config("")
		w.edit("bouncefilter.toml", "http = \"127.0.0.1:0\"\n", lines)
		d := w.start("-c", config)
		_, port, err := net.SplitHostPort(d.find(`metrics and health on https://([^ "]+)`))
		if err != nil {
			t.Fatal(err)
		}
		address := "https://127.0.0.1:" + port + "/metrics"
		if got := ask(t, adminClient(t, web.dir, tt.certificate), address, tt.user, "hunter2", "mx.example.com"); got != http.StatusOK {
			t.Errorf("file %d: a client that may come in: %d", i+1, got)
		}
		if got := ask(t, adminClient(t, web.dir, ""), address, "", "", "mx.example.com"); got != tt.refused {
			t.Errorf("file %d: a client that may not: %d", i+1, got)
		}
	}
}
