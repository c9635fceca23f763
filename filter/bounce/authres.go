package bounce

import (
	"slices"
	"strings"
)

const (
	maxAuthenticated  = 8
	maxAuthResFields  = 8    // a message that passed several sites has one of each
	maxAuthResOctets  = 4096 // of one field
	maxAuthResMethods = 32   // of one field
)

// authenticated returns the DKIM signatures that the Authentication-Results fields of a header declare valid (RFC 8601 sections 2.2
// and 2.7.1), if their domain is that of the From address or a domain above it.
func authenticated(w *work, h header, from string) []Authenticated {
	_, author, ok := strings.Cut(strings.ToLower(from), "@")
	if !ok {
		return nil
	}
	var list []Authenticated
	fields := 0
	for _, f := range h {
		if f.name != "authentication-results" {
			continue
		}
		if fields++; fields > maxAuthResFields {
			break
		}
		value := f.value[:min(len(f.value), maxAuthResOctets)]
		w.look(8 * len(value))
		results := strings.Split(lower(bare(value)), ";")
		server := firstWord(results[0]) // a version may follow it
		if server == "" {
			continue
		}
		for _, result := range results[1:min(len(results), maxAuthResMethods)] {
			domain := signedBy(result)
			if domain == "" || author != domain && !strings.HasSuffix(author, "."+domain) {
				continue
			}
			a := Authenticated{Server: printable(server, maxNameBytes), Domain: printable(domain, maxNameBytes)}
			if len(list) < maxAuthenticated && !slices.Contains(list, a) {
				list = append(list, a)
			}
		}
	}
	return list
}

// signedBy returns the domain that a result in lower case says has signed the message, or "": "dkim=pass header.d=example.com".
func signedBy(result string) string {
	words := strings.Fields(strings.ReplaceAll(result, "= ", "="))
	if len(words) == 0 || words[0] != "dkim=pass" {
		return ""
	}
	domain := ""
	for _, w := range words[1:] {
		if d, ok := strings.CutPrefix(w, "header.d="); ok {
			domain = d
			break
		}
		if i, ok := strings.CutPrefix(w, "header.i="); ok {
			_, domain, _ = strings.Cut(i, "@")
		}
	}
	if strings.IndexByte(domain, '.') <= 0 {
		return "" // a whole top-level domain signs nothing
	}
	return domain
}

// bare returns a structured field without its comments and quoted strings (RFC 5322 sections 3.2.2 and 3.2.4), which hold what
// others have written.
func bare(s string) string {
	var b strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case c == '"' && depth == 0:
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
			b.WriteByte(' ')
		case c == ')' && depth > 0:
			depth--
		case depth == 0:
			b.WriteByte(c)
		}
	}
	return b.String()
}
