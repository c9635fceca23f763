package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/filter/policy"
)

func TestFilesOfDomains(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("ours", "# ours\n  One.example\r\n\ntwo.example # since May\none.example\n*.example.edu\n")
	write("customers", "three.example\nexämple.com\nxn--exmple-cua.com\n")
	write("bouncefilter.toml", `domains_file = ["ours", "`+filepath.Join(dir, "customers")+`"]
mode = "enforce"
[[domain]]
name = "TWO.example"
mode = "monitor"
aliases = ["three.example"]
`)
	c, problems := Load(filepath.Join(dir, "bouncefilter.toml"), Flags{}, testHost)
	if len(problems) > 0 || len(c.NeedDomain()) > 0 {
		t.Fatal(problems, c.NeedDomain())
	}
	var names []string
	for _, d := range c.Settings.Domains {
		names = append(names, d.Name+" "+d.Mode.String())
	}
	if got, want := strings.Join(names, ", "), "TWO.example monitor, One.example enforce, *.example.edu enforce, exämple.com enforce"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if d, ours := c.Domain("three.example"); !ours || d.Name != "two.example" || d.Mode != policy.ModeMonitor {
		t.Errorf("the alias is %+v", d)
	}
	write("bouncefilter.toml", `domains_file = "ours"`) // one may stand alone
	if c, problems = Load(filepath.Join(dir, "bouncefilter.toml"), Flags{}, testHost); len(problems) > 0 || len(c.Settings.Domains) != 3 {
		t.Errorf("%v, %v", problems, c.Settings.Domains)
	}
	if c, problems = Load(filepath.Join(dir, "bouncefilter.toml"), Flags{Domains: []string{"x.example"}}, testHost); len(problems) > 0 || len(c.Settings.Domains) != 1 {
		t.Errorf("--domain does not replace the file: %v, %v", problems, c.Settings.Domains)
	}
	write("ours", strings.Repeat("not a domain\n", 5000))
	if _, problems = Load(filepath.Join(dir, "bouncefilter.toml"), Flags{}, testHost); len(problems) != maxFileProblems+1 ||
		!strings.HasSuffix(problems[maxFileProblems].String(), "/ours: 4980 more lines are not domain names") {
		t.Errorf("%d problems, the last is %s", len(problems), problems[len(problems)-1])
	}
}

// Both spellings of a domain may be listed: an operator who believes that both are needed does no harm.
func TestBothSpellingsOfADomain(t *testing.T) {
	c := loadText(t, `domains = ["exämple.com", "xn--exmple-cua.com", "XN--EXMPLE-CUA.COM"]
[[domain]]
name = "example.org"
aliases = ["älias.example", "xn--lias-koa.example"]`)
	if got := fmt.Sprint(c.Settings.Domains); got != "[{exämple.com [] auto standard false} {example.org [älias.example] auto standard false}]" {
		t.Errorf("got %s", got)
	}
}

// BenchmarkLoad shows what a start or a reload costs with very many domains, in a file of their own or each with settings.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1, 20_000} {
		var list, tables strings.Builder
		for i := range n {
			fmt.Fprintf(&list, "customer-%05d-shop.example\n", i)
			fmt.Fprintf(&tables, "[[domain]]\nname = \"customer-%05d-shop.example\"\nmode = \"monitor\"\n", i)
		}
		for name, text := range map[string]string{"file": `domains_file = "domains"`, "tables": tables.String()} {
			dir := b.TempDir()
			path := filepath.Join(dir, "bouncefilter.toml")
			for name, text := range map[string]string{"domains": list.String(), "bouncefilter.toml": text} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					b.Fatal(err)
				}
			}
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				for b.Loop() {
					if c, problems := Load(path, Flags{}, testHost); len(problems) > 0 || len(c.Settings.Domains) != n {
						b.Fatal(problems)
					}
				}
			})
		}
	}
}
