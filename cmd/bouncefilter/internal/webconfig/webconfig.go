// Package webconfig reads who may use the admin listener: a web configuration file in YAML, as Prometheus and its exporters have it
// (github.com/prometheus/exporter-toolkit/web). [Read] says what the file asks of a client, so that a listener which other hosts can reach
// asks for enough.
package webconfig

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v2"
)

// Access is what a web configuration file asks of a client.
type Access struct {
	TLS         bool
	Password    bool // basic_auth_users
	Certificate bool // a client certificate of one of the authorities that the file names

	// Secrets are the files that hold a private key or hashes of passwords.
	Secrets []string

	certificate     string // the chain in PEM
	certificatePath string // or its file
}

// Authenticates says whether the daemon knows each client, and no one else can read or change what it is told.
func (a Access) Authenticates() bool { return a.TLS && (a.Password || a.Certificate) }

// Read reads the file, and the certificates and keys that it names. The error says what is wrong with it.
func Read(path string) (Access, error) {
	if err := web.Validate(path); err != nil {
		return Access{}, fmt.Errorf("cannot be used: %w", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Access{}, fmt.Errorf("cannot be read: %w", err)
	}
	var c web.Config
	if err := yaml.UnmarshalStrict(text, &c); err != nil {
		return Access{}, fmt.Errorf("cannot be read: %w", err)
	}
	t := &c.TLSConfig
	t.SetDirectory(filepath.Dir(path))
	a := Access{
		TLS:      t.IsEnabled(),
		Password: len(c.Users) > 0,
		// Without authorities of its own, TLS takes the certificates of all that the system trusts.
		Certificate: t.ClientAuth == "RequireAndVerifyClientCert" && (t.ClientCAs != "" || t.ClientCAsText != ""),
	}
	a.certificate, a.certificatePath = t.TLSCert, t.TLSCertPath
	if a.Password || t.TLSKey != "" {
		a.Secrets = append(a.Secrets, path)
	}
	if t.TLSKeyPath != "" {
		a.Secrets = append(a.Secrets, t.TLSKeyPath)
	}
	return a, nil
}

// Exposed returns those of the secrets that every user of this host can read.
func (a Access) Exposed() []string {
	var exposed []string
	for _, path := range a.Secrets {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o004 != 0 {
			exposed = append(exposed, path)
		}
	}
	return exposed
}

// Expires returns when the certificate of the listener expires; the zero time if there is none that can be read.
func (a Access) Expires() time.Time {
	text := []byte(a.certificate)
	if a.certificatePath != "" {
		text, _ = os.ReadFile(a.certificatePath) // Read has read it
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return time.Time{}
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}
	}
	return c.NotAfter
}
