package redis

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for _, test := range []struct {
		url  string
		want config // without tls
		tls  bool
	}{
		{"redis://", config{network: "tcp", addrs: []string{"localhost:6379"}}, false},
		{"redis://db1", config{network: "tcp", addrs: []string{"db1:6379"}}, false},
		{"redis://db1:7000/3", config{network: "tcp", addrs: []string{"db1:7000"}, db: 3}, false},
		{"redis://db1?db=3&prefix=bf2:", config{network: "tcp", addrs: []string{"db1:6379"}, db: 3, prefix: "bf2:"}, false},
		{"redis://[::1]:7000", config{network: "tcp", addrs: []string{"[::1]:7000"}}, false},
		{"redis://:p%40ss%2Fw@db1", config{network: "tcp", addrs: []string{"db1:6379"}, password: "p@ss/w"}, false},
		{"redis://u:p@db1/0", config{network: "tcp", addrs: []string{"db1:6379"}, user: "u", password: "p"}, false},
		{"rediss://u:p@db1:7000", config{network: "tcp", addrs: []string{"db1:7000"}, user: "u", password: "p"}, true},
		{"redis+sentinel://s1,s2:7000,[::1]/mymaster/3", config{network: "tcp", addrs: []string{"s1:26379", "s2:7000", "[::1]:26379"}, master: "mymaster", db: 3}, false},
		{"rediss+sentinel://u:p,w@s1,s2/m?sentinel_user=a&sentinel_password=b%40&db=1", config{
			network: "tcp", addrs: []string{"s1:26379", "s2:26379"}, user: "u", password: "p,w", master: "m", db: 1,
			sentinelUser: "a", sentinelPassword: "b@",
		}, true},
		{"redis+cluster://u:p@r1:7000,r2,r3", config{network: "tcp", addrs: []string{"r1:7000", "r2:6379", "r3:6379"}, user: "u", password: "p", cluster: true}, false},
		{"rediss+cluster://r1/", config{network: "tcp", addrs: []string{"r1:6379"}, cluster: true}, true},
		{"unix:/run/r.sock", config{network: "unix", addrs: []string{"/run/r.sock"}}, false},
		{"unix:///run/r.sock?db=2", config{network: "unix", addrs: []string{"/run/r.sock"}, db: 2}, false},
		{"unix://u:p@/run/r.sock", config{network: "unix", addrs: []string{"/run/r.sock"}, user: "u", password: "p"}, false},
		{"unix:r.sock?db=2", config{network: "unix", addrs: []string{"r.sock"}, db: 2}, false},
	} {
		got, err := parseURL(test.url)
		if err != nil {
			t.Errorf("%s: %v", test.url, err)
			continue
		}
		tls := got.tls != nil
		if test.want.prefix == "" {
			test.want.prefix = DefaultPrefix
		}
		got.tls = nil
		if !reflect.DeepEqual(got, test.want) || tls != test.tls {
			t.Errorf("%s:\n got %+v, TLS: %t\nwant %+v, TLS: %t", test.url, got, tls, test.want, test.tls)
		}
	}
}

func TestParseURLRefusesAndShowsNoPassword(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"redis://u:hunt/er2@db1/0":                       "not a URL",
		"redis://u:12/hunter2@db1/0":                     "not a URL",
		"redis://u:hunt?er2@db1/0":                       "not a URL",
		"redis://u:12?hunter2@db1/0":                     "not a URL",
		"redis://u:12?hunter2=@db1/0":                    "not a URL",
		"redis://u:12#hunter2@db1/0":                     "write it as %23",
		"redis://u:hunter2%zz@db1/0":                     "not a URL",
		"redis://hunter2@db1":                            "user without a password",
		"redis:hunter2@db1":                              "not a URL",
		"redis:/db1":                                     "lacks the //",
		"redis+sentinel:/db1/m":                          "lacks the //",
		"redis://db1/hunter2":                            "not a number",
		"redis://db1/-1":                                 "not a number",
		"redis://db1/1?db=1":                             "twice",
		"redis://db1?db=1&db=2":                          "more than once",
		"redis://db1?hunter2=1":                          "option other than",
		"redis://db1?ca=/x":                              "rediss: only",
		"rediss://db1?ca=/does/not/exist":                "no such file",
		"rediss://db1?ca=" + empty:                       "no certificate",
		"redis://db1?cert=/x&key=/x":                     "rediss: only",
		"rediss://db1?cert=" + empty:                     "write both",
		"rediss://db1?key=" + empty:                      "write both",
		"rediss://db1?cert=/does/not/exist&key=" + empty: "option cert: open /does/not/exist: no such file",
		"rediss://db1?key=/does/not/exist&cert=" + empty: "option key: open /does/not/exist: no such file",
		"rediss://db1?cert=" + empty + "&key=" + empty:   "no certificate",
		"unix:":                                          "takes the path",
		"unix://host/run/r.sock":                         "not a host",
		"unix:u:hunter2@run/r.sock":                      "not a URL",
		"redis://u:hunter2@a,b/0":                        "several hosts",
		"redis+sentinel://u:hunter2@s1,s2":               "names no master",
		"redis+sentinel://u:hunter2@s1,s2/m/x":           "not a number",
		"redis+sentinel://s1/m?sentinel_pass=hunter2":    "option other than",
		"redis://db1?sentinel_password=hunter2":          "redis+sentinel: only",
		"redis+sentinel://u:hun/ter2@s1,s2/m":            "not a URL",
		"redis+cluster://u:hunter2@r1,r2/1":              "cluster has none",
		"redis+cluster://u:hunter2@r1,r2?db=1":           "cluster has none",
		"redis+cluster://u:hunter2@r1,r2?prefix=%7Bx%7D": "has a brace",
		"redis+cluster://u:hunter2@r1,r2:port":           "not a URL",
		"redis+other://u:hunter2@r1":                     "begins with none",
		"unix+cluster:/run/x":                            "begins with none",
		"http://u:hunter2@db1":                           "begins with none",
		"redis://u:hunter2@db1:port":                     "not a URL",
		"redis://u:hunter2@db1:6379\x00":                 "not a URL",
		"redis://u:hunter2@db1:6379/0?ca=%zz":            "not a URL",
		"redis://u:hunter2@db1:6379/0;prefix=1":          "not a number",
	} {
		_, err := parseURL(url)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		} else if strings.Contains(err.Error(), "hunt") || strings.Contains(err.Error(), "er2") {
			t.Errorf("%s: the error shows the password: %v", url, err)
		}
	}
}
