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

// authority makes a certificate authority and a certificate of it for 127.0.0.1. It returns the files' paths.
func authority(t *testing.T) (ca, cert, key string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	sign := func(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
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
	from, to := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	root, rootKey := sign(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: from, NotAfter: to,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	leaf, leafKey := sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "redis"}, NotBefore: from, NotAfter: to,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, // servers of a cluster are clients of each other
	}, root, rootKey)
	der, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	return write("ca.pem", "CERTIFICATE", root.Raw), write("cert.pem", "CERTIFICATE", leaf.Raw),
		write("key.pem", "PRIVATE KEY", der)
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
