package redis_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/redistest"
	"github.com/bouncefilter/bouncefilter/store/redistest/freeport"
)

// certifier is a certificate authority.
type certifier struct {
	file string // its own certificate
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func newCertifier(t *testing.T) *certifier {
	t.Helper()
	a := &certifier{file: filepath.Join(t.TempDir(), "ca.pem")}
	a.cert, a.key = a.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	writePEM(t, a.file, "CERTIFICATE", a.cert.Raw)
	return a
}

// sign signs a certificate; the authority's own one if it has none yet.
func (a *certifier) sign(t *testing.T, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, parentKey := a.cert, a.key
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c, key
}

// issue writes a certificate for 127.0.0.1 that is valid until a time, and its key.
func (a *certifier) issue(t *testing.T, until time.Time, cert, key string) {
	t.Helper()
	leaf, leafKey := a.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "redis"}, NotBefore: until.Add(-24 * time.Hour), NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, // servers of a cluster are clients of each other
	})
	der, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, cert, "CERTIFICATE", leaf.Raw)
	writePEM(t, key, "PRIVATE KEY", der)
}

// authority makes a certificate authority and a certificate of it for 127.0.0.1. It returns the files' paths.
func authority(t *testing.T) (ca, cert, key string) {
	t.Helper()
	a := newCertifier(t)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	a.issue(t, time.Now().Add(time.Hour), cert, key)
	return a.file, cert, key
}

func TestTLS(t *testing.T) {
	t.Parallel()
	ca, cert, certKey := authority(t)
	otherCA, _, _ := authority(t)
	port := strconv.Itoa(freeport.Get(t))
	startServer(t, "--tls-port", port, "--bind", "127.0.0.1", "--tls-cert-file", cert, "--tls-key-file", certKey,
		"--tls-ca-cert-file", ca, "--tls-auth-clients", "no", "--requirepass", "geheim")
	base := "//:geheim@127.0.0.1:" + port + "/1"

	t.Run("trusted", func(t *testing.T) {
		s := open(t, "rediss:"+base+"?ca="+ca)
		record(t, s, key(1))
		if found, since := look(t, s, key(1)); !found || since.IsZero() {
			t.Errorf("found %t, Since %v", found, since)
		}
	})
	for name, url := range map[string]string{
		"an unknown authority": "rediss:" + base,
		"another authority":    "rediss:" + base + "?ca=" + otherCA,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, url)
			err := unhurried(func() error { return s.Ping(t.Context()) })
			var unknown x509.UnknownAuthorityError
			if !errors.Is(err, store.ErrUnavailable) || !errors.As(err, &unknown) {
				t.Errorf("Ping: %v", err)
			}
		})
	}
	t.Run("no TLS", func(t *testing.T) {
		s := open(t, "redis:"+base)
		if err := unhurried(func() error { return s.Ping(t.Context()) }); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Ping: %v", err)
		}
	})
}

func TestTCP(t *testing.T) {
	t.Parallel()
	s := open(t, "redis://"+startServer(t).Addr)
	record(t, s, key(1))
	if found, _ := look(t, s, key(1)); !found {
		t.Error("not found")
	}
}

// A cluster gives clients that speak TLS its TLS ports.
func TestClusterOverTLS(t *testing.T) {
	t.Parallel()
	ca, cert, key := authority(t)
	c := redistest.StartCluster(t, "--tls-cluster", "yes", "--tls-replication", "yes", "--tls-port", redistest.FreePort, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", ca, "--tls-auth-clients", "no")
	var hosts []string
	for _, s := range c.Servers {
		port := s.Client(t).ConfigGet(t.Context(), "tls-port").Val()["tls-port"]
		hosts = append(hosts, net.JoinHostPort("127.0.0.1", port))
	}
	all(t, open(t, "rediss+cluster://"+strings.Join(hosts, ",")+"?ca="+ca))
	untrusting := open(t, "rediss+cluster://"+strings.Join(hosts, ","))
	err := unhurried(func() error { return untrusting.Ping(t.Context()) })
	if err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("an authority that is not trusted: %v", err)
	}
}

// Unless it is told otherwise, a Redis that speaks TLS asks each client for a certificate.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	a, dir := newCertifier(t), t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	a.issue(t, time.Now().Add(time.Hour), file("server.pem"), file("server.key"))
	a.issue(t, time.Now().Add(time.Hour), file("client.pem"), file("client.key"))
	a.issue(t, time.Now().Add(-time.Hour), file("old.pem"), file("old.key"))
	newCertifier(t).issue(t, time.Now().Add(time.Hour), file("other.pem"), file("other.key"))
	port := strconv.Itoa(freeport.Get(t))
	srv := startServer(t, "--tls-port", port, "--bind", "127.0.0.1", "--tls-cert-file", file("server.pem"), "--tls-key-file", file("server.key"), "--tls-ca-cert-file", a.file)
	base := "rediss://127.0.0.1:" + port + "/0?ca=" + a.file
	with := func(name string) string { return base + "&cert=" + file(name+".pem") + "&key=" + file(name+".key") }
	ping := func(s store.Store) error { return unhurried(func() error { return s.Ping(t.Context()) }) }

	if err := ping(open(t, with("client"))); err != nil {
		t.Errorf("with a certificate: %v", err)
	}
	for name, tt := range map[string]struct{ url, want string }{
		"none":                     {base, "the Redis server asks for a client certificate: add ?cert=FILE&key=FILE"},
		"one of another authority": {with("other"), "tls-ca-cert-file must name the authority"},
		"one that has expired":     {with("old"), "client certificate " + file("old.pem") + " is valid from "},
	} {
		// Redis closes the connection behind its alert, which may be lost: then the error is that of the connection.
		s := open(t, tt.url)
		eventually(t, name+": "+tt.want, func() bool {
			err := ping(s)
			if !errors.Is(err, store.ErrUnavailable) {
				t.Fatalf("%s: %v", name, err)
			}
			return strings.Contains(err.Error(), tt.want)
		})
	}
	t.Run("a renewed one is used without a restart", func(t *testing.T) {
		s := open(t, with("old"))
		if err := ping(s); err == nil {
			t.Fatal("the old one is accepted: this test shows nothing")
		}
		a.issue(t, time.Now().Add(time.Hour), file("old.pem"), file("old.key"))
		if err := ping(s); err != nil {
			t.Error(err)
		}
	})
	t.Run("of the server", func(t *testing.T) {
		s := open(t, with("client"))
		if err := ping(s); err != nil {
			t.Fatal(err)
		}
		renew := func(until time.Time) {
			a.issue(t, until, file("server.pem"), file("server.key"))
			admin := srv.admin(t)
			if err := admin.ConfigSet(t.Context(), "tls-cert-file", file("server.pem")).Err(); err != nil { // which lets Redis read both again
				t.Fatal(err)
			}
			newConnections(t, srv)
			_ = ping(s) // over a connection that was closed
		}
		renew(time.Now().Add(-time.Minute))
		if err := ping(s); err == nil || !strings.Contains(err.Error(), "renew the certificate of the Redis server, or set the clock of this host right") {
			t.Errorf("an expired one: %v", err)
		}
		renew(time.Now().Add(time.Hour))
		if err := ping(s); err != nil {
			t.Errorf("a renewed one: %v", err)
		}
	})
}
