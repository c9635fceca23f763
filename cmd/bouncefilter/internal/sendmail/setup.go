package sendmail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// Setup works out the change that sets up the Sendmail whose sendmail.cf is at path. One that is set up already needs none.
func Setup(ctx context.Context, path string, site mta.Site) (*mta.Change, error) {
	c, err := Read(ctx, path, site)
	if err != nil {
		return nil, err
	}
	if older(c.Version, 8, 14) {
		return nil, fmt.Errorf("this is Sendmail %s; the set-up needs 8.14 or later", c.Version)
	}
	mcPath := strings.TrimSuffix(path, ".cf") + ".mc"
	mc, err := os.ReadFile(mcPath)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s to change; put these lines into the file that %s is made from, above its MAILER lines:\n%s", mcPath, path, block(site))
	}
	if err != nil {
		return nil, err
	}
	next := withBlock(string(mc), block(site))
	change := &mta.Change{Then: Reload(path)}
	if next == string(mc) && !needed(Check(c, site)) {
		return change, nil
	}
	cf, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	made, err := makeCf(ctx, filepath.Dir(mcPath), next)
	if err != nil {
		return nil, err
	}
	if heading := "### " + mcPath + " ###\n"; bytes.Contains(cf, []byte(heading)) {
		made = append(made, commented(heading, next)...)
	}
	change.Why = []string{
		"Sendmail asks bouncefilter (" + Address(preferred(site)) + "). While it is down, clients are told to try again (F=T): nothing leaves unsigned, so no later bounce is mistaken for a forged one.",
		"Rule set 0 takes tags off recipients in the class " + domainClass + ", which has the domains that bouncefilter signs for. A tagged recipient is then known exactly when the one without the tag is: unknown users are still refused with 550, and the bounces that Sendmail makes itself arrive.",
		"The lines stand together in sendmail.mc, above the MAILER lines and other local rules; sendmail.cf is made from it by m4.",
	}
	if next != string(mc) {
		change.Files = append(change.Files, mta.File{Path: mcPath, Old: mc, New: []byte(next)})
	}
	change.Files = append(change.Files, mta.File{Path: path, Old: cf, New: made})
	return change, nil
}

// needed says whether something was found that the change puts right.
func needed(findings []mta.Finding) bool {
	for _, f := range findings {
		switch f.Name {
		case "milter-missing", "milter-unused", "milter-accepts", "milter-rejects", "tags-refused":
			return true
		}
	}
	return false
}

// commented returns what Debian's Makefile puts below the end of a sendmail.cf: the text that it was made from.
func commented(heading, mc string) string {
	var b strings.Builder
	b.WriteString(heading)
	for l := range strings.Lines(mc) {
		b.WriteString("# " + l)
	}
	return b.String()
}

// makeCf makes a sendmail.cf from the text of a sendmail.mc, as m4 does in its folder.
func makeCf(ctx context.Context, dir, mc string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "m4", "-")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(mc)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cf, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("m4: %w %s", err, strings.TrimSpace(stderr.String()))
	}
	if !bytes.Contains(cf, []byte("\nSparse=0\n")) {
		return nil, errors.New("m4 makes no sendmail.cf of sendmail.mc: it should include m4/cf.m4 of Sendmail's configuration files; is the package sendmail-cf installed?")
	}
	return cf, nil
}

// Verify says whether Sendmail itself understands a configuration, and takes tags off. Where it is not installed, nobody can.
func Verify(ctx context.Context, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	c := parse(path, string(text), readClass)
	addresses := []string{"postmaster@localhost"}
	for _, d := range c.Classes[domainClass] {
		addresses = append(addresses, sampleTag+"postmaster@"+d)
	}
	answers, err := addressTest(ctx, path, addresses)
	if err != nil {
		return err
	}
	for i, a := range answers {
		if strings.Contains(a, "prvs=") || !strings.HasPrefix(a, "$#") {
			return fmt.Errorf("rule set 0 resolves %s to %q: that is no mailer, or the tag is not taken off", addresses[i], a)
		}
	}
	return nil
}

// Reload returns the commands that make a change take effect.
func Reload(path string) []string {
	if path == standardPath {
		return []string{"systemctl reload sendmail"}
	}
	return []string{"kill -HUP the Sendmail that reads " + path}
}
