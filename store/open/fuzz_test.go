package open_test

import (
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/store/open"
)

// Wherever a password is in a URL, and whatever is around it: neither the error nor what the log has of the URL shows it. A URL without its
// password is as good a URL as before, and does not change when it is made fit for a log again.
func FuzzURL(f *testing.F) {
	const password = "hunter2"
	schemes := []string{"redis", "rediss", "unix", "redis+sentinel", "rediss+cluster", "redis+cluster", "Redis", "sqlite"}
	for i := range schemes {
		for _, around := range [][4]string{
			{"user:", "", "@host:6379", "/0"}, {":", "", "@h1,h2:1", "/mymaster/3?prefix=x:"}, {"u:a/", "?b#c", "@host", "/0"}, {"u:%zz", "@,", "@[::1]:1", "?db=2"},
			{"", "", "@host", ""}, {"user:", "", "@", "/run/redis.sock?db=1"}, {"u", "", "", "/m?sentinel_password=x&sentinel_user=u"},
		} {
			f.Add(uint8(i), around[0], around[1], around[2], around[3])
		}
	}
	f.Fuzz(func(t *testing.T, scheme uint8, before, after, host, tail string) {
		if strings.Contains(before+after+host+tail, "ca=") {
			t.Skip("would read a file")
		}
		if !strings.Contains(before, ":") || !strings.HasPrefix(host, "@") || strings.Contains(host[1:]+tail, "@") {
			t.Skip("it is not the password of the URL")
		}
		raw := schemes[int(scheme)%len(schemes)] + "://" + before + password + after + host + tail
		shown := open.Redacted(raw)
		if strings.Contains(shown, password) {
			t.Errorf("%q is shown as %q", raw, shown)
		}
		if again := open.Redacted(shown); again != shown {
			t.Errorf("%q is shown as %q, and that as %q", raw, shown, again)
		}
		s, err := open.Open(t.Context(), raw)
		if err != nil {
			if strings.Contains(err.Error(), password) {
				t.Errorf("the error shows the password: %v", err)
			}
			return
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		s, err = open.Open(t.Context(), shown)
		if err != nil {
			t.Fatalf("%q opens, %q does not: %v", raw, shown, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
