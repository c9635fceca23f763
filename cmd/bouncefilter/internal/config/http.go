package config

import (
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/listener"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/webconfig"
)

// http resolves where page, metrics and health are served, and to whom. Clients of other hosts must be known.
func (r *resolver) http() {
	c, f := r.c, &r.c.raw
	c.HTTPChosen = c.flags.HTTP != "" || c.doc.Has("http")
	if f.HTTP == "" {
		return
	}
	var err error
	if c.HTTP, err = parseHTTP(f.HTTP); err != nil {
		r.problem("http", tomlfile.Quote(f.HTTP), "is no host:port and no unix socket: it "+err.Error(),
			`use an address such as "127.0.0.1:8767" or "unix:/run/bouncefilter/admin.sock", or "" for none`)
		return
	}
	if c.WebConfig == "" {
		if !c.HTTP.Loopback() {
			r.problem("http", tomlfile.Quote(f.HTTP), "is not a loopback address, and page, metrics and health would be served to every client",
				`use 127.0.0.1, or let web_config name a file with a TLS certificate and passwords or client certificates: see "Access from other hosts" in deploy/manual.md`)
		}
		return
	}
	const key = "web_config"
	access, err := webconfig.Read(c.WebConfig)
	switch {
	case err != nil:
		r.problem(key, tomlfile.Quote(f.WebConfig), err.Error(),
			`correct the file, which the user of the daemon must be able to read: see "Access from other hosts" in deploy/manual.md`)
	case c.HTTP.Loopback():
	case !access.TLS:
		r.problem(key, tomlfile.Quote(f.WebConfig), "has no TLS certificate, and http is not a loopback address",
			"add cert_file and key_file to tls_server_config in it")
	case !access.Authenticates():
		r.problem(key, tomlfile.Quote(f.WebConfig), "lets every client in, and http is not a loopback address",
			"add basic_auth_users to it, or client_auth_type: RequireAndVerifyClientCert with client_ca_file")
	}
}

// parseHTTP reads "host:port" or "unix:/path".
func parseHTTP(s string) (listener.Address, error) {
	if strings.HasPrefix(s, "unix:") {
		return listener.Parse(s)
	}
	return listener.Parse("tcp:" + s)
}

// HTTPAddress returns an address of the admin listener as the option has it.
func HTTPAddress(a listener.Address) string { return strings.TrimPrefix(a.String(), "tcp:") }
