package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/webconfig"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/webconfig/webconfigtest"
)

// A certificate that has expired, or soon will, keeps browsers and Prometheus out, and no log says so.
func TestCertificateThatExpires(t *testing.T) {
	dir := webconfigtest.Certificates(t)
	path := filepath.Join(dir, "web.yml")
	chain, err := os.ReadFile(filepath.Join(dir, "server.crt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tls := range []string{"  cert_file: server.crt\n", "  cert: |\n    " + strings.ReplaceAll(strings.TrimSpace(string(chain)), "\n", "\n    ") + "\n"} {
		if err := os.WriteFile(path, []byte("tls_server_config:\n"+tls+"  key_file: server.key\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		access, err := webconfig.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		end := access.Expires()
		if end.Before(time.Now()) {
			t.Fatalf("it expires at %v", end)
		}
		for left, want := range map[time.Duration]mta.Level{renewal + time.Second: "", renewal: mta.LevelWarning, time.Second: mta.LevelWarning, 0: mta.LevelError} {
			fs := accessFindings(&config.Config{WebConfig: path}, end.Add(-left))
			if want == "" && len(fs) == 0 {
				continue
			}
			if len(fs) != 1 || fs[0].Level != want || fs[0].Name != "web-config-expires" {
				t.Errorf("%v before its end: %+v, want %q", left, fs, want)
			}
		}
	}
}
