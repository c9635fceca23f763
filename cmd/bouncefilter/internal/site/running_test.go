package site

import (
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
)

// A daemon remembers the sites that made other tags, and no others: one that reads new domains every hour would remember hundreds.
func TestReloadsRememberOnlySitesWithOtherTags(t *testing.T) {
	load := manyDomains(t, 3)
	c, problems := load()
	first, problems := Load(c, problems)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	r := NewRunning(first, time.Now, func(*Site) {})
	reload := func() {
		t.Helper()
		if _, problems := r.Reload(load); len(problems) > 0 {
			t.Fatal(problems)
		}
	}
	for range 5 {
		reload()
	}
	if len(r.former) != 0 {
		t.Errorf("%d sites are remembered after reloads without a new key", len(r.former))
	}
	if err := keyring.Update(c.Keys, func(k *keyring.Keyring) error {
		_, err := k.Rotate("", keyring.NewSecret(), time.Now())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		reload()
	}
	if len(r.former) != 1 || r.former[0].site.Keys.Keys[0].Number != first.Keys.Keys[0].Number {
		t.Errorf("%d sites are remembered after a new key", len(r.former))
	}
}
