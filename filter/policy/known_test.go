package policy

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// mailboxProviders are domains of large mailbox providers. An entry that covers one would leave much of the mail unsigned.
var mailboxProviders = []string{
	"gmail.com", "googlemail.com", "google.com", "outlook.com", "hotmail.com", "live.com", "msn.com", "onmicrosoft.com", "yahoo.com", "aol.com", "icloud.com", "me.com",
	"gmx.net", "gmx.de", "web.de", "t-online.de", "orange.fr", "free.fr", "laposte.net", "libero.it", "mail.ru", "yandex.ru", "qq.com", "163.com", "126.com", "naver.com",
	"proton.me", "protonmail.com", "fastmail.com", "mailbox.org", "posteo.de", "zoho.com", "comcast.net", "att.net", "verizon.net", "bt.com", "seznam.cz", "wp.pl", "uol.com.br",
}

func TestKnownDestinationsAreWellFormed(t *testing.T) {
	known := KnownDestinations()
	if len(known) == 0 {
		t.Fatal("no entry")
	}
	if !slices.IsSortedFunc(known, func(a, b KnownDestination) int { return strings.Compare(a.Recipients, b.Recipients) }) {
		t.Error("the entries are not sorted by their addresses")
	}
	seen := map[string]bool{}
	for _, d := range known {
		local, domain, whole := cutAddress(d.Recipients)
		name := strings.TrimPrefix(domain, ".")
		if !whole || prvs.FoldDomain(name) != name || strings.Count(name, ".") < 1 || strings.ContainsAny(d.Recipients, "* <>\t") || local != strings.ToLower(local) {
			t.Errorf("%q is no address or domain in its folded form", d.Recipients)
		}
		if seen[d.Recipients] {
			t.Errorf("%q is listed twice", d.Recipients)
		}
		seen[d.Recipients] = true
		if u, err := url.Parse(d.Source); err != nil || u.Scheme != "https" || u.Host == "" || u.Path == "" {
			t.Errorf("%s: the source %q is no page", d.Recipients, d.Source)
		}
		if day, err := time.Parse(time.DateOnly, d.Seen); err != nil || day.Before(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%s: seen on %q, %v", d.Recipients, d.Seen, err)
		}
		if !strings.Contains(d.What, "envelope sender") {
			t.Errorf("%s: %q does not say that the envelope sender is compared", d.Recipients, d.What)
		}
	}
	list := newKnownList(true, NewDomains(nil))
	for _, domain := range mailboxProviders {
		for _, at := range []string{domain, "mx." + domain} {
			if list.has([]prvs.Address{{Local: "user", Domain: at}}, false) {
				t.Errorf("an entry covers the mailbox provider %s", at)
			}
		}
	}
	known[0].Recipients = "@example.org"
	if KnownDestinations()[0].Recipients == "@example.org" {
		t.Error("a caller can change the list")
	}
}

func TestKnownDestinationsCountIfSwitchedOn(t *testing.T) {
	on := func(s *Settings) { s.DoNotTag.Known = true }
	sender := address(t, "user@example.com")
	for _, tt := range []struct {
		name, recipient string
		change          func(*Settings)
		want            bool
	}{
		{"switched on", "xyz@simplelogin.co", on, true},
		{"in other case", "XYZ@SimpleLogin.co", on, true},
		{"a domain below", "dev@httpd.apache.org", on, true},
		{"the domain itself", "announce@apache.org", on, true},
		{"a name that ends alike", "dev@notapache.org", on, false},
		{"below an entry for one domain", "a@mx.simplelogin.co", on, false},
		{"another domain", "friend@example.org", on, false},
		{"switched off", "xyz@simplelogin.co", nil, false},
		{"in a domain of ours", "dev@lists.apache.org", func(s *Settings) {
			on(s)
			s.Domains = append(s.Domains, Domain{Name: "lists.apache.org"})
		}, false},
		{"in a domain of ours that is listed by itself", "dev@lists.apache.org", func(s *Settings) {
			on(s)
			s.Domains = append(s.Domains, Domain{Name: "lists.apache.org"})
			s.DoNotTag.Recipients = []string{"dev@lists.apache.org"}
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := testPolicy(t, tt.change).DoNotTag(sender, address(t, tt.recipient)); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// While the record may be incomplete, mail to a known destination may have left unsigned that is not on record.
func TestKnownDestinationsWhileTheStoreIsSilent(t *testing.T) {
	facts := RecipientFacts{Address: address(t, "user@example.com"), Issued: IssuedUnknown, Record: RecordFacts{Signing: true, SigningSince: prvs.DayOf(testDay) - 60}}
	for _, tt := range []struct {
		known bool
		want  Reason
	}{{true, Grace}, {false, Untagged}} {
		v := testPolicy(t, func(s *Settings) { s.DoNotTag.Known = tt.known }).Recipient(facts, testDay.Add(time.Hour))
		if v.Reason != tt.want {
			t.Errorf("known %v: got %v, want %v", tt.known, v.Reason, tt.want)
		}
	}
}
