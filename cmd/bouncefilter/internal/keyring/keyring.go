// Package keyring has the keys on disk: an index file, keys.toml, and beside it one file for each secret.
//
// [Load] reads both and reports everything that is wrong; [Keyring.Ring] turns the result into the ring that signs and
// verifies. [Update] changes the index while no other process does: [Keyring.Add], [Keyring.Activate] and [Keyring.Retire]
// are the steps of a key's life. The index is replaced in one step, so a daemon that reads it sees the old one or the
// new one. Secret files are written once and never again.
//
// The index may be edited by hand; comments in it are lost at the next Update.
package keyring

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// IndexName is the usual name of the index file.
const IndexName = "keys.toml"

// Key is one entry of the index, with its secret unless the key is retired or absent.
type Key struct {
	prvs.Key
	Next        bool      // it is to sign as soon as every node has it
	File        string    // of the secret, relative to the index
	Created     time.Time // zero if unknown
	SignedUntil time.Time // day on which it stopped signing; zero if it signs or never did

	place       string // in the index: keys[1]
	fingerprint string // that is in the index
	numbered    bool   // the index gives it a number that can be used
}

// Keyring is the content of an index file and the secrets it names.
type Keyring struct {
	Path string // of the index
	Keys []Key

	// Rotations are the domains, "" for all, for which the daemon is asked to make a new key.
	Rotations []string
	// Unreadable is what is wrong with the secrets of absent keys.
	Unreadable tomlfile.Problems

	doc *tomlfile.Document
}

type entry struct {
	Number      int    `toml:"number"`
	Domain      string `toml:"domain"`
	State       string `toml:"state"`
	Next        bool   `toml:"next,omitempty"`
	File        string `toml:"file"`
	Created     string `toml:"created"`
	SignedUntil string `toml:"signed_until"`
	Fingerprint string `toml:"fingerprint,omitempty"`
}

type index struct {
	Rotate []string `toml:"rotate,omitempty"`
	Keys   []entry  `toml:"keys"`
}

// Load reads the index at path and the secrets of all keys that are not retired. The keyring holds what could be read,
// also if there are problems.
func Load(path string) (*Keyring, tomlfile.Problems) {
	k, problems := LoadUsable(path)
	return k, append(problems, k.Unreadable...)
}

// LoadUsable is Load for callers that can do without some of the secrets: those that cannot be read are no problem, their keys are
// absent.
func LoadUsable(path string) (*Keyring, tomlfile.Problems) {
	var in index
	doc, problems := tomlfile.Read(path, &in)
	k := &Keyring{Path: path, Rotations: in.Rotate, doc: doc}
	for i, e := range in.Keys {
		l := loader{doc: doc, dir: filepath.Dir(path), place: fmt.Sprintf("keys[%d]", i)}
		key := l.key(e)
		k.Keys = append(k.Keys, key)
		problems = append(problems, l.problems...)
		k.Unreadable = append(k.Unreadable, l.unreadable...)
	}
	return k, append(problems, k.conflicts()...)
}

// loader turns one entry into a key.
type loader struct {
	doc        *tomlfile.Document
	dir        string
	place      string
	problems   tomlfile.Problems
	unreadable tomlfile.Problems
}

func (l *loader) problem(field, value, what, remedy string) {
	l.problems = append(l.problems, l.doc.Problem(l.place+"."+field, value, what, remedy))
}

func (l *loader) key(e entry) Key {
	key := Key{File: e.File, place: l.place}
	key.Domain = e.Domain
	if !l.doc.Has(l.place + ".number") {
		l.problem("number", "", "is missing", "give the key a digit from 0 to 9")
	} else if e.Number < 0 || e.Number > 9 {
		l.problem("number", fmt.Sprint(e.Number), "is not a key number", "use a digit from 0 to 9")
	} else {
		key.Number, key.numbered = uint8(e.Number), true
	}
	state, err := prvs.ParseState(e.State)
	if err != nil {
		l.problem("state", tomlfile.Quote(e.State), "is not a state", `use "verify", "sign" or "retired"`)
	}
	key.State, key.Next, key.fingerprint = state, e.Next, e.Fingerprint
	if e.Next && state != prvs.StateVerify {
		l.problem("next", "true", "is for keys that verify", "remove it")
	}
	key.Created = l.time("created", e.Created, time.RFC3339, "2026-11-23T12:00:00Z")
	key.SignedUntil = l.time("signed_until", e.SignedUntil, time.DateOnly, "2026-11-23")
	if strings.ContainsAny(e.Domain, "@ <>") {
		l.problem("domain", tomlfile.Quote(e.Domain), "is not a domain name", `use a name such as "example.com", or "" for all domains`)
	}
	l.secret(e, &key)
	return key
}

