package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/store/open"
)

// prepare makes what a first start needs and later ones find: the state directory, a key, the secret of the store's
// hashes. Files that the configuration names itself are not made: a wrong path must not turn into a new key.
func prepare(a *app, c *config.Config, log *slog.Logger) error {
	if err := makeFolder(c.StateDir); err != nil {
		return tomlfile.Problems{c.Problem("state_dir", tomlfile.Quote(c.StateDir), "cannot be made: "+err.Error(), "name another one")}
	}
	if err := prepareKey(a, c, log); err != nil {
		return err
	}
	if !c.HashSecretChosen {
		_, made, err := keyring.EnsureSecret(c.HashSecret)
		if err != nil {
			return err
		}
		if made {
			log.Info("made the secret for hashes in the store", "file", c.HashSecret)
			warnShared(c, log)
		}
	}
	return nil
}

// prepareKey makes the first key, unless there is an index already.
func prepareKey(a *app, c *config.Config, log *slog.Logger) error {
	if c.KeysChosen {
		return nil
	}
	if err := makeFolder(filepath.Dir(c.Keys)); err != nil {
		return keysProblem(c, err)
	}
	if exists(c.Keys) || len(lostIndex(c)) > 0 {
		return nil // or in a state that reading it will tell
	}
	var key *keyring.Key
	err := keyring.Update(c.Keys, func(k *keyring.Keyring) error {
		if len(k.Keys) > 0 {
			return nil // another process was first
		}
		made, err := k.Add(keyring.AnyNumber, "", keyring.NewSecret(), a.now())
		key = &made
		return err
	})
	if err != nil {
		return err
	}
	if key != nil {
		log.Info("made a key", "number", key.Number, "file", filepath.Join(filepath.Dir(c.Keys), key.File))
	}
	return nil
}

// indexLost reports that the index is not there any more, or cannot be read.
func indexLost(c *config.Config) tomlfile.Problems {
	if !exists(c.Keys) {
		return lostIndex(c)
	}
	f, err := os.Open(c.Keys)
	if err != nil {
		return tomlfile.Problems{{File: c.Keys, What: "cannot be read: " + err.Error(), Remedy: "let the user that the daemon runs as read it"}}
	}
	_ = f.Close() // nothing was written
	return nil
}

// lostIndex reports that there is no index where there must have been one. A new key in place of keys that have signed would refuse
// the bounces of all mail that is under way.
func lostIndex(c *config.Config) tomlfile.Problems {
	trace := c.HashSecret
	names, _ := os.ReadDir(filepath.Dir(c.Keys)) // none if there is no folder
	for _, n := range names {
		if strings.HasSuffix(n.Name(), ".secret") {
			trace = filepath.Join(filepath.Dir(c.Keys), n.Name())
			break
		}
	}
	if trace == c.HashSecret && (c.KeysChosen || c.HashSecretChosen || !exists(c.HashSecret)) {
		return nil // what was named may be made in any order
	}
	return tomlfile.Problems{{File: c.Keys, What: "is missing, although there have been keys: " + trace + " is there",
		Remedy: "restore the folder of keys from a backup or from another host, or import each secret again: bouncefilter key add --number K --file FILE; " +
			"if nothing was ever signed with them, remove " + trace}}
}

// keysProblem is a folder for keys that cannot be made.
func keysProblem(c *config.Config, err error) tomlfile.Problems {
	return tomlfile.Problems{c.Problem("keys", tomlfile.Quote(c.Keys), "cannot be written: "+err.Error(), "name another file")}
}

// warnShared reminds of the other hosts when secrets were made for a store that several hosts may share: with other
// secrets, each would refuse the bounces of the others' mail.
func warnShared(c *config.Config, log *slog.Logger) {
	if embedded(c) {
		return
	}
	log.Warn("copy keys and hash secret to every other host that uses this store, before it starts",
		"keys", filepath.Dir(c.Keys), "hash_secret", c.HashSecret, "store", open.Redacted(c.Store))
}

// embedded says whether the store is a part of one daemon: there are no other nodes, and nobody else can reach it while that runs.
func embedded(c *config.Config) bool {
	scheme, _, _ := strings.Cut(c.Store, ":")
	return scheme == "bolt" || scheme == "memory"
}

// readHashSecret reads the secret that keys the hashes in the store.
func readHashSecret(c *config.Config) ([]byte, tomlfile.Problems) {
	secret, err := keyring.ReadSecret(c.HashSecret)
	if err == nil {
		return secret, nil
	}
	if c.HashSecretChosen {
		var problems tomlfile.Problems
		for _, p := range tomlfile.AsProblems(c.HashSecret, err) {
			problems = append(problems, c.Problem("hash_secret", p.File+":", p.What, p.Remedy))
		}
		return nil, problems
	}
	return nil, tomlfile.AsProblems(c.HashSecret, err)
}

// printMainCf prints what a postmaster adds to Postfix. Without a file, all listeners have the same role.
func printMainCf(w io.Writer, c *config.Config) {
	milter := c.Listeners[0].Address.Postfix()
	fmt.Fprintf(w, `# "bouncefilter setup postfix" shows what the Postfix of this host needs, and does it with --write. By hand:
# First let Postfix know tagged recipients: step 1 of deploy/postfix/README.md. Bounces come to them from the first signed
# message on. Then add these lines to /etc/postfix/main.cf (to milters that are there: append) and run "postfix reload":
smtpd_milters = %s
non_smtpd_milters = %s
# Mail must wait rather than leave unsigned while the milter is down.
milter_default_action = tempfail
`, milter, milter)
}
