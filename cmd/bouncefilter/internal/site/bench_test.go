package site

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// manyDomains returns what loads a configuration with n domains, whose key is there.
func manyDomains(b testing.TB, n int) func() (*config.Config, tomlfile.Problems) {
	b.Helper()
	dir := b.TempDir()
	var list strings.Builder
	for i := range n {
		fmt.Fprintf(&list, "customer-%05d-shop.example\n", i)
	}
	path := filepath.Join(dir, "bouncefilter.toml")
	for name, text := range map[string]string{"domains": list.String(), "bouncefilter.toml": `domains_file = "domains"`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	load := func() (*config.Config, tomlfile.Problems) {
		return config.Load(path, config.Flags{StateDir: filepath.Join(dir, "state")}, config.Host{Name: "mx.example.com"})
	}
	c, problems := load()
	if len(problems) > 0 {
		b.Fatal(problems)
	}
	if err := MakeKeyFolder(c); err != nil {
		b.Fatal(err)
	}
	if err := keyring.Update(c.Keys, func(k *keyring.Keyring) error {
		_, err := k.Add(keyring.AnyNumber, "", keyring.NewSecret(), time.Now())
		return err
	}); err != nil {
		b.Fatal(err)
	}
	return load
}

// What a start, a reload and a message cost with 20,000 domains: compare with one.
func BenchmarkVeryManyDomains(b *testing.B) {
	for _, n := range []int{1, 20_000} {
		load := manyDomains(b, n)
		first := func() *Site {
			c, problems := load()
			s, found := Load(c, problems)
			if len(found) > 0 {
				b.Fatal(found)
			}
			return s
		}
		b.Run(fmt.Sprintf("start/%d", n), func(b *testing.B) {
			var before, after runtime.MemStats
			var s *Site
			runtime.GC()
			runtime.ReadMemStats(&before)
			for b.Loop() {
				s = first()
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1024, "KiB-kept")
			runtime.KeepAlive(s)
		})
		b.Run(fmt.Sprintf("reload/%d", n), func(b *testing.B) {
			r := NewRunning(first(), time.Now, func(*Site) {})
			for b.Loop() {
				if _, problems := r.Reload(load); len(problems) > 0 {
					b.Fatal(problems)
				}
			}
		})
		b.Run(fmt.Sprintf("message/%d", n), func(b *testing.B) {
			s := first()
			now := time.Now()
			sender := prvs.Address{Local: "user", Domain: fmt.Sprintf("customer-%05d-shop.example", n-1)}
			b.ReportAllocs()
			for b.Loop() {
				signed, err := s.Policy.Sign(sender, prvs.Standard, prvs.DayOf(now))
				if err != nil {
					b.Fatal(err)
				}
				to, err := prvs.ParseAddress(signed.Address)
				if err != nil {
					b.Fatal(err)
				}
				if v := s.Policy.Recipient(policy.RecipientFacts{Address: to, Issued: policy.IssuedYes}, now); v.Reason != policy.Valid {
					b.Fatal(v.Reason)
				}
			}
		})
	}
}