// secret reads the key's secret. A retired key needs none: its file may be gone.
func (l *loader) secret(e entry, key *Key) {
	if key.State == prvs.StateRetired {
		return
	}
	if e.File == "" {
		l.problem("file", "", "is missing", "name the file that holds the secret")
		return
	}
	path := e.File
	if !filepath.IsAbs(path) {
		path = filepath.Join(l.dir, path)
	}
	secret, err := ReadSecret(path)
	if err != nil {
		key.Absent = true
		for _, p := range tomlfile.AsProblems(path, err) {
			l.unreadable = append(l.unreadable, l.doc.Problem(l.place+".file", p.File+":", p.What, p.Remedy))
		}
		return
	}
	if found := Fingerprint(secret); e.Fingerprint != "" && found != e.Fingerprint {
		// Tags that were made with the former secret would be refused.
		key.Absent = true
		l.unreadable = append(l.unreadable, l.doc.Problem(l.place+".file", path+":", "holds another secret than before (fingerprint "+found+", not "+e.Fingerprint+")",
			"restore the file, and import the new secret with a number of its own: bouncefilter key add --file FILE; if nothing was ever signed with the former one, remove fingerprint"))
		return
	}
	key.Secret = secret
}

func (l *loader) time(field, value, layout, example string) time.Time {
	if value == "" {
		return time.Time{}
	}
	t, err := time.Parse(layout, value)
	if year := t.UTC().Year(); err != nil || year < 1 || year > 9999 { // the index is written in UTC, in four digits
		l.problem(field, tomlfile.Quote(value), "is not a date", "write it like "+example)
		return time.Time{}
	}
	return t
}

// conflicts reports key numbers and signing keys that are there twice. A number says which key made a tag, so two keys of
// one domain cannot share it; retired ones no longer take part.
func (k *Keyring) conflicts() tomlfile.Problems {
	type slot struct {
		domain string
		number uint8
	}
	numbers, signing := map[slot]string{}, map[string]string{}
	var problems tomlfile.Problems
	for _, key := range k.Keys {
		if key.State == prvs.StateRetired {
			continue
		}
		d := prvs.FoldDomain(key.Domain)
		s := slot{d, key.Number}
		if key.numbered {
			if first, used := numbers[s]; used {
				problems = append(problems, k.doc.Problem(key.place+".number", fmt.Sprint(key.Number), "is already used by "+first,
					"give each key its own digit"))
			} else {
				numbers[s] = key.place
			}
		}
		if key.State != prvs.StateSign {
			continue
		}
		if first, signs := signing[d]; signs {
			problems = append(problems, k.doc.Problem(key.place+".state", `"sign"`, "is already the state of "+first,
				`let one key sign, the others "verify"`))
		} else {
			signing[d] = key.place
		}
	}
	return problems
}

// Ring returns the ring of all keys that are in use, and of others.
func (k *Keyring) Ring(o prvs.Options, others ...prvs.Key) (*prvs.Ring, error) {
	keys := slices.Clone(others)
	for _, key := range k.Keys {
		if key.State != prvs.StateRetired {
			keys = append(keys, key.Key)
		}
	}
	return prvs.NewRing(keys, o)
}

// Signer returns the key that signs mail of the domain, as [prvs.Ring] chooses it: its own, that of the longest "*.parent", or that for all
// domains.
func (k *Keyring) Signer(domain string) (Key, bool) {
	domain = prvs.FoldDomain(domain)
	var best *Key
	for i := range k.Keys {
		key := &k.Keys[i]
		if key.State != prvs.StateSign {
			continue
		}
		switch of := prvs.FoldDomain(key.Domain); {
		case of == domain:
			return *key, true
		case of == "" && best == nil, strings.HasPrefix(of, "*.") && strings.HasSuffix(domain, of[1:]) && (best == nil || len(of) > len(prvs.FoldDomain(best.Domain))):
			best = key
		}
	}
	if best == nil {
		return Key{}, false
	}
	return *best, true
}

// SameDomain says whether the domains of two keys are one, in any spelling.
func SameDomain(a, b string) bool { return prvs.FoldDomain(a) == prvs.FoldDomain(b) }

// Find returns the key of a number that the index lists for exactly this domain, "" for all domains. One in use comes before
// retired ones.
func (k *Keyring) Find(number uint8, domain string) (Key, bool) {
	var retired *Key
	for i, key := range k.Keys {
		if !key.numbered || key.Number != number || !SameDomain(key.Domain, domain) {
			continue
		}
		if key.State != prvs.StateRetired {
			return key, true
		}
		retired = &k.Keys[i]
	}
	if retired == nil {
		return Key{}, false
	}
	return *retired, true
}

// Problem returns a problem with a field of a key, such as "state", that was loaded from the index.
func (k *Keyring) Problem(key Key, field, value, what, remedy string) tomlfile.Problem {
	return k.doc.Problem(key.place+"."+field, value, what, remedy)
}

// Name is what a key is called in logs and findings: "key 1", or "key 1 of example.com".
func Name(number uint8, domain string) string {
	if domain == "" {
		return fmt.Sprintf("key %d", number)
	}
	return fmt.Sprintf("key %d of %s", number, domain)
}
