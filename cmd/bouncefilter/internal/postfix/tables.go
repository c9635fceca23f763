package postfix

import (
	"embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// The tables are those of deploy/postfix; a test compares them.
//
//go:embed tables/*.pcre
var tableFiles embed.FS

// exampleDomain is the placeholder in the tables for the domains of a site.
const exampleDomain = `(?:example\.com)`

// table returns the text of one of our tables.
func table(name string) string {
	text, err := tableFiles.ReadFile("tables/" + name)
	if err != nil {
		panic(err) // the names are constants of this package
	}
	return string(text)
}

// maxPattern is how many domains one pattern has. PCRE compiles no pattern of more than 64 KiB, and tries one name after the other.
const maxPattern = 100

// tableFor returns a table with the domains of a site, which may have "*." in front.
func tableFor(name string, domains []string) string {
	if len(domains) <= maxPattern {
		return strings.Replace(table(name), exampleDomain, domainPattern(domains), 1)
	}
	head, rest, _ := strings.Cut(table(name), "# EDIT")
	_, rest, _ = strings.Cut(rest, "\n") // of the remark; what follows until the pattern is more of it
	var rules []string
	for line := range strings.Lines(rest) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			rules = append(rules, line)
		}
	}
	b := &tableBuilder{rules: rules}
	fmt.Fprintf(b, "%s# bouncefilter setup postfix has written this table for %d domains: run it again when they have changed.\n", head, len(domains))
	if name == untagFile {
		b.WriteString("\n# Other addresses, which are most, are looked at no further.\nif /prvs=[0-9]{4}[0-9a-f]{6}/\n")
	}
	var exact, below []string
	for _, d := range domains {
		if _, isBelow := mta.Below(d); isBelow {
			below = append(below, d)
		} else {
			exact = append(exact, d)
		}
	}
	slices.Sort(exact)
	b.tree(slices.Compact(exact), "")
	slices.Sort(below)
	for part := range slices.Chunk(below, maxPattern) {
		b.block(part)
	}
	if name == untagFile {
		b.WriteString("endif\n")
	}
	return b.String()
}

// tableBuilder writes a table for very many domains: for each hundred of them the rules of the table.
type tableBuilder struct {
	strings.Builder
	rules []string
}

// block writes the rules for some domains.
func (b *tableBuilder) block(domains []string) {
	pattern := domainPattern(domains)
	for _, rule := range b.rules {
		b.WriteString(strings.Replace(rule, exampleDomain, pattern, 1) + "\n")
	}
}

// tree writes blocks for sorted domains that begin with prefix. Blocks are below conditions on the beginning of the domain, so that few of
// many patterns are tried on an address.
func (b *tableBuilder) tree(domains []string, prefix string) {
	if len(domains) <= maxPattern {
		if len(domains) > 0 {
			b.block(domains)
		}
		return
	}
	var few []string // in groups that are too small for a condition of their own
	for len(domains) > 0 {
		n := 1 // the prefix itself may be a domain
		_, size := utf8.DecodeRuneInString(domains[0][len(prefix):])
		if next := domains[0][:len(prefix)+size]; next != prefix {
			if n = slices.IndexFunc(domains, func(d string) bool { return !strings.HasPrefix(d, next) }); n < 0 {
				n = len(domains)
			}
		}
		group := domains[:n]
		domains = domains[n:]
		if n > maxPattern {
			common := commonPrefix(group[0], group[n-1])
			b.WriteString("if /@" + quotePattern(common) + "/\n")
			b.tree(group, common)
			b.WriteString("endif\n")
			continue
		}
		if len(few)+n > maxPattern {
			b.block(few)
			few = nil
		}
		few = append(few, group...)
	}
	if len(few) > 0 {
		b.block(few)
	}
}

// commonPrefix returns what two names begin with.
func commonPrefix(a, b string) string {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	for !utf8.ValidString(a[:n]) {
		n--
	}
	return a[:n]
}

// quotePattern quotes a name for a pattern between slashes.
func quotePattern(name string) string { return strings.ReplaceAll(regexp.QuoteMeta(name), "/", `\/`) }

// noDomain is a domain that does not exist (RFC 2606), for a pattern that must not match.
const noDomain = "nobody.invalid"

// domainPattern returns a pattern for one of the domains. Of one with "*." it takes what is below, in which there is no "@".
func domainPattern(domains []string) string {
	if len(domains) == 0 {
		domains = []string{noDomain}
	}
	quoted := make([]string, len(domains))
	for i, d := range domains {
		if parent, below := mta.Below(d); below {
			quoted[i] = `[^@]+\.` + quotePattern(parent)
		} else {
			quoted[i] = quotePattern(d)
		}
	}
	return "(?:" + strings.Join(quoted, "|") + ")"
}

// extensionTableFor returns the table of extensions for a recipient_delimiter, which is a set of characters.
func extensionTableFor(delimiter string) string {
	text := table(extensionFile)
	if delimiter == "" || delimiter == "+" {
		return text
	}
	var class strings.Builder
	for _, b := range delimiter {
		if strings.ContainsRune(`\]^-/`, b) {
			class.WriteByte('\\')
		}
		class.WriteRune(b)
	}
	return strings.Replace(text, `[^@+]+)\+[^@]*`, `[^@`+class.String()+`]+)[`+class.String()+`][^@]*`, 1)
}
