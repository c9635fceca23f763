package site

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// former is a site that was in effect until it was replaced.
type former struct {
	site *Site
	last prvs.Day // the day on which it made its last tags
}

// alive says whether its last tags have not expired.
func (f former) alive(today prvs.Day) bool {
	return today <= f.last+prvs.Day(f.site.Config.Ring.ValidDays())
}

// makesTagsOf says whether s and next make the same tags. Such a site need not be remembered when next replaces it: a site that reloads its
// domains every hour would remember hundreds.
func (s *Site) makesTagsOf(next *Site) bool {
	return s.Config.Ring == next.Config.Ring && slices.EqualFunc(s.Keys.Keys, next.Keys.Keys, func(a, b keyring.Key) bool {
		return sameSlot(a.Key)(b.Key) && a.State == b.State && a.Absent == b.Absent && bytes.Equal(a.Secret, b.Secret)
	})
}

// broken reports why next would refuse tags that s has made on the day last. The index of keys does not show that: it has the time of
// key activate, and not whether a daemon that was not reloaded has signed with the former key since; and an operator may replace the
// file of a secret at any time. So a tag is made and verified, for each domain of both.
func (s *Site) broken(next *Site, last, today prvs.Day) tomlfile.Problems {
	type slot struct {
		domain string
		number uint8
	}
	reported := map[slot]bool{}
	var problems tomlfile.Problems
	for _, d := range s.Config.Settings.Domains {
		if _, ours := next.Config.Domain(d.Name); !ours {
			continue // bounces to it are not judged any more
		}
		probe, err := prvs.ParseAddress("probe@" + strings.Replace(d.Name, "*.", "probe.", 1))
		if err != nil {
			continue // no sender has this domain: its address could not be read either
		}
		signed, err := s.Policy.Sign(probe, prvs.Standard, last)
		if err != nil {
			continue // nothing was signed for it
		}
		tagged, err := prvs.ParseAddress(signed.Address)
		if err != nil {
			return append(problems, tomlfile.Problem{File: next.Keys.Path, Value: tomlfile.Quote(d.Name), What: "cannot be tried: " + err.Error()})
		}
		key, _ := s.Keys.Signer(d.Name)
		switch result := next.Policy.Verify(tagged, today); {
		case result.Status == prvs.Valid || reported[slot{key.Domain, key.Number}]:
			continue
		case result.Status == prvs.Expired:
			return append(problems, s.shortened(next, signed)) // as for all domains
		default:
			problems = append(problems, next.unknownKey(key, d.Name, signed))
		}
		reported[slot{key.Domain, key.Number}] = true
	}
	return problems
}

// unknownKey is the problem of a key that has signed for a domain and whose tags s does not know.
func (s *Site) unknownKey(key keyring.Key, domain string, signed prvs.Signed) tomlfile.Problem {
	name := keyring.Name(key.Number, key.Domain)
	until := fmt.Sprintf(" has made (for %s)", tomlfile.Quote(domain))
	expired := "they have expired, after " + signed.Expiry.String()
	now, listed := s.Keys.Find(key.Number, key.Domain)
	switch {
	case !listed:
		return tomlfile.Problem{File: s.Keys.Path, What: name + " is missing, and tags that it" + until + " would be refused",
			Remedy: fmt.Sprintf("import it again, bouncefilter key add --number %d --file FILE, and let it verify until %s", key.Number, expired)}
	case now.State == prvs.StateRetired:
		return s.Keys.Problem(now, "state", `"retired"`, "would refuse tags that "+name+until,
			`set it to "verify" until `+expired+"; or restart if bounces to those tags may be refused")
	}
	return s.Keys.Problem(now, "file", "", "holds another secret than before, and tags that "+name+until+" would be refused",
		"restore the file, and import the new secret with a number of its own: bouncefilter key add --file FILE")
}

// shortened is the problem of a lifetime that became shorter by more than the ring allows for.
func (s *Site) shortened(next *Site, signed prvs.Signed) tomlfile.Problem {
	was, is := s.Config.Ring, next.Config.Ring
	return next.Config.Problem("lifetime", fmt.Sprint(is.Lifetime),
		fmt.Sprintf("with tag_rotation %d would refuse tags that were made and live until %v", is.Rotation, signed.Expiry),
		fmt.Sprintf("keep lifetime = %d and tag_rotation = %d, or restart if bounces to those tags may be refused", was.Lifetime, was.Rotation))
}
