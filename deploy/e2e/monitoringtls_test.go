package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// selfSigned writes mx.crt and mx.key, for 127.0.0.1.
func selfSigned(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"mx.crt": {Type: "CERTIFICATE", Bytes: certificate}, "mx.key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A Prometheus elsewhere reads the metrics over TLS with the password, and not with another one.
func TestMonitoringFromAnotherHost(t *testing.T) {
	t.Parallel()
	needPrometheus(t)
	d := newLoneDaemon(t)
	p := startPrometheus(t)
	folder := filepath.Dir(p.config)
	selfSigned(t, folder)
	// The hash is that of hunter2.
	web := strings.ReplaceAll(codeBlocks(t, "deploy/manual.md", "Access from other hosts", "yaml")[0], "$2y$10$...", "$2a$04$mYvQqo3L4kS1CmjgXpZI.eB6dBYw6MuWhwRUUs/LBGfLhArOugd7e")
	rules := readManual(t, "deploy/monitoring/bouncefilter.rules.yml")
	password := filepath.Join(folder, "bouncefilter.password")
	for path, text := range map[string]string{filepath.Join(folder, "web.yml"): web, filepath.Join(folder, "bouncefilter.rules.yml"): rules, password: "wrong"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.write(t, strings.Replace(d.read(t), "\nhttp = ", "\nweb_config = \""+filepath.Join(folder, "web.yml")+"\"\nhttp = ", 1))
	d.process = start(t, "bouncefilter", d.program, "serve", "--config", d.config)
	p.write(t, strings.NewReplacer("mx.example.com:8767", d.http, "/etc/prometheus", folder).Replace(codeBlocks(t, monitoring, "Prometheus on another host", "yaml")[0]))
	execute(t, "promtool", "check", "config", p.config)
	p.process.signal(syscall.SIGHUP)
	eventually(t, "Prometheus is told that its password is wrong", func() bool {
		var targets struct{ ActiveTargets []struct{ LastError string } }
		p.ask(t, "/api/v1/targets", &targets)
		return len(targets.ActiveTargets) == 1 && strings.Contains(targets.ActiveTargets[0].LastError, "401")
	})
	if err := os.WriteFile(password, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Prometheus reads the metrics", func() bool {
		return len(p.query(t, `up{job="bouncefilter"} == 1 and on (instance) bouncefilter_ready`)) == 1
	})
}
