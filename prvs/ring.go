package prvs

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	defaultLifetime   = 7 // days; what the draft recommends (section 4.2.2)
	defaultRotation   = 1 // days
	defaultDelimiters = "+"

	// maxWindow is the greatest number of days for which a tag may be valid. Three digits distinguish 1000 days. With less
	// than half of them in the future, an expired tag is recognised as expired for 500 days.
	maxWindow = cycle/2 - 1

	keyNumbers = 10 // K is one digit
)

// Options say how long tags are valid. The zero value is what the draft recommends.
type Options struct {
	// Lifetime is the number of days after which a tag expires; it is still valid on the day of expiry. 0 means 7.
	Lifetime int

	// Rotation is the number of days for which a sender has the same tag: the day of expiry is rounded up to the next
	// multiple of it. To greylisting and allow lists each tag is a new sender, so more than one day suits them. A tag is
	// valid for up to Lifetime + Rotation - 1 days, at most 499. 0 means 1, a new tag each day.
	Rotation int

	// Slack is the number of days by which a valid tag may expire later than the tags of this ring do. It covers hosts whose
	// clocks differ around midnight, and tags that were issued before the operator lowered Lifetime or Rotation. Its price
	// is that an old tag becomes valid again earlier in its cycle of 1000 days. 0 is what the draft has (section 4.2.2).
	// Lifetime + Rotation - 1 + Slack may be at most 499.
	Slack int

	// Delimiters are the characters of which each may begin an extension that was added to an address after it was signed: what the
	// mail system separates user and extension with. "" means "+". At most four. VERP is known with "+" and with "-" in any case.
	Delimiters string
}

// maxDelimiters is how many characters may begin an extension.
const maxDelimiters = 4

// ValidDays returns how many days after it was made a tag is valid at most. Lifetime and Rotation are not 0.
func (o Options) ValidDays() int { return o.Lifetime + o.Rotation - 1 }

// Window returns the greatest number of days from today to the day of expiry of a valid tag.
func (o Options) Window() int { return o.ValidDays() + o.Slack }

// Ring is the set of keys of a site. It is immutable and safe for concurrent use.
//
// Sign uses the domain's own signing key. If it has none, it uses that of the longest "*.parent", or else the global one, for all domains.
// Verify accepts tags of all of these. So the tags of the global key 3 stay valid for a domain that gets its own key 3.
type Ring struct {
	options Options
	global  keyset
	domains map[string]*keyset // by folded domain
	below   map[string]*keyset // of all domains below one
}

// keyset is the keys of one domain.
type keyset struct {
	domain  string              // as keys name it, folded; "" for all domains
	keys    [keyNumbers]*macKey // those that are not retired, by number
	absent  [keyNumbers]bool    // numbers of keys, not retired, whose secret is missing
	signs   bool                // there is a signing key
	signing *macKey             // nil if it is absent
	number  uint8               // number of the signing key
}

