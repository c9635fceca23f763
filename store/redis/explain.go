package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

// explain returns what an operator can do about an error of a server, to be put behind it, or "".
func explain(err error) string {
	var reply redis.Error
	if errors.As(err, &reply) {
		word, _, _ := strings.Cut(reply.Error(), " ")
		if remedy := remedyOf(word); remedy != "" {
			return " (" + remedy + ")"
		}
		return ""
	}
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var record tls.RecordHeaderError
	text := err.Error()
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return " (renew the certificate of the Redis server, or set the clock of this host right)"
	case errors.As(err, &unknown):
		return " (the option ca of the URL names the authority of the Redis server)"
	case errors.As(err, &name):
		return " (write the host in the URL as it is in the certificate of the Redis server)"
	case errors.As(err, &record):
		return " (the port speaks no TLS: write redis: for rediss:, or the port of TLS)"
	case strings.Contains(text, "tls: certificate required"), strings.Contains(text, "tls: handshake failure"):
		return " (the Redis server asks for a client certificate: add ?cert=FILE&key=FILE to the URL, or set tls-auth-clients no)"
	case strings.Contains(text, "remote error: tls: expired certificate"):
		return " (renew the file of the option cert)"
	case strings.Contains(text, "remote error: tls: unknown certificate authority"), strings.Contains(text, "remote error: tls: bad certificate"):
		return " (the Redis server does not accept the file of the option cert: its tls-ca-cert-file must name the authority)"
	}
	return ""
}

// remedyOf returns what to do about an error that a server answers with by itself, by its first word.
func remedyOf(word string) string {
	switch word {
	case "NOAUTH":
		return "the URL needs a user and a password"
	case "WRONGPASS":
		return "the user or the password in the URL is wrong"
	case "NOPERM":
		return "give the user the rights in deploy/scale.md"
	case "LOADING":
		return "Redis reads its data from disk, and answers when it is done"
	case "MISCONF":
		return "Redis cannot save its data and takes no writes: see its log, and free its disk"
	case "READONLY":
		return "this is a replica: name the master, or the Sentinels"
	case "OOM":
		return "Redis has reached maxmemory: raise it"
	case "NOREPLICAS":
		return "the master has fewer replicas than min-replicas-to-write"
	case "MASTERDOWN":
		return "the replica has lost its master"
	case "CLUSTERDOWN":
		return "a part of the Cluster has no master"
	case "WRONGTYPE":
		return "another program has written to a key of bouncefilter: remove it"
	}
	return ""
}
