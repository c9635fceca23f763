package redis

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for _, test := range []struct {
		url  string
		want config // without tls
		tls  string // the name that the server's certificate must have
	}{
		{"redis://", config{network: "tcp", addr: "localhost:6379"}, ""},
		{"redis://db1", config{network: "tcp", addr: "db1:6379"}, ""},
		{"redis://db1:7000/3", config{network: "tcp", addr: "db1:7000", db: 3}, ""},
		{"redis://db1?db=3&prefix=bf2:", config{network: "tcp", addr: "db1:6379", db: 3, prefix: "bf2:"}, ""},
		{"redis://[::1]:7000", config{network: "tcp", addr: "[::1]:7000"}, ""},
		{"redis://:p%40ss%2Fw@db1", config{network: "tcp", addr: "db1:6379", password: "p@ss/w"}, ""},
		{"redis://u:p@db1/0", config{network: "tcp", addr: "db1:6379", user: "u", password: "p"}, ""},
		{"rediss://u:p@db1:7000", config{network: "tcp", addr: "db1:7000", user: "u", password: "p"}, "db1"},
		{"unix:/run/r.sock", config{network: "unix", addr: "/run/r.sock"}, ""},
		{"unix:///run/r.sock?db=2", config{network: "unix", addr: "/run/r.sock", db: 2}, ""},
		{"unix://u:p@/run/r.sock", config{network: "unix", addr: "/run/r.sock", user: "u", password: "p"}, ""},
		{"unix:r.sock?db=2", config{network: "unix", addr: "r.sock", db: 2}, ""},
	} {
		got, err := parseURL(test.url)
		if err != nil {
			t.Errorf("%s: %v", test.url, err)
			continue
		}
		name := ""
		if got.tls != nil {
			name = got.tls.ServerName
		}
		if test.want.prefix == "" {
			test.want.prefix = DefaultPrefix
		}
		got.tls = nil
		if got != test.want || name != test.tls {
			t.Errorf("%s:\n got %+v, TLS for %q\nwant %+v, TLS for %q", test.url, got, name, test.want, test.tls)
		}
	}
}

func TestParseURLRefusesAndShowsNoPassword(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"redis://u:hunt/er2@db1/0":              "not a URL",
		"redis://u:12/hunter2@db1/0":            "not a URL",
		"redis://u:hunt?er2@db1/0":              "not a URL",
		"redis://u:12?hunter2@db1/0":            "not a URL",
		"redis://u:12?hunter2=@db1/0":           "not a URL",
		"redis://u:12#hunter2@db1/0":            "write it as %23",
		"redis://u:hunter2%zz@db1/0":            "not a URL",
		"redis://hunter2@db1":                   "user without a password",
		"redis:hunter2@db1":                     "not a URL",
		"redis://db1/hunter2":                   "not a number",
		"redis://db1/-1":                        "not a number",
		"redis://db1/1?db=1":                    "twice",
		"redis://db1?db=1&db=2":                 "more than once",
		"redis://db1?hunter2=1":                 "option other than",
		"redis://db1?ca=/x":                     "rediss: only",
		"rediss://db1?ca=/does/not/exist":       "no such file",
		"rediss://db1?ca=" + empty:              "no certificate",
		"unix:":                                 "takes the path",
		"unix://host/run/r.sock":                "not a host",
		"unix:u:hunter2@run/r.sock":             "not a URL",
		"http://u:hunter2@db1":                  "begins with none",
		"redis://u:hunter2@db1:port":            "not a URL",
		"redis://u:hunter2@db1:6379\x00":        "not a URL",
		"redis://u:hunter2@db1:6379/0?ca=%zz":   "not a URL",
		"redis://u:hunter2@db1:6379/0;prefix=1": "not a number",
	} {
		_, err := parseURL(url)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		} else if strings.Contains(err.Error(), "hunt") || strings.Contains(err.Error(), "er2") {
			t.Errorf("%s: the error shows the password: %v", url, err)
		}
	}
}
