// Package webconfigtest makes certificates for tests of the admin listener.
package webconfigtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificates makes a folder with ca.crt, and server.crt, server.key, client.crt and client.key that it has signed, and with stranger.crt
// and stranger.key that another authority has. The server is mx.example.com, localhost and 127.0.0.1.
func Certificates(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	ca, caKey := authority(t, "authority")
	write(t, filepath.Join(dir, "ca.crt"), "CERTIFICATE", ca.Raw)
	other, otherKey := authority(t, "another authority")
	for _, c := range []struct {
		name string
		by   *x509.Certificate
		key  *ecdsa.PrivateKey
	}{{"server", ca, caKey}, {"client", ca, caKey}, {"stranger", other, otherKey}} {
		key := newKey(t)
		template := template(c.name)
		template.DNSNames, template.IPAddresses = []string{"mx.example.com", "localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		raw, err := x509.CreateCertificate(rand.Reader, template, c.by, &key.PublicKey, c.key)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, c.name+".crt"), "CERTIFICATE", raw)
		write(t, filepath.Join(dir, c.name+".key"), "PRIVATE KEY", secret)
	}
	return dir
}

func authority(t testing.TB, name string) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, ca := newKey(t), template(name)
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	raw, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if ca, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	return ca, key
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature}
}

// write writes a file that only its owner can read.
func write(t testing.TB, path, sort string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: sort, Bytes: content}), 0o600); err != nil {
		t.Fatal(err)
	}
}