// NewRing checks keys and options and returns everything that is wrong with them as one error, joined by [errors.Join]:
// numbers above 9, a number that two keys of one domain have, empty secrets of keys that are not absent, two signing keys for
// one domain, domains that are none, unknown states, a lifetime, rotation or slack out of range. It copies the keys. No error
// contains a secret.
//
// A ring without a signing key verifies; its Sign returns [ErrNoKey].
func NewRing(keys []Key, o Options) (*Ring, error) {
	r := &Ring{options: o.withDefaults(), domains: map[string]*keyset{}, below: map[string]*keyset{}}
	problems := r.options.problems()

	type slot struct {
		domain string
		number uint8
	}
	numbers := map[slot]int{}   // index of the key that has the number
	signing := map[string]int{} // index of the key that signs for the domain
	fail := func(i int, format string, args ...any) {
		problems = append(problems, fmt.Errorf("prvs: keys[%d], %v: %s", i, keys[i], fmt.Sprintf(format, args...)))
	}
	for i, k := range keys {
		domain := FoldDomain(k.Domain)
		if k.Number >= keyNumbers {
			fail(i, "number is not a digit, 0 to 9")
		}
		if _, problem := scanDomain(domain, 0, len(domain)); domain != "" && problem != "" {
			fail(i, "%q is no domain: %s", k.Domain, problem)
		}
		if first, used := numbers[slot{domain, k.Number}]; k.Absent {
			// The absent key may be another one than the key with the same number.
		} else if used {
			fail(i, "number is used by keys[%d] already", first)
		} else {
			numbers[slot{domain, k.Number}] = i
		}
		switch {
		case k.Absent && len(k.Secret) > 0:
			fail(i, "it has a secret and is absent")
		case !k.Absent && len(k.Secret) == 0:
			fail(i, "secret is empty")
		}
		switch k.State {
		case StateVerify, StateRetired:
		case StateSign:
			if first, used := signing[domain]; used {
				fail(i, "keys[%d] signs for the same domain already", first)
			} else {
				signing[domain] = i
			}
		default:
			fail(i, "state is unknown")
		}
		if len(problems) == 0 {
			r.add(domain, k)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return r, nil
}

func (o Options) withDefaults() Options {
	if o.Lifetime == 0 {
		o.Lifetime = defaultLifetime
	}
	if o.Rotation == 0 {
		o.Rotation = defaultRotation
	}
	if o.Delimiters == "" {
		o.Delimiters = defaultDelimiters
	}
	return o
}

func (o Options) problems() (problems []error) {
	if o.Lifetime < 0 {
		problems = append(problems, fmt.Errorf("prvs: lifetime of %d days: it must be positive", o.Lifetime))
	}
	if o.Rotation < 0 {
		problems = append(problems, fmt.Errorf("prvs: rotation of %d days: it must be positive", o.Rotation))
	}
	if o.Slack < 0 {
		problems = append(problems, fmt.Errorf("prvs: slack of %d days: it must not be negative", o.Slack))
	}
	if len(o.Delimiters) > maxDelimiters {
		problems = append(problems, fmt.Errorf("prvs: delimiters %q: %d at most", o.Delimiters, maxDelimiters))
	}
	for i := range len(o.Delimiters) {
		if !isDelimiter(o.Delimiters[i]) {
			problems = append(problems, fmt.Errorf("prvs: %q is no delimiter: it must be an ASCII character of local parts other than letters, digits and \"=\"", o.Delimiters[i:i+1]))
			break
		}
	}
	// Each is compared by itself first, so that the sum cannot overflow.
	if o.Lifetime > maxWindow || o.Rotation > maxWindow || o.Slack > maxWindow || o.Window() > maxWindow {
		problems = append(problems, fmt.Errorf("prvs: lifetime of %d days with rotation of %d days and slack of %d days: "+
			"tags may live for %d days at most, because their day of expiry has three digits", o.Lifetime, o.Rotation, o.Slack, maxWindow))
	}
	return problems
}

// add adds a key that has been checked.
func (r *Ring) add(domain string, k Key) {
	set := &r.global
	if domain != "" {
		sets, name := r.domains, domain
		if parent, below := strings.CutPrefix(domain, "*."); below {
			sets, name = r.below, parent
		}
		if set = sets[name]; set == nil {
			set = &keyset{domain: domain}
			sets[name] = set
		}
	}
	if k.State == StateRetired {
		return
	}
	var mac *macKey
	if k.Absent {
		set.absent[k.Number] = true
	} else {
		mac = newMACKey(k.Secret)
		set.keys[k.Number] = mac
	}
	if k.State == StateSign {
		set.signs, set.signing, set.number = true, mac, k.Number
	}
}

// Options returns the options of the ring, with the defaults filled in.
func (r *Ring) Options() Options { return r.options }

// SigningKey returns the number of the signing key of a domain, in any spelling. ok is false if there is none. If the key is
// absent, ok is true, but Sign fails.
func (r *Ring) SigningKey(domain string) (number uint8, ok bool) {
	set := r.signer(domain)
	return set.number, set.signs
}

// Numbers returns the numbers of the keys, not retired, under which a tag of a domain, in any spelling, can have been made.
func (r *Ring) Numbers(domain string) (numbers []uint8) {
	r.sets(domain, func(set *keyset) bool {
		for n := range set.keys {
			if (set.keys[n] != nil || set.absent[n]) && !slices.Contains(numbers, uint8(n)) {
				numbers = append(numbers, uint8(n))
			}
		}
		return true
	})
	return numbers
}

// Format prints for every verb how many domains have keys of their own, and nothing about the keys.
func (r *Ring) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "ring of keys for %d domains", len(r.domains)+len(r.below))
}

// signer returns the nearest keys for a domain of which one signs, or else those for all domains.
func (r *Ring) signer(domain string) *keyset {
	found := &r.global
	r.sets(domain, func(set *keyset) bool {
		if set.signs {
			found = set
		}
		return !set.signs
	})
	return found
}

// sets calls f with the sets of keys for a domain, in any spelling, until f returns false: its own, those of all domains below a parent,
// the longest parent first, and those for all domains. It does not allocate for ASCII.
func (r *Ring) sets(domain string, f func(*keyset) bool) {
	if len(r.domains) == 0 && len(r.below) == 0 {
		f(&r.global)
		return
	}
	var buf [stackAddress]byte
	folded := appendFoldedDomain(buf[:0], domain)
	if set := r.domains[string(folded)]; set != nil && !f(set) {
		return
	}
	for len(r.below) > 0 {
		dot := bytes.IndexByte(folded, '.')
		if dot < 0 {
			break
		}
		folded = folded[dot+1:]
		if set := r.below[string(folded)]; set != nil && !f(set) {
			return
		}
	}
	f(&r.global)
}
