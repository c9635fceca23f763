package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/filter/policy"
)

// shipped is the file that a postmaster copies and edits.
const shipped = "../../../../deploy/bouncefilter.toml"

// The documented defaults are those of this host.
var testHost = Host{Name: "mx.example.com", StateDir: "/var/lib/bouncefilter"}

var (
	optionLine = regexp.MustCompile(`^#(\[|[a-z][a-z_-]* = )`)
	tableLine  = regexp.MustCompile(`^#?(\[[a-z_]+\])$`)
)

func readShipped(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(data), "\n")
}

func loadText(t *testing.T, text string) *Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bouncefilter.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, problems := Load(path, Flags{}, testHost)
	if len(problems) > 0 {
		t.Fatalf("%v\nin\n%s", problems, text)
	}
	return c
}

// uncommented is the shipped file with every option set to its documented default.
func uncommented(t *testing.T) string {
	t.Helper()
	lines := readShipped(t)
	n := 0
	for i, l := range lines {
		if optionLine.MatchString(l) {
			lines[i] = l[1:]
			n++
		}
	}
	if n < 40 {
		t.Fatalf("only %d options found: do they still begin with # and no space?", n)
	}
	return strings.Join(lines, "\n")
}

func TestShippedFileIsAllDefaults(t *testing.T) {
	asItIs := loadText(t, strings.Join(readShipped(t), "\n"))
	bare := loadText(t, `domains = ["example.com"]`)
	asItIs.raw.Domains, bare.raw.Domains = nil, nil
	if !reflect.DeepEqual(asItIs.raw, bare.raw) {
		t.Errorf("got %+v\nwant %+v", asItIs.raw, bare.raw)
	}
	if got := asItIs.Settings.Domains; len(got) != 1 || got[0].Name != "example.com" {
		t.Errorf("domains: %v", got)
	}
}

func TestDocumentedDefaultsAreTheBuiltInOnes(t *testing.T) {
	documented := loadText(t, uncommented(t))
	builtIn := loadText(t, `domains = ["example.com"]`)

	// The actions have their defaults in the table of reasons.
	for reason, action := range documented.Settings.Actions {
		want := policy.ActionReject
		switch {
		case reason == policy.SeveralRecipients:
			want = policy.ActionDiscard
		case reason == policy.NoBounce:
			want = policy.ActionAccept
		case reason.Outcome() == policy.Defer:
			want = policy.ActionDefer
		}
		if action != want {
			t.Errorf("actions.%s: documented as %s, is %s", reason, action, want)
		}
	}
	documented.Settings.Actions, builtIn.Settings.Actions = nil, nil
	for _, c := range []*Config{documented, builtIn} {
		c.Path, c.doc, c.raw = "", nil, file{}
		c.HTTPChosen, c.KeysChosen, c.HashSecretChosen = false, false, false
	}
	d, b := reflect.ValueOf(*documented), reflect.ValueOf(*builtIn)
	for i := range d.NumField() {
		if f := d.Type().Field(i); f.IsExported() && !sameValue(d.Field(i), b.Field(i)) {
			t.Errorf("%s: documented %v, built in %v", f.Name, d.Field(i), b.Field(i))
		}
	}
}

// sameValue compares as printed, for which an empty list and none are the same.
func sameValue(a, b reflect.Value) bool { return fmt.Sprintf("%v", a) == fmt.Sprintf("%v", b) }

func TestEveryOptionIsDocumented(t *testing.T) {
	text := strings.Join(readShipped(t), "\n")
	n := 0
	var walk func(reflect.Type)
	walk = func(s reflect.Type) {
		for i := range s.NumField() {
			f := s.Field(i)
			key := f.Tag.Get("toml")
			n++
			switch f.Type.Kind() {
			case reflect.Struct:
				if !strings.Contains(text, "\n#["+key+"]\n") {
					t.Errorf("table [%s] is not documented", key)
				}
				walk(f.Type)
			case reflect.Slice:
				if e := f.Type.Elem(); e.Kind() == reflect.Struct {
					if !strings.Contains(text, "[["+key+"]]\n") {
						t.Errorf("tables [[%s]] are not documented", key)
					}
					walk(e)
					continue
				}
				fallthrough
			default:
				if f.Type.Kind() == reflect.Map {
					for _, word := range actionReasons() {
						if !strings.Contains(text, "\n#"+word+" = ") {
							t.Errorf("[%s] %s is not documented", key, word)
						}
					}
				} else if !regexp.MustCompile(`(?m)^(#(   )?)?` + key + ` = `).MatchString(text) {
					t.Errorf("%s is not documented", key)
				}
			}
		}
	}
	walk(reflect.TypeFor[file]())
	if n < 40 {
		t.Errorf("only %d options were looked for", n)
	}
}

func TestExamplesLoad(t *testing.T) {
	const mark = "#   "
	table, block, n := "", "", 0
	try := func() {
		if block == "" || strings.Contains(block, `"`) && !strings.Contains(block, " = ") {
			block = ""
			return
		}
		n++
		text := "domains = [\"example.com\"]\n"
		if table == "" {
			text += block
		} else {
			text += table + "\n" + block
		}
		list := filepath.Join(t.TempDir(), "domains")
		if err := os.WriteFile(list, []byte("example.net\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		loadText(t, strings.NewReplacer("/etc/bouncefilter/domains", list).Replace(text))
		block = ""
	}
	for _, l := range readShipped(t) {
		if m := tableLine.FindStringSubmatch(l); m != nil {
			table = m[1]
		}
		example, ok := strings.CutPrefix(l, mark)
		ok = ok && (strings.Contains(example, " = ") && !strings.HasPrefix(example, `"`) || strings.HasPrefix(example, "[["))
		if !ok || strings.HasPrefix(example, "store = ") {
			try() // alternatives are below each other
		}
		if ok {
			block += example + "\n"
		}
	}
	if n < 8 {
		t.Errorf("only %d examples found", n)
	}
}
