package check

import (
	"os"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/webconfig"
	"github.com/bouncefilter/bouncefilter/store/open"
)

// HoldsPassword says whether there is a password in the URL of a store.
func HoldsPassword(url string) bool { return strings.Contains(url, "@") && open.Redacted(url) != url }

// PasswordReadable says whether the configuration file has the password of the store or of a receiver of events, and every user of this
// host can read it. Any part of the URL of a hook may be one.
func PasswordReadable(c *config.Config) bool {
	if !HoldsPassword(c.Store) && !HoldsPassword(c.Events.Redis) && c.Events.HTTP == "" {
		return false
	}
	info, err := os.Stat(c.Path)
	return err == nil && info.Mode().Perm()&0o004 != 0
}

func accessFindings(c *config.Config, now time.Time) []mta.Finding {
	var fs []mta.Finding
	if PasswordReadable(c) {
		fs = append(fs, mta.Finding{Level: mta.LevelError, Name: "config-readable", Where: c.Path,
			What: "It holds the password of the store or of a receiver of events, and every user of this host can read it.", Cure: []string{"chmod o-r " + c.Path}})
	}
	if c.WebConfig == "" {
		return fs
	}
	access, err := webconfig.Read(c.WebConfig)
	if err != nil {
		return fs // a problem of the configuration
	}
	for _, path := range access.Exposed() {
		fs = append(fs, mta.Finding{Level: mta.LevelError, Name: "web-config-readable", Where: path,
			What: "It holds secrets of the admin listener, and every user of this host can read it.", Cure: []string{"chmod o-r " + path}})
	}
	if f, is := expiring(access, now); is {
		fs = append(fs, f)
	}
	return fs
}

// renewal is how long before its end a certificate should have been renewed: programs that renew certificates do it weeks before.
const renewal = 7 * 24 * time.Hour

// expiring returns the finding that the certificate of the admin listener has expired, or soon will.
func expiring(a webconfig.Access, now time.Time) (f mta.Finding, is bool) {
	end := a.Expires()
	if end.IsZero() || end.Sub(now) > renewal {
		return f, false
	}
	f = mta.Finding{Level: mta.LevelWarning, Name: "web-config-expires", Where: "web_config", What: "The certificate of the admin listener expires at " + end.UTC().Format(time.RFC3339) + ".",
		Cure: []string{"renew it: the daemon reads the new file with the next connection"}}
	if !now.Before(end) {
		f.Level, f.What = mta.LevelError, "The certificate of the admin listener has expired at "+end.UTC().Format(time.RFC3339)+": browsers and Prometheus do not take it."
	}
	return f, true
}
