package postfix

import (
	"embed"
	"regexp"
	"strings"
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

// tableFor returns a table with the domains of a site.
func tableFor(name string, domains []string) string {
	return strings.Replace(table(name), exampleDomain, domainPattern(domains), 1)
}

// noDomain is a domain that does not exist (RFC 2606), for a pattern that must not match.
const noDomain = "nobody.invalid"

// domainPattern returns a pattern for one of the domains.
func domainPattern(domains []string) string {
	if len(domains) == 0 {
		domains = []string{noDomain}
	}
	quoted := make([]string, len(domains))
	for i, d := range domains {
		quoted[i] = regexp.QuoteMeta(d)
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
