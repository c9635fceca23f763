package bolt_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/bolt"
	"github.com/bouncefilter/bouncefilter/store/storetest/pace"
)

func today() store.Day { return store.DayOf(time.Now()) }

// key returns the nth key, spread over the file as hashes are.
func key(n int) store.Key {
	r := rand.New(rand.NewPCG(uint64(n), 0))
	var k store.Key
	binary.BigEndian.PutUint64(k[:], r.Uint64())
	binary.BigEndian.PutUint64(k[8:], r.Uint64())
	return k
}

// filled makes a file with n records and returns its path.
func filled(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, n)
	for i := range n {
		go func() {
			done <- s.Record(t.Context(), today(), "example.com", store.Record{Key: key(i), Expires: today() + 7})
		}()
	}
	for range n {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRecordsSurviveARestart(t *testing.T) {
	path := filled(t, 100)
	s, err := bolt.Open(path, bolt.Warn(func(m string) { t.Errorf("warning: %s", m) }))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a, err := s.Lookup(t.Context(), today(), store.AnyDay(key(0), key(99), key(100)))
	if err != nil || !a.Found[0] || !a.Found[1] || a.Found[2] {
		t.Errorf("found %v, %v", a.Found, err)
	}
	if since := a.Complete.Since; since.IsZero() || time.Since(since) > time.Minute {
		t.Errorf("Since %v", since)
	}
}

func TestDamagedFileIsMovedAside(t *testing.T) {
	path := filled(t, 5000)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	overwritten := func(from, to int) []byte {
		b := append([]byte(nil), whole...)
		for i := from; i < min(to, len(b)); i++ {
			b[i] = byte(i*7 + 1)
		}
		return b
	}
	for name, content := range map[string][]byte{
		"cut to 1 octet":               whole[:1],
		"cut within the first page":    whole[:100],
		"cut after the first page":     whole[:page],
		"cut after the second page":    whole[:2*page],
		"cut after the fourth page":    whole[:4*page],
		"cut in the middle":            whole[:len(whole)/2],
		"zeros":                        make([]byte, len(whole)),
		"both first pages overwritten": overwritten(16, 2*page),
		"all but both first pages":     overwritten(2*page, len(whole)),
		"page headers overwritten": func() []byte {
			b := append([]byte(nil), whole...)
			for at := 2 * page; at < len(b); at += page {
				copy(b[at:], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
			}
			return b
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			var warnings []string
			s, err := bolt.Open(path, bolt.Warn(func(m string) { warnings = append(warnings, m) }))
			if err != nil {
				t.Fatalf("Open: %v", err)
			}
			defer s.Close()
			aside, _ := filepath.Glob(path + ".damaged-*")
			if len(aside) != 1 || len(warnings) != 1 || !strings.Contains(warnings[0], aside[0]) {
				t.Fatalf("moved aside %q, warnings %q; want one warning that names one file", aside, warnings)
			}
			if kept, _ := os.ReadFile(aside[0]); string(kept) != string(content) {
				t.Error("the file moved aside is not what was there")
			}
			a, err := s.Lookup(t.Context(), today(), store.AnyDay(key(1)))
			if err != nil || a.Found[0] || !a.Complete.Since.IsZero() {
				t.Errorf("the new store answers %+v, %v; want an empty one", a, err)
			}
			if err := s.Record(t.Context(), today(), "", store.Record{Key: key(1), Expires: today()}); err != nil {
				t.Errorf("Record: %v", err)
			}
		})
	}
}

// Damage anywhere is either harmless or moved aside. It never ends the process.
func TestRandomDamage(t *testing.T) {
	path := filled(t, 3000)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const damages = 60
	moved := 0
	for seed := range uint64(damages) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := append([]byte(nil), whole...)
		for at, n := 8+r.IntN(len(b)-600), 1+r.IntN(512); n > 0; at, n = at+1, n-1 {
			b[at] = byte(r.Uint32())
		}
		if r.IntN(4) == 0 {
			b = b[:1+r.IntN(len(b))]
		}
		path := filepath.Join(t.TempDir(), "state.db")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := bolt.Open(path, bolt.Warn(func(string) { moved++ }))
		if err != nil {
			t.Fatalf("seed %d: Open: %v", seed, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		for n := range 20 {
			err := s.Record(ctx, today(), "example.com", store.Record{Key: key(-n), Expires: today() + 7})
			if err != nil && !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("seed %d: Record: %v", seed, err)
			}
			if _, err := s.Lookup(ctx, today(), store.AnyDay(key(n))); err != nil && !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("seed %d: Lookup: %v", seed, err)
			}
		}
		if ctx.Err() != nil {
			t.Errorf("seed %d: calls hang", seed)
		}
		cancel()
		if err := s.Close(); err != nil {
			t.Errorf("seed %d: Close: %v", seed, err)
		}
	}
	t.Logf("%d of %d damaged files were moved aside, the others worked", moved, damages)
	if moved == 0 || moved == damages {
		t.Errorf("%d of %d files were moved aside: this test shows nothing", moved, damages)
	}
}

func TestOpenRefuses(t *testing.T) {
	foreign := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(foreign, []byte(strings.Repeat("root:x:0:0:root:/root:/bin/bash\n", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filled(t, 1)
	db, err := bbolt.Open(other, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put([]byte("format"), []byte("5"))
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	shut := filepath.Join(t.TempDir(), "shut")
	if err := os.Mkdir(shut, 0o500); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, path, want string }{
		{"no path", "", "no file named"},
		{"a folder", t.TempDir(), "folder"},
		{"a device", "/dev/null", "not a regular file"},
		{"below a file", filepath.Join(foreign, "state.db"), "not a directory"},
		{"a file of another program", foreign, "not a bouncefilter store"},
		{"another format", other, "another version of bouncefilter"},
		{"a folder without the right to write", filepath.Join(shut, "state.db"), "permission denied"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if strings.HasPrefix(test.path, shut) && os.Geteuid() == 0 {
				t.Skip("root may write everywhere")
			}
			s, err := bolt.Open(test.path, bolt.Warn(func(m string) { t.Errorf("warning: %s", m) }))
			if err == nil {
				s.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.path) {
				t.Errorf("error %q, want %q with the path", err, test.want)
			}
		})
	}
	if b, err := os.ReadFile(foreign); err != nil || !strings.HasPrefix(string(b), "root:x:0") {
		t.Errorf("another program's file was touched: %v", err)
	}
}

func TestOnlyOneProcessOpensAFile(t *testing.T) {
	path := filled(t, 1)
	s, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	meter := pace.Start(t)
	start := time.Now()
	_, err = bolt.Open(path)
	if !errors.Is(err, bolt.ErrInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("second Open: %v", err)
	}
	if d, limit := time.Since(start), meter.Allow(5*time.Second, 10); d > limit {
		t.Errorf("it took %v, expected %v at the most", d, limit)
	}
	if _, err := s.Lookup(t.Context(), today(), nil); err != nil {
		t.Errorf("the first one: %v", err)
	}
}
