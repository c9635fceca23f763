// Package site loads what a reload of the daemon replaces: the configuration, the keys, and the policy that is made of both.
//
// [Load] and [LoadUsable] return a [Site], which never changes. [Running] holds the site in effect of a daemon and replaces it: a new
// site must know the tags of the former ones for as long as they are valid. [Prepare] makes what a first start needs.
package site

import (
	"slices"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// Site is a configuration with its keys, and their policy.
type Site struct {
	Config *config.Config
	Keys   *keyring.Keyring
	Policy *policy.Policy // nil only in what [Preview] returns with problems

	index   version    // of the index that the keys were loaded from
	foreign []prvs.Key // absent keys, with which other nodes sign
	noIndex bool       // the index of keys is missing: which keys it listed is not known
	partial bool       // the index was missing, and may not list all keys again yet
}

// IndexLost says whether the index of keys was missing when the site was loaded, although there have been keys.
func (s *Site) IndexLost() bool { return s.noIndex }

// Load loads the keys that the configuration names and makes the policy. The problems are those of the configuration, which the caller
// passes, and those of the keys, so that an operator sees all of them at once.
func Load(c *config.Config, problems tomlfile.Problems) (*Site, tomlfile.Problems) {
	return load(c, problems, keyring.Load, nil)
}

// LoadUsable is [Load] for a daemon that starts. Keys whose secrets cannot be read are absent, see [prvs.Key]; without an index of
// keys there are none at all.
func LoadUsable(c *config.Config) (*Site, tomlfile.Problems) {
	if lost := indexLost(c); len(lost) > 0 {
		return withoutIndex(c, lost)
	}
	return load(c, nil, keyring.LoadUsable, nil)
}

// loadNext loads the site that is to replace former. It may lack the secrets that former lacks, and no others.
func loadNext(c *config.Config, problems tomlfile.Problems, former *Site) (*Site, tomlfile.Problems) {
	return load(c, problems, func(path string) (*keyring.Keyring, tomlfile.Problems) {
		keys, found := keyring.LoadUsable(path)
		for _, key := range keys.Keys {
			if key.Absent && !former.lacks(key) {
				return keys, append(found, keys.Unreadable...)
			}
		}
		return keys, found
	}, former)
}

func load(c *config.Config, problems tomlfile.Problems, read func(string) (*keyring.Keyring, tomlfile.Problems), former *Site) (*Site, tomlfile.Problems) {
	s := &Site{Config: c, index: versionOf(c.Keys)} // before it is read: a change meanwhile is read again
	if former != nil {
		s.foreign, s.partial = former.foreign, former.noIndex || former.partial
	}
	var found tomlfile.Problems
	s.Keys, found = read(c.Keys)
	problems = append(problems, IndexProblems(c, found)...)
	if len(found) == 0 {
		problems = append(problems, s.unsignedDomains()...)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	if err := s.makePolicy(); err != nil {
		return nil, tomlfile.AsProblems(c.Path, err)
	}
	return s, nil
}

// withoutIndex is what a daemon starts with that has lost the index of its keys: it has no key, and any number may have been in use.
// Nothing can be signed, so outbound mail waits; a tag of any number may be genuine, so no bounce is refused for it.
func withoutIndex(c *config.Config, lost tomlfile.Problems) (*Site, tomlfile.Problems) {
	signs := keyring.Key{Key: prvs.Key{State: prvs.StateSign, Absent: true}} // which defers all mail that it would sign
	s := &Site{Config: c, index: versionOf(c.Keys), noIndex: true, partial: true,
		Keys: &keyring.Keyring{Path: c.Keys, Keys: []keyring.Key{signs}, Unreadable: lost}}
	if err := s.makePolicy(); err != nil {
		return nil, tomlfile.AsProblems(c.Path, err)
	}
	return s, nil
}

// Preview loads a site as a daemon would that starts, and makes nothing: where a first start makes a key, there is one in memory. It
// returns a site also if there are problems, and then without a policy.
func Preview(c *config.Config, problems tomlfile.Problems) (*Site, tomlfile.Problems) {
	s := &Site{Config: c}
	problems = append(problems, s.preview()...)
	if Exists(c.HashSecret) || c.HashSecretChosen {
		_, found := HashSecret(c)
		problems = append(problems, found...)
	}
	if len(problems) == 0 {
		if err := s.makePolicy(); err != nil {
			problems = tomlfile.AsProblems(c.Path, err)
		}
	}
	return s, problems
}

func (s *Site) preview() tomlfile.Problems {
	c := s.Config
	if problems := lostIndex(c); !Exists(c.Keys) && len(problems) > 0 {
		return problems
	}
	if !Exists(c.Keys) && !c.KeysChosen {
		s.Keys = &keyring.Keyring{Path: c.Keys, Keys: []keyring.Key{
			{Key: prvs.Key{State: prvs.StateSign, Secret: keyring.NewSecret()}},
		}}
		return nil
	}
	var problems tomlfile.Problems
	s.Keys, problems = keyring.Load(c.Keys)
	if problems = IndexProblems(c, problems); len(problems) > 0 {
		return problems
	}
	return s.unsignedDomains()
}

// lacks says whether a key is in the index of s, as far as that is known, and its secret could not be read.
func (s *Site) lacks(key keyring.Key) bool {
	if s.noIndex {
		return true
	}
	own, listed := s.Keys.Find(key.Number, key.Domain)
	return listed && own.Absent
}

// Foreign returns the absent keys of which no tag is refused although the index does not list them: other nodes sign with them, or may.
func (s *Site) Foreign() []prvs.Key {
	foreign := slices.Clone(s.foreign)
	if s.partial {
		for _, slot := range s.Unlisted() {
			if !slices.ContainsFunc(foreign, sameSlot(slot)) {
				foreign = append(foreign, slot)
			}
		}
	}
	return foreign
}

// WithForeign returns the site with these foreign keys, as a daemon has them.
func (s *Site) WithForeign(foreign []prvs.Key) (*Site, error) {
	next := *s
	next.foreign, next.partial = foreign, false
	return &next, next.makePolicy()
}

// makePolicy makes the policy of keys and configuration. Its checks repeat what was checked with places in the files before.
func (s *Site) makePolicy() error {
	settings := s.Config.Settings
	var err error
	if settings.Keys, err = s.Keys.Ring(s.Config.Ring, s.Foreign()...); err != nil {
		return err
	}
	s.Policy, err = policy.New(settings)
	return err
}

// Unlisted returns an absent key for each number of which the index lists no key in use.
func (s *Site) Unlisted() []prvs.Key {
	var keys []prvs.Key
	for number := range uint8(10) {
		if !slices.ContainsFunc(s.Keys.Keys, func(own keyring.Key) bool { return own.State != prvs.StateRetired && own.Number == number }) {
			keys = append(keys, prvs.Key{Number: number, Absent: true})
		}
	}
	return keys
}

// unsignedDomains reports domains for which no key signs.
func (s *Site) unsignedDomains() tomlfile.Problems {
	var problems tomlfile.Problems
	for _, d := range s.Config.Settings.Domains {
		if _, ok := s.Keys.Signer(d.Name); !ok {
			problems = append(problems, tomlfile.Problem{File: s.Keys.Path, Value: tomlfile.Quote(d.Name), What: "has no signing key",
				Remedy: "see bouncefilter key list; then key activate, or key add"})
		}
	}
	return problems
}

func sameSlot(a prvs.Key) func(prvs.Key) bool {
	return func(b prvs.Key) bool { return a.Number == b.Number && a.Domain == b.Domain }
}
