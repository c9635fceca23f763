package postfix

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// manyDomains are 20,000 domains of a provider, which begin alike, and some that begin otherwise.
func manyDomains() []string {
	domains := []string{"customer", "customer-", "a.example", "exämple.com", "xn--exmple-cua.com", "äöü.example", "äöß.example", "*.example.edu", "*.xn--bcher-kva.example", "*.bücher.example"}
	for i := range 20_000 {
		domains = append(domains, fmt.Sprintf("customer-%05d-shop.example", i), fmt.Sprintf("%c%c%d.example.net", 'a'+i%26, 'a'+i/26%26, i))
	}
	for i := range 300 {
		domains = append(domains, fmt.Sprintf("*.school%d.example", i))
	}
	return domains
}

// The tables of very many domains do what those of one do, in Postfix as well.
func TestTablesOfVeryManyDomains(t *testing.T) {
	domains := manyDomains()
	text := tableFor(untagFile, domains)
	table, understood := parsePcre(text)
	if !understood {
		t.Fatal("check does not understand the table")
	}
	k := newChecker(&Config{Tables: map[string]string{}}, mta.Site{Domains: domains})
	if k.untagTable("x", table); len(k.findings) > 0 {
		t.Errorf("check finds %+v", k.findings)
	}
	lookups := map[string]string{}
	tagged := func(domain string, known bool) {
		for _, form := range []string{sampleTag + "=user@%s", "user+" + sampleTag + "@%s", "PRVS=0787788259=user@%s"} {
			want := ""
			if known {
				want = "user@" + domain
			}
			lookups[fmt.Sprintf(form, domain)] = want
		}
		lookups["user@"+domain] = ""
		lookups["SRS0=aaaa=bb=example.org=x+"+sampleTag+"@"+domain] = ""
	}
	for _, name := range append(domains[:200:200], domains[len(domains)-400:]...) {
		tagged(mta.SampleDomain(name), true)
	}
	for _, name := range []string{"example.edu", "school7.example", "customer-20000-shop.example", "customer-00001-shop.example.org", "x.customer-00001-shop.example",
		"notexample.edu", "custome", "äö.example", "example.com", foreign} {
		tagged(name, false)
	}
	ask := func(who string, answer func(string) string) {
		wrong := 0
		for key, want := range lookups {
			if got := answer(key); got != want {
				if wrong++; wrong < 10 {
					t.Errorf("%s: %s is %q, want %q", who, key, got, want)
				}
			}
		}
	}
	ask("check", func(key string) string { got, _ := table.lookup(key); return got })

	needPostfix(t)
	dir := copyCase(t, "good-standard")
	path := filepath.Join(dir, untagFile)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := verifyTables(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for key := range lookups {
		keys = append(keys, key)
	}
	values, err := query(t.Context(), dir, "pcre:"+path, keys)
	if err != nil {
		t.Fatal(err)
	}
	ask("Postfix", func(key string) string { return values[key] })
}

// The local table has one rule only.
func TestLocalTableOfVeryManyDomains(t *testing.T) {
	var local []string
	for i := range 500 {
		local = append(local, fmt.Sprintf("customer-%05d-shop.example", i))
	}
	text := tableFor(localFile, local)
	table, understood := parsePcre(text)
	if !understood {
		t.Fatalf("check does not understand\n%s", text)
	}
	for _, d := range local {
		if got, _ := table.lookup("user@" + d); got != "user" {
			t.Errorf("%s: %q", d, got)
		}
	}
	if got, known := table.lookup("user@customer-00500-shop.example"); known {
		t.Errorf("another domain: %q", got)
	}
	if strings.Contains(text, "EDIT") || strings.Contains(text, "example\\.com") {
		t.Errorf("the text for editors remains:\n%s", text)
	}
}

// A table is compared with the domains in no more time than an operator waits for check.
func BenchmarkCheckOfATable(b *testing.B) {
	for _, domains := range [][]string{{"example.com"}, manyDomains()} {
		table, _ := parsePcre(tableFor(untagFile, domains))
		k := newChecker(&Config{}, mta.Site{Domains: domains})
		b.Run(fmt.Sprint(len(domains)), func(b *testing.B) {
			for b.Loop() {
				k.untagTable("x", table)
			}
		})
	}
}

// What mail to an untagged recipient and a bounce cost in a table of very many domains, by Postfix' own lookup: compare with one domain.
func BenchmarkLookupsOfPostfix(b *testing.B) {
	if os.Getenv("PATH") == "" {
		b.Skip("no PATH")
	}
	for _, domains := range [][]string{{"example.com"}, manyDomains()} {
		dir := b.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "main.cf"), nil, 0o644); err != nil {
			b.Fatal(err)
		}
		path := filepath.Join(dir, untagFile)
		if err := os.WriteFile(path, []byte(tableFor(untagFile, domains)), 0o644); err != nil {
			b.Fatal(err)
		}
		last := domains[max(0, len(domains)-301)]
		for name, key := range map[string]string{"untagged": "user@" + last, "tagged": sampleTag + "=user@" + last} {
			b.Run(fmt.Sprintf("%d/%s", len(domains), name), func(b *testing.B) {
				const each = 100_000
				keys := make([]string, each)
				for i := range keys {
					keys[i] = key
				}
				for b.Loop() {
					if _, err := query(b.Context(), dir, "pcre:"+path, keys); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/each, "ns/lookup")
			})
		}
	}
}
