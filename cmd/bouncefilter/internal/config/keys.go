package config

import (
	"fmt"
	"strconv"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
)

// Values of the option key_distribution.
const (
	distributeFiles = "files"
	distributeStore = "store"
)

const (
	numberRests = 1000 // days after its key was last used, see package keyring
	numbers     = 10   // digits

	// shortestRotation is how many days a key must sign for ten digits to suffice: while one signs, each of the nine others
	// rests for 1000 days from the day on which it stopped.
	shortestRotation = numberRests/(numbers-1) + 1

	longestRotation = 3650 // days; more is a mistake
)

// keys resolves how keys are rotated.
func (r *resolver) keys() {
	c, f := r.c, &r.c.raw
	switch f.KeyDistribution {
	case distributeFiles, distributeStore:
		c.KeysInStore = f.KeyDistribution == distributeStore
	default:
		r.problem("key_distribution", tomlfile.Quote(f.KeyDistribution), "is not a way to distribute keys", `use "files" or "store"`)
	}
	switch n := f.KeyRotation; {
	case n == 0:
	case n < shortestRotation:
		r.problem("key_rotation", strconv.Itoa(n), "is too short", fmt.Sprintf("use %d days or more, or 0 for never: "+
			"a key number must rest for %d days after its key has stopped signing, and there are ten", shortestRotation, numberRests))
	case n > longestRotation:
		r.problem("key_rotation", strconv.Itoa(n), "is too long", fmt.Sprintf("use %d days or less, or 0 for never", longestRotation))
	default:
		c.KeyRotation = time.Duration(n) * 24 * time.Hour
	}
}

// KeyRest is how long after its last signature a key must stay in use: until its last tag has expired, also one that was made while
// lifetime was longer, and until no bounce to an expired tag can be proven by what it names. The day on which it signed last is
// known, and not the time.
func (c *Config) KeyRest() time.Duration {
	days := max(c.Ring.Window(), c.Settings.Proofs.Retention) + 1
	return time.Duration(days) * 24 * time.Hour
}
