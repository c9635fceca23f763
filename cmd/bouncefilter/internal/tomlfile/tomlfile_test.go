package tomlfile_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
)

type table struct {
	Name string   `toml:"name"`
	Tags []string `toml:"tags"`
}

type file struct {
	Text     string            `toml:"text"`
	Yes      bool              `toml:"yes"`
	Number   int               `toml:"number"`
	Interval time.Duration     `toml:"interval"`
	List     []string          `toml:"list"`
	Domain   []table           `toml:"domain"`
	Log      table             `toml:"log"`
	Actions  map[string]string `toml:"actions"`
}

func TestEveryTypeIsReadAndDefaultsStay(t *testing.T) {
	got := file{Text: "default", Number: 7}
	_, ps := tomlfile.Decode("f", []byte("\xef\xbb\xbf"+`
yes = true
interval = "1m30s"
list = ["a", "b"]
log = { name = "x" }
domain = [{name = "one"}, {name = "two", tags = ["t"]}]
[actions]
untagged = "tag"
`), &got)
	want := file{Text: "default", Yes: true, Number: 7, Interval: 90 * time.Second, List: []string{"a", "b"},
		Domain: []table{{Name: "one"}, {Name: "two", Tags: []string{"t"}}}, Log: table{Name: "x"},
		Actions: map[string]string{"untagged": "tag"}}
	if len(ps) > 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, ps)
	}
}

func TestProblemsNameLineKeyAndRemedy(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
	}{
		{"unknown option with a likely one", "tetx = \"redis://u:secret@h\"\n", []string{`f:1: tetx: unknown option; did you mean text?`}},
		{"unknown option", "[log]\n\nport = 1\n", []string{`f:3: log.port: unknown option; the options here are name, tags`}},
		{"wrong types, all at once", "text = [\"redis://u:secret@h\"]\nyes = \"yes\"\nnumber = \"1\"\nlist = \"a\"\ninterval = 5\n", []string{
			`f:1: text: must be a string, not a list; write it in quotes: "..."`,
			`f:2: yes: must be true or false, not a string; write true or false without quotes`,
			`f:3: number: must be a whole number, not a string; write a number without quotes, fraction or unit`,
			`f:4: list: must be a list, not a string; write it in brackets: ["..."]`,
			`f:5: interval: must be a duration, not a number; write a number and a unit in quotes, such as "250ms", "30s" or "5m"`,
		}},
		{"list element on its own line", "list = [\n \"a\",\n 2,\n]\n", []string{
			`f:3: list[1]: must be a string, not a number; write it in quotes: "..."`}},
		{"second table of a list", "[[domain]]\nname = \"a\"\n\n[[domain]]\nname = 1\n", []string{
			`f:5: domain[1].name: must be a string, not a number; write it in quotes: "..."`}},
		{"list of tables within a list of tables", "[[domain]]\n[domain.sub]\n[[domain]]\n[domain.sub]\n", []string{
			`f:2: domain[0].sub: unknown option; the options here are name, tags`,
			`f:4: domain[1].sub: unknown option; the options here are name, tags`}},
		{"single brackets", "[domain]\nname = \"a\"\n", []string{
			`f:1: domain: must be a list of tables, not a table; write [[domain]], with two brackets on each side`}},
		{"table expected", "log = 3\n", []string{`f:1: log: must be a table, not a number; write [log] and its options below`}},
		{"not a duration", "interval = \"5 minutes\"\n", []string{
			`f:1: interval: "5 minutes" is not a duration; write a number and a unit in quotes, such as "250ms", "30s" or "5m"`}},
		{"number too large", "number = 4294967296\n", []string{
			`f:1: number: is too large; the largest number is 2147483647`}},
		{"number with too many digits", "yes = true\nnumber = 99999999999999999999\n", []string{`f:2: number: is too large; the largest number is 2147483647`}},
		{"no quotes", "text = auto\n", []string{`f:1: text: the value has no quotes; write it in quotes: "..."`}},
		{"no quotes, like a keyword", "text = node1\n", []string{`f:1: text: the value has no quotes; write it in quotes: "..."`}},
		{"no quotes in a table", "[[domain]]\n[[domain]]\n\nname = a.example # mine\n", []string{`f:4: domain[1].name: the value has no quotes; write it in quotes: "..."`}},
		{"no quotes in a list", "log.tags = [one, two]\n", []string{`f:1: log.tags: the value has no quotes; write it in quotes: "..."`}},
		{"quotes are not all", "text = \"a\n", []string{`f:1: text: toml: basic strings cannot have new lines; see https://toml.io for the syntax`}},
		{"true is no string", "yes = true false\n", []string{`f:1: yes: toml: expected newline but got U+0066 'f'; see https://toml.io for the syntax`}},
		{"below a table", "[log]\nnumber = 1\n[actions]\nyes = true\n[[domain]]\ntext = \"\"\nactions = 1\n", []string{
			`f:2: log.number: unknown option; number belongs above the first [table]`,
			`f:4: actions.yes: unknown option; yes belongs above the first [table]`,
			`f:6: domain[0].text: unknown option; text belongs above the first [table]`,
			`f:7: domain[0].actions: unknown option; the options here are name, tags`}},
		{"the name of its table is missing", "tags = [\"a\"]\n[actions]\nb = \"x\"\n[[domain]]\ntags = [\"a\"]\n", []string{
			`f:1: tags: unknown option; it belongs below [log]: remove the "#" in front of that line, too`}},
		{"dates", "number = 2026-01-01\n", []string{
			`f:1: number: must be a whole number, not a date or time; write a number without quotes, fraction or unit`}},
		{"word table", "[actions]\nuntagged = 5\n", []string{
			`f:2: actions.untagged: must be a string, not a number; write it in quotes: "..."`}},
		{"not UTF-8", "text = \"a\"\n# caf\xe9\n", []string{`f:2: is not UTF-8 text; save the file as UTF-8`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var f file
			_, ps := tomlfile.Decode("f", []byte(tt.in), &f)
			if want := strings.Join(tt.want, "\n"); ps.Error() != want {
				t.Errorf("got\n%s\nwant\n%s", ps.Error(), want)
			}
		})
	}
}

