package figures

import (
	"fmt"
	"strconv"
	"strings"
)

// noStatus is how the log writes that a failure has no status.
const noStatus = "-"

// FormatFailures returns failures as the log has them: "example.net 5.1.1 2,example.org - 1 tag".
func FormatFailures(fs []Failure) string {
	var b strings.Builder
	for i := range fs {
		f := &fs[i]
		if i > 0 {
			b.WriteByte(',')
		}
		status := f.Status
		if status == "" {
			status = noStatus
		}
		fmt.Fprintf(&b, "%s %s %d", f.Destination, status, f.Count)
		if f.BecauseOfTag {
			b.WriteString(" " + string(BecauseOfTag))
		}
	}
	return b.String()
}

// ParseFailures reads what [FormatFailures] has written. An error says that others have.
func ParseFailures(s string) ([]Failure, error) {
	if s == "" {
		return nil, nil
	}
	var fs []Failure
	for _, text := range strings.SplitN(s, ",", MaxFailures+1) {
		parts := strings.Split(text, " ")
		if len(parts) != 3 && (len(parts) != 4 || parts[3] != string(BecauseOfTag)) || len(fs) == MaxFailures {
			return nil, fmt.Errorf("failures %q: want at most %d of DESTINATION STATUS COUNT", s, MaxFailures)
		}
		n, err := strconv.Atoi(parts[2])
		if err != nil || n < 1 {
			return nil, fmt.Errorf("failures %q: %q is no count", s, parts[2])
		}
		f := Failure{Destination: parts[0], Status: parts[1], Count: n, BecauseOfTag: len(parts) == 4}
		if f.Status == noStatus {
			f.Status = ""
		}
		if !IsStatus(f.Status) || f.Destination == "" {
			return nil, fmt.Errorf("failures %q: %q is no destination with a status", s, text)
		}
		fs = append(fs, f)
	}
	return fs, nil
}

// IsStatus says whether a text is a status of [Failures]: an enhanced status code (RFC 3463 section 2) such as "5.1.1", only its class, or
// "".
func IsStatus(s string) bool {
	const longest = len("5.999.999")
	if s == "" {
		return true
	}
	parts := strings.Split(s, ".")
	if len(s) > longest || s[0] != '4' && s[0] != '5' || len(parts) != 1 && len(parts) != 3 {
		return false
	}
	for _, p := range parts {
		if p == "" || strings.Trim(p, "0123456789") != "" {
			return false
		}
	}
	return len(parts[0]) == 1
}
