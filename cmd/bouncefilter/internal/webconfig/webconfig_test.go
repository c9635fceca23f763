package webconfig

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/webconfig/webconfigtest"
)

// hash is a bcrypt hash of "hunter2".
const hash = "$2a$04$mYvQqo3L4kS1CmjgXpZI.eB6dBYw6MuWhwRUUs/LBGfLhArOugd7e"

func TestWhatAFileAsksOfAClient(t *testing.T) {
	const tls = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
	for _, tt := range []struct {
		name, text string
		want       Access
		known      bool
	}{
		{"nothing", "", Access{}, false},
		{"TLS alone", tls, Access{TLS: true}, false},
		{"a password alone", "basic_auth_users:\n  alice: " + hash + "\n", Access{Password: true}, false},
		{"TLS and a password", tls + "basic_auth_users:\n  alice: " + hash + "\n", Access{TLS: true, Password: true}, true},
		{"a client certificate", tls + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n", Access{TLS: true, Certificate: true}, true},
		{"any client certificate", tls + "  client_auth_type: RequireAnyClientCert\n", Access{TLS: true}, false},
		{"a client certificate of an authority that the system trusts", tls + "  client_auth_type: RequireAndVerifyClientCert\n", Access{TLS: true}, false},
		{"a client certificate if there is one", tls + "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.crt\n", Access{TLS: true}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := webconfigtest.Certificates(t)
			path := filepath.Join(dir, "web.yml")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := Read(path)
			if err != nil || got.TLS != tt.want.TLS || got.Password != tt.want.Password || got.Certificate != tt.want.Certificate || got.Authenticates() != tt.known {
				t.Errorf("got %+v, %v", got, err)
			}
			if exposed := got.Exposed(); len(exposed) != 0 {
				t.Errorf("exposed: %v", exposed)
			}
			for _, name := range []string{"web.yml", "server.key", "server.crt"} {
				if err := os.Chmod(filepath.Join(dir, name), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			var want []string
			if tt.want.Password {
				want = append(want, path)
			}
			if tt.want.TLS {
				want = append(want, filepath.Join(dir, "server.key"))
			}
			if exposed := got.Exposed(); !slices.Equal(exposed, want) {
				t.Errorf("exposed: %v, want %v", exposed, want)
			}
		})
	}
}

func TestFileThatCannotBeUsed(t *testing.T) {
	dir := webconfigtest.Certificates(t)
	path := filepath.Join(dir, "web.yml")
	for text, want := range map[string]string{
		"tls_server_config: hunter2\n":                                              "cannot unmarshal",
		"unknown: 1\n":                                                              "not found in type",
		"basic_auth_users:\n  alice: hunter2\n":                                     "bcrypt",
		"tls_server_config:\n  cert_file: server.crt\n":                             "missing one of key or key_file",
		"tls_server_config:\n  cert_file: server.crt\n  key_file: other.key\n":      "no such file",
		"tls_server_config:\n  cert_file: server.crt\n  key_file: server.crt\n":     "X509KeyPair",
		"tls_server_config:\n  client_auth_type: RequireAndVerifyClientCert\n":      "missing one of cert or cert_file",
		"http_server_config:\n  headers:\n    Access-Control-Allow-Origin: \"*\"\n": "can not be configured",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Read(path)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
		if text == "basic_auth_users:\n  alice: hunter2\n" && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows a password: %v", err)
		}
	}
}
