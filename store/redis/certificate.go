package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"
)

// certificate is the certificate by which this host shows a Redis who it is, in files.
type certificate struct {
	cert, key string // paths
}

// set makes c the client certificate of a TLS configuration. It is read for each connection: one that was renewed is used without a restart.
func (c certificate) set(t *tls.Config) error {
	if t == nil {
		return errors.New("the options cert and key are for rediss: only")
	}
	if c.cert == "" || c.key == "" {
		return errors.New("the URL has one of the options cert and key: write both")
	}
	if _, err := c.read(); err != nil {
		return err
	}
	t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := c.read()
		if err != nil {
			return nil, err
		}
		if now := time.Now(); now.After(pair.Leaf.NotAfter) || now.Before(pair.Leaf.NotBefore) {
			return nil, fmt.Errorf("client certificate %s is valid from %s to %s: renew it, or set the clock right", c.cert,
				pair.Leaf.NotBefore.UTC().Format(time.RFC3339), pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
		}
		return pair, nil
	}
	return nil
}

// read reads both files. Errors name the one that is wrong, and show nothing of the key.
func (c certificate) read() (*tls.Certificate, error) {
	cert, err := os.ReadFile(c.cert)
	if err != nil {
		return nil, fmt.Errorf("option cert: %w", err)
	}
	key, err := os.ReadFile(c.key)
	if err != nil {
		return nil, fmt.Errorf("option key: %w", err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(cert) {
		return nil, fmt.Errorf("option cert: %s holds no certificate in PEM form", c.cert)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("option key: %s is not the private key of %s, in PEM form and not encrypted", c.key, c.cert)
	}
	return &pair, nil
}
