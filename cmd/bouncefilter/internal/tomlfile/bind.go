package tomlfile

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Strings is a list of strings. In the file one of them may be written alone, without brackets.
type Strings []string

// binder puts decoded values into a struct and collects what does not fit.
type binder struct {
	doc      *Document
	problems Problems
}

func (b *binder) problem(key, value, what, remedy string) {
	b.problems = append(b.problems, b.doc.Problem(key, value, what, remedy))
}

// table binds the table at path to the struct that v points to. Problems come in the order of the file.
func (b *binder) table(path string, raw map[string]any, v any) {
	fields := fieldsOf(reflect.ValueOf(v).Elem())
	keys := slices.Collect(maps.Keys(raw))
	slices.SortFunc(keys, func(x, y string) int {
		if d := b.doc.Line(join(path, x)) - b.doc.Line(join(path, y)); d != 0 {
			return d
		}
		return strings.Compare(x, y)
	})
	for _, k := range keys {
		key := join(path, k)
		if f, ok := fields[k]; ok {
			b.value(key, raw[k], f)
			continue
		}
		// The value of an unknown key is not shown: it may be a secret whose key was misspelt.
		remedy := suggestion(k, fields)
		if path != "" && b.doc.IsOption(k) {
			remedy = AboveTables(k)
		} else if tables := b.doc.tables[k]; len(tables) > 0 && !slices.Contains(tables, path) {
			remedy = belowTables(tables)
		}
		b.problem(key, "", "unknown option", remedy)
	}
}

// optionsOf returns the names of fields that are no tables.
func optionsOf(fields map[string]reflect.Value) map[string]bool {
	options := map[string]bool{}
	for name, f := range fields {
		table := f.Kind() == reflect.Struct || f.Kind() == reflect.Map || f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct
		options[name] = !table
	}
	return options
}

// tablesOf returns the tables that have an option, by the option. Words of a map are no options here.
func tablesOf(fields map[string]reflect.Value) map[string][]string {
	tables := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if fields[name].Kind() != reflect.Struct {
			continue
		}
		for option := range fieldsOf(fields[name]) {
			tables[option] = append(tables[option], name)
		}
	}
	return tables
}

// largest is the remedy for a number that is larger.
const largest = "the largest number is 2147483647"

// value binds one value to a field.
func (b *binder) value(key string, raw any, f reflect.Value) {
	if f.Type() == reflect.TypeFor[time.Duration]() {
		b.duration(key, raw, f)
		return
	}
	if s, ok := raw.(string); ok && f.Type() == reflect.TypeFor[Strings]() {
		raw = []any{s}
	}
	switch f.Kind() {
	case reflect.String:
		if s, ok := raw.(string); ok {
			f.SetString(s)
			return
		}
		b.wrongType(key, raw, "a string", `write it in quotes: "..."`)
	case reflect.Bool:
		if v, ok := raw.(bool); ok {
			f.SetBool(v)
			return
		}
		b.wrongType(key, raw, "true or false", "write true or false without quotes")
	case reflect.Int:
		switch n, ok := raw.(int64); {
		case ok && n > math.MaxInt32:
			b.problem(key, "", "is too large", largest)
			return
		case ok && n < math.MinInt32:
			b.problem(key, "", "is too small", "the smallest number is -2147483648")
			return
		case ok:
			f.SetInt(n)
			return
		}
		b.wrongType(key, raw, "a whole number", "write a number without quotes, fraction or unit")
	case reflect.Slice:
		b.list(key, raw, f)
	case reflect.Map:
		b.words(key, raw, f)
	case reflect.Struct:
		if t, ok := raw.(map[string]any); ok {
			b.table(key, t, f.Addr().Interface())
			return
		}
		b.wrongType(key, raw, "a table", fmt.Sprintf("write [%s] and its options below", key))
	default:
		panic("tomlfile: field of type " + f.Type().String()) // a mistake in this program
	}
}

func (b *binder) duration(key string, raw any, f reflect.Value) {
	const remedy = `write a number and a unit in quotes, such as "250ms", "30s" or "5m"`
	s, ok := raw.(string)
	if !ok {
		b.wrongType(key, raw, "a duration", remedy)
		return
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		b.problem(key, Quote(s), "is not a duration", remedy)
		return
	}
	f.SetInt(int64(d))
}

// list binds a list. It replaces the default, as a whole.
func (b *binder) list(key string, raw any, f reflect.Value) {
	l, ok := raw.([]any)
	if !ok {
		if f.Type().Elem().Kind() == reflect.Struct {
			b.wrongType(key, raw, "a list of tables", fmt.Sprintf("write [[%s]], with two brackets on each side", key))
			return
		}
		b.wrongType(key, raw, "a list", `write it in brackets: ["..."]`)
		return
	}
	s := reflect.MakeSlice(f.Type(), len(l), len(l))
	for i, e := range l {
		b.value(fmt.Sprintf("%s[%d]", key, i), e, s.Index(i))
	}
	f.Set(s)
}

// words binds a table with keys of the caller's choice, whose values are strings.
func (b *binder) words(key string, raw any, f reflect.Value) {
	t, ok := raw.(map[string]any)
	if !ok {
		b.wrongType(key, raw, "a table", fmt.Sprintf("write [%s] and its options below", key))
		return
	}
	m := reflect.MakeMapWithSize(f.Type(), len(t))
	for _, k := range slices.Sorted(maps.Keys(t)) {
		if _, ok := t[k].(string); !ok && b.doc.IsOption(k) {
			b.problem(join(key, k), "", "unknown option", AboveTables(k))
			continue
		}
		e := reflect.New(f.Type().Elem()).Elem()
		b.value(join(key, k), t[k], e)
		m.SetMapIndex(reflect.ValueOf(k), e)
	}
	f.Set(m)
}

// wrongType says what was found by its type alone, because the value may hold a password.
func (b *binder) wrongType(key string, raw any, want, remedy string) {
	b.problem(key, "", fmt.Sprintf("must be %s, not %s", want, typeName(raw)), remedy)
}

func typeName(raw any) string {
	switch raw.(type) {
	case string:
		return "a string"
	case bool:
		return "true or false"
	case int64:
		return "a number"
	case float64:
		return "a number with a fraction"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "a date or time"
}

func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("toml"), ",") // the rest is for encoders
		if tag != "" {
			fields[tag] = v.Field(i)
		}
	}
	return fields
}

// suggestion is the remedy for an unknown option: the known one that looks like it, or all there are.
func suggestion(k string, fields map[string]reflect.Value) string {
	known := slices.Sorted(maps.Keys(fields))
	best, least := "", 1+min(3, len(k)/2) // one mistake in two letters (a swap is two), no more than three
	for _, f := range known {
		if d := distance(strings.ToLower(k), f); d < least {
			best, least = f, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	return "the options here are " + strings.Join(known, ", ")
}

// distance returns the Levenshtein distance of two short words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
