package sendmail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// usualFolders are where the command may be, besides PATH, which users' often lacks.
var usualFolders = []string{"/usr/sbin", "/usr/lib", "/usr/libexec/sendmail", "/usr/libexec"}

// program returns the path of the sendmail command, "" if there is none. Other mail servers have a command of that name;
// only Sendmail's has the name of the option for milters in its program text.
func program(searchPath string) string {
	for _, dir := range append(filepath.SplitList(searchPath), usualFolders...) {
		path := filepath.Join(dir, "sendmail")
		if _, err := exec.LookPath(path); err != nil || !filepath.IsAbs(path) {
			continue
		}
		if text, err := os.ReadFile(path); err == nil && bytes.Contains(text, []byte("InputMailFilters")) {
			return path
		}
	}
	return ""
}

// tested is what the sendmail command makes of addresses in a domain with and without a tag.
type tested struct {
	version string
	domains []testedDomain
}

type testedDomain struct {
	domain string
	rcptOK string // what the rule set that looks for relaying returns
	pairs  []pair
}

// pair is to what mailer, host and user a recipient resolves.
type pair struct{ user, plain, tagged string }

// The users that are tried: one that must be everywhere, and one that is nowhere. In both cases a tag must make no
// difference.
var triedUsers = []string{"postmaster", "bouncefilter.nobody.here"}

// tagTried has the form of a tag; Sendmail does not verify it.
const tagTried = "prvs=0000abcdef="

// runTest resolves addresses in address test mode, which sends nothing and opens no socket. It fails if Sendmail
// rejects the configuration.
func runTest(ctx context.Context, sendmail, config string, domains []string) (*tested, error) {
	var input strings.Builder
	for _, name := range domains {
		d := mta.SampleDomain(name)
		fmt.Fprintf(&input, "Rcpt_ok %s@%s\n", triedUsers[0], d)
		for _, u := range triedUsers {
			fmt.Fprintf(&input, "3,0 %s@%s\n3,0 %s%s@%s\n", u, d, tagTried, u, d)
		}
	}
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, sendmail, "-C", config, "-d0.1", "-bt")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input.String()), &output, &output
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s -bt does not answer in time; it waits for a minute if the host has no full name, and for DNS", sendmail)
	}
	if err != nil {
		return nil, fmt.Errorf("%s -C %s -bt: %w: %s", sendmail, config, err, complaints(output.String()))
	}
	t := &tested{}
	parts := strings.Split(output.String(), "\n> ")
	if m := regexp.MustCompile(`(?m)^Version (\S+)`).FindStringSubmatch(parts[0]); m != nil {
		t.version = m[1]
	}
	// The text before the first prompt, an answer to each line, and the prompt at which the input ends.
	if len(parts) != len(domains)*(2*len(triedUsers)+1)+2 {
		return nil, fmt.Errorf("%s -C %s -bt gives answers that bouncefilter does not understand: %s", sendmail, config, complaints(output.String()))
	}
	for _, d := range domains {
		tried := testedDomain{domain: d, rcptOK: outcome(parts[1])}
		parts = parts[1:]
		for _, u := range triedUsers {
			tried.pairs = append(tried.pairs, pair{u, outcome(parts[1]), outcome(parts[2])})
			parts = parts[2:]
		}
		t.domains = append(t.domains, tried)
	}
	return t, nil
}

// outcome returns what the last rule set returned.
func outcome(answer string) string {
	const returns = " returns: "
	i := strings.LastIndex(answer, returns)
	if i < 0 {
		return ""
	}
	line, _, _ := strings.Cut(answer[i+len(returns):], "\n")
	return strings.TrimSpace(line)
}

// complaints returns the lines in which Sendmail reports an error, or the beginning of the output.
func complaints(output string) string {
	var lines []string
	for line := range strings.Lines(output) {
		if strings.Contains(line, ".cf: line") || strings.Contains(line, "cannot") || strings.Contains(line, "unsafe") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if lines == nil {
		lines = strings.Split(strings.TrimSpace(output), "\n")
	}
	return strings.Join(lines[:min(len(lines), 5)], "; ")
}

// untags says for each domain whether a tag makes no difference.
func (t *tested) untags() map[string]bool {
	m := map[string]bool{}
	for _, d := range t.domains {
		m[d.domain] = d.difference() == nil
	}
	return m
}

// takes says for each domain whether Sendmail takes mail for it, because of a class or of its access table. A
// configuration without the usual rule set does not say.
func (t *tested) takes() map[string]bool {
	m := map[string]bool{}
	for _, d := range t.domains {
		if d.rcptOK != "" {
			m[d.domain] = d.rcptOK == "RELAY" || d.rcptOK == "OK"
		}
	}
	return m
}

// difference says what a tag changes in a domain.
func (d testedDomain) difference() error {
	for _, p := range d.pairs {
		if p.plain == "" {
			return fmt.Errorf("mail to %s@%s resolves to nothing", p.user, d.domain)
		}
		if p.plain != p.tagged {
			return fmt.Errorf("mail to %s@%s resolves to %q, and with a tag to %q", p.user, d.domain, p.plain, p.tagged)
		}
	}
	return nil
}

// Verify returns an error if Sendmail rejects a configuration, where there is a sendmail command.
func Verify(ctx context.Context, path string) error {
	sendmail := program(os.Getenv("PATH"))
	if sendmail == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, testPatience)
	defer cancel()
	_, err := runTest(ctx, sendmail, path, nil)
	return err
}

// errNoProgram says that nothing was tested.
var errNoProgram = errors.New("there is no sendmail command of Sendmail in PATH")
