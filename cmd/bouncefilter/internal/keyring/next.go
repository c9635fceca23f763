package keyring

import (
	"fmt"
	"slices"
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// Rotate makes the key that is to sign next for a domain, "" for all domains. It verifies until all nodes of the store have it;
// then the daemons activate it. Until then there can be no other.
func (k *Keyring) Rotate(domain string, secret []byte, now time.Time) (Key, error) {
	if err := k.mayRotate(domain); err != nil {
		return Key{}, err
	}
	key, err := k.Add(AnyNumber, domain, secret, now)
	if err != nil {
		return Key{}, err
	}
	added := &k.Keys[len(k.Keys)-1]
	added.Next = true
	key.Next = true
	return key, nil
}

// mayRotate returns an error if there is nothing to rotate for the domain, or a rotation is under way.
func (k *Keyring) mayRotate(domain string) error {
	if key, under := k.Next(domain); under {
		return fmt.Errorf("a rotation%s is under way: key %d signs as soon as every node has it; see bouncefilter check", of(domain), key.Number)
	}
	if k.RotationRequested(domain) {
		return fmt.Errorf("a rotation%s is under way: the daemon has not made the key yet; see its log", of(domain))
	}
	if !k.has(domain) {
		return fmt.Errorf("there is no key%s to be replaced; make the first one: bouncefilter key add", of(domain))
	}
	return nil
}

// RequestRotation asks the daemons for a rotation: of all daemons that share a store, one makes the key.
func (k *Keyring) RequestRotation(domain string) error {
	if err := k.mayRotate(domain); err != nil {
		return err
	}
	k.Rotations = append(k.Rotations, domain)
	return nil
}

// RotationRequested says whether a rotation was requested that has not begun.
func (k *Keyring) RotationRequested(domain string) bool {
	return slices.ContainsFunc(k.Rotations, func(d string) bool { return SameDomain(d, domain) })
}

// DropRequest removes the request of a rotation.
func (k *Keyring) DropRequest(domain string) {
	k.Rotations = slices.DeleteFunc(k.Rotations, func(d string) bool { return SameDomain(d, domain) })
}

// Next returns the key that is to sign next for exactly this domain, if there is one.
func (k *Keyring) Next(domain string) (Key, bool) {
	for _, key := range k.Keys {
		if key.Next && SameDomain(key.Domain, domain) {
			return key, true
		}
	}
	return Key{}, false
}

// SignerOf returns the key that signs for exactly this domain, "" for all domains.
func (k *Keyring) SignerOf(domain string) (Key, bool) {
	for _, key := range k.Keys {
		if key.State == prvs.StateSign && SameDomain(key.Domain, domain) {
			return key, true
		}
	}
	return Key{}, false
}

// FreeNumber returns the digit that the next key of the domain gets.
func (k *Keyring) FreeNumber(domain string, now time.Time) (uint8, error) {
	n, ok := k.freeNumber(domain, now)
	if !ok {
		return 0, errNoNumber
	}
	return uint8(n), nil
}

// Adopt takes in a key that another node has made, to sign next. A digit that is not free here is an error.
func (k *Keyring) Adopt(key prvs.Key, created, now time.Time) (Key, error) {
	added, err := k.Add(int(key.Number), key.Domain, key.Secret, now)
	if err != nil {
		return Key{}, err
	}
	own := &k.Keys[len(k.Keys)-1]
	own.State, own.Next, own.Created = prvs.StateVerify, true, created
	added.State, added.Next, added.Created = own.State, own.Next, own.Created
	return added, nil
}

// SignedElsewhere records that another node signs with a key today that only verifies here: it retires, and its digit is free
// again, as late as if it had signed here. It returns false if that was recorded before.
func (k *Keyring) SignedElsewhere(number uint8, domain string, today time.Time) bool {
	changed := false
	for i := range k.Keys {
		key := &k.Keys[i]
		if key.Number == number && SameDomain(key.Domain, domain) && key.State == prvs.StateVerify && day(key.SignedUntil) < day(today) {
			key.SignedUntil, changed = today, true
		}
	}
	return changed
}

// Due returns the keys whose last tags cannot be proven any more at the time now, rest being how long after their last use that
// is. A key that is to sign, or has never signed, is not due: it may be meant for later.
func (k *Keyring) Due(rest time.Duration, now time.Time) []Key {
	var due []Key
	for _, key := range k.Keys {
		if key.State == prvs.StateVerify && !key.Next && !key.SignedUntil.IsZero() && !now.Before(key.lastUse().Add(rest)) {
			due = append(due, key)
		}
	}
	return due
}