func TestSyntaxErrorsHaveALineAndShowNoValue(t *testing.T) {
	for _, in := range []string{
		"text = \"a\"\nlist = [\n", "text = \"a\"\ntext = \"hunter2\"\n", "text = \"a\"\nnumber = hunter2\n", "text = \"a\"\nlist = [\"hunter2\n",
	} {
		f := file{Text: "default"}
		_, ps := tomlfile.Decode("f", []byte(in), &f)
		if len(ps) != 1 || ps[0].Line < 2 || strings.Contains(ps.Error(), "hunter2") {
			t.Errorf("%q: got %v", in, ps)
		}
		if f.Text != "default" {
			t.Errorf("%q: half a document was read", in)
		}
	}
}

func TestWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, []byte(strings.Repeat("#\n", tomlfile.MaxSize/2+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir:                      "is a directory; name the file in it",
		filepath.Join(dir, "no"): "no such file; create it or name another one",
		large:                    "is larger than 8388608 octets; is it the right file?",
		pipe:                     "is not a regular file; name a file",
		"/dev/null":              "is not a regular file; name a file",
	} {
		_, ps := tomlfile.Read(path, &file{})
		if got := ps.Error(); got != path+": "+want {
			t.Errorf("got %q, want %q", got, path+": "+want)
		}
	}
}

func TestLineFallsBackToWhatIsAround(t *testing.T) {
	d, _ := tomlfile.Decode("f", []byte("\n[[domain]]\nname = \"a\"\n"), &file{})
	for key, want := range map[string]int{"domain[0].name": 3, "domain[0].mode": 2, "domain[7]": 2, "text": 0} {
		if got := d.Line(key); got != want {
			t.Errorf("%s: line %d, want %d", key, got, want)
		}
	}
	if !d.Has("domain") || d.Has("text") {
		t.Error("Has is wrong")
	}
}

func TestLongValuesAreCut(t *testing.T) {
	if got := tomlfile.Quote(strings.Repeat("x", 100)); len(got) > 90 || !strings.HasSuffix(got, "...") {
		t.Errorf("got %s", got)
	}
}
