package keyring

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// cycle is how long a key number must rest after its key was last used. Tags count days modulo 1000 (BATV section
// 4.1): a tag looks the same 1000 days later, and must then not meet a key of its number.
const cycle = 1000 * 24 * time.Hour

// AnyNumber lets [Keyring.Add] choose the number.
const AnyNumber = -1

var errNoNumber = errors.New("all ten key numbers are in use or were used less than 1000 days ago; retired keys count, see bouncefilter key list")

// Add makes a key with the secret and writes its file. The first key for a domain that has none signs; later ones verify
// until they are activated, because all hosts must know a key before one of them signs with it.
func (k *Keyring) Add(number int, domain string, secret []byte, now time.Time) (Key, error) {
	if number == AnyNumber {
		n, ok := k.freeNumber(domain, now)
		if !ok {
			return Key{}, errNoNumber
		}
		number = n
	}
	if number < 0 || number > 9 {
		return Key{}, fmt.Errorf("%d is not a key number: use a digit from 0 to 9", number)
	}
	if other, ok := k.blocks(number, domain, now); ok {
		if other.State == prvs.StateRetired {
			return Key{}, fmt.Errorf("key number %d was used until %s; it must rest for 1000 days, until %s, because tags count days modulo 1000",
				number, day(other.lastUse()), day(other.lastUse().Add(cycle)))
		}
		return Key{}, fmt.Errorf("key number %d is in use%s", number, of(other.Domain))
	}
	file, err := k.createFile(number, domain, secret)
	if err != nil {
		return Key{}, fmt.Errorf("write the secret: %w", err)
	}
	key := Key{Key: prvs.Key{Number: uint8(number), Domain: domain, Secret: secret}, File: file, Created: now}
	if !k.has(domain) {
		key.State = prvs.StateSign
	}
	k.Keys = append(k.Keys, key)
	return key, nil
}

// Activate lets a key sign. The one that signed for the same domain verifies from now on.
func (k *Keyring) Activate(number int, domain *string, now time.Time) (active Key, former *Key, err error) {
	key, err := k.find(number, domain)
	if err != nil {
		return Key{}, nil, err
	}
	if key.Absent {
		return Key{}, nil, fmt.Errorf("the secret of key %d cannot be read: %w", number, k.Unreadable)
	}
	for i := range k.Keys {
		other := &k.Keys[i]
		if other == key || !SameDomain(other.Domain, key.Domain) {
			continue
		}
		other.Next = false // it would take the place of the one that was chosen now
		if other.State == prvs.StateSign {
			other.State, other.SignedUntil = prvs.StateVerify, now
			former = other
		}
	}
	key.State, key.Next, key.SignedUntil = prvs.StateSign, false, time.Time{}
	return *key, former, nil
}

// Retire takes a key out of use: its tags are refused from then on. It is an error if tags made with it may still be alive, or
// proven although they have expired, unless force is set; rest is how long that may be after its last use. The signing key cannot
// be retired.
func (k *Keyring) Retire(number int, domain *string, rest time.Duration, force bool, now time.Time) (Key, error) {
	key, err := k.find(number, domain)
	if err != nil {
		return Key{}, err
	}
	if key.State == prvs.StateSign {
		return Key{}, fmt.Errorf("key %d signs%s; activate another key first", number, of(key.Domain))
	}
	if end := key.lastUse().Add(rest); now.Before(end) && !force {
		return Key{}, fmt.Errorf("tags made with key %d may be alive until %s, and bounces of that mail would be refused; wait, or use --force",
			number, day(end))
	}
	if key.SignedUntil.IsZero() {
		key.SignedUntil = key.lastUse()
	}
	key.State, key.Next = prvs.StateRetired, false
	return *key, nil
}

// lastUse is the last day on which the key may have signed. A key that never did here may have done so where it was
// imported from.
func (k *Key) lastUse() time.Time {
	if k.SignedUntil.After(k.Created) {
		return k.SignedUntil
	}
	return k.Created
}

// freeNumber returns the lowest number that a new key of the domain can have.
func (k *Keyring) freeNumber(domain string, now time.Time) (int, bool) {
	for n := range 10 {
		if _, used := k.blocks(n, domain, now); !used {
			return n, true
		}
	}
	return 0, false
}

// blocks returns the key that is in the way of a new one. Keys of one domain and those for all domains share the
// numbers: a tag shows the number and not which kind of key made it.
func (k *Keyring) blocks(number int, domain string, now time.Time) (Key, bool) {
	for _, key := range k.Keys {
		switch {
		case int(key.Number) != number:
		case domain != "" && key.Domain != "" && !SameDomain(key.Domain, domain):
		case key.State == prvs.StateRetired && !now.Before(key.lastUse().Add(cycle)):
		default:
			return key, true
		}
	}
	return Key{}, false
}

// has says whether a key in use signs for the domain, its own or one for all domains.
func (k *Keyring) has(domain string) bool {
	for _, key := range k.Keys {
		if key.State != prvs.StateRetired && (key.Domain == "" || SameDomain(key.Domain, domain)) {
			return true
		}
	}
	return false
}

// find returns the one key in use that has the number, of the domain if that is not nil.
func (k *Keyring) find(number int, domain *string) (*Key, error) {
	var found *Key
	for i := range k.Keys {
		key := &k.Keys[i]
		if int(key.Number) != number || key.State == prvs.StateRetired || domain != nil && !SameDomain(key.Domain, *domain) {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("several keys have the number %d; say which one with --domain", number)
		}
		found = key
	}
	if found == nil {
		return nil, fmt.Errorf("no key in use has the number %d; see bouncefilter key list", number)
	}
	return found, nil
}

// createFile writes the secret to a file of its own and returns the name. A name that is taken is left alone.
func (k *Keyring) createFile(number int, domain string, secret []byte) (string, error) {
	stem := fmt.Sprintf("key-%d", number)
	if domain != "" {
		stem += "-" + strings.NewReplacer("/", "_", "*.", "below-").Replace(prvs.FoldDomain(domain))
	}
	const most = 1000 // names tried; a folder with more has another trouble
	for i := range most {
		name := stem + ".secret"
		if i > 0 {
			name = fmt.Sprintf("%s-%d.secret", stem, i+1)
		}
		err := CreateSecret(filepath.Join(filepath.Dir(k.Path), name), secret)
		if err == nil {
			return name, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("%s.secret and %d more: %w", stem, most-1, fs.ErrExist)
}

func of(domain string) string {
	if domain == "" {
		return " for all domains"
	}
	return " for " + domain
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
