package sendmail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// standardPath is where Sendmail has its configuration.
const standardPath = "/etc/mail/sendmail.cf"

const (
	// patience bounds what one look at a socket waits for.
	patience = 5 * time.Second
	// addressPatience bounds one question to Sendmail, which first asks the DNS for the name of its host, and sleeps for a minute
	// when that is not qualified.
	addressPatience = 20 * time.Second
)

// Locate returns the sendmail.cf that path names: itself, the sendmail.mc beside it, or their folder; that of this host if path is
// empty. It returns "" if there is none.
func Locate(path, _ string) string {
	switch {
	case path == "":
		path = standardPath
	case filepath.Ext(path) == ".mc":
		path = strings.TrimSuffix(path, ".mc") + ".cf"
	case filepath.Ext(path) != ".cf":
		path = filepath.Join(path, "sendmail.cf")
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return path
}

// Find reads a configuration and checks it.
func Find(ctx context.Context, path string, site mta.Site) ([]mta.Finding, error) {
	c, err := Read(ctx, path, site)
	if err != nil {
		return nil, err
	}
	return Check(c, site), nil
}

// Read reads a sendmail.cf and looks at what it leads to.
func Read(ctx context.Context, path string, site mta.Site) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c := parse(path, string(text), readClass)
	_, err = os.Stat(filepath.Join(filepath.Dir(path), "submit.cf"))
	c.Submit = err == nil
	c.Untagged = untagged(ctx, path, site.Domains)
	c.Sockets = map[string]Socket{}
	for _, l := range site.Listeners {
		c.Sockets[Address(l)] = probe(ctx, l)
	}
	return c, nil
}

// readClass reads the words of a class file. One that cannot be read has none.
func readClass(path string) []string {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var words []string
	for l := range strings.Lines(string(text)) {
		l, _, _ = strings.Cut(l, "#")
		words = append(words, strings.Fields(l)...)
	}
	return words
}

// probe looks at a socket as Sendmail will use it. Nothing is sent.
func probe(ctx context.Context, l mta.Listener) Socket {
	network, address := l.Address.Target()
	if network == "unix" {
		// Sendmail checks the whole path (safefile in its sources): others must not be able to put another socket there.
		for dir := filepath.Dir(address); ; dir = filepath.Dir(dir) {
			info, err := os.Stat(dir)
			if errors.Is(err, fs.ErrNotExist) {
				return Socket{Dead: true}
			}
			// QUIRK: also in a folder with the sticky bit, such as /tmp (deploy/e2e had its socket there).
			if err == nil && info.Mode().Perm()&0o022 != 0 {
				return Socket{Unsafe: fmt.Sprintf("%s has mode %04o, so that others may replace what is in it", dir, info.Mode().Perm())}
			}
			if dir == "/" {
				break
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return Socket{Dead: !errors.Is(err, fs.ErrPermission)} // whoever may not connect himself does not know
	}
	_ = conn.Close() // nothing was sent
	return Socket{}
}

// programs are the places where the program may be that a path or a link of another mail server hides.
var programs = []string{"sendmail", "/usr/libexec/sendmail/sendmail", "/usr/lib/sm.bin/sendmail", "/usr/sbin/sendmail.sendmail", "/usr/sbin/sendmail"}

// addressTest gives addresses to the address test mode of Sendmail, through rule set 0, and returns what comes out, "" for
// what could not be made out. It fails if there is no Sendmail. They are in the form that rule set 3 makes, which itself would ask
// the DNS about domains.
func addressTest(ctx context.Context, path string, addresses []string) ([]string, error) {
	var input strings.Builder
	for _, a := range addresses {
		local, domain, _ := strings.Cut(a, "@")
		fmt.Fprintf(&input, "0 %s<@%s.>\n", local, domain)
	}
	err := errors.New("no Sendmail is installed")
	for _, program := range programs {
		if _, e := exec.LookPath(program); e != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, addressPatience)
		cmd := exec.CommandContext(ctx, program, "-C", path, "-bt")
		cmd.Stdin = strings.NewReader(input.String())
		var out, complaints bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &complaints
		e := cmd.Run()
		late := ctx.Err()
		cancel()
		if late != nil {
			return nil, fmt.Errorf("%s did not answer within %v; does its host have a qualified name?", program, addressPatience)
		}
		if !strings.Contains(out.String(), "ADDRESS TEST MODE") {
			if complaints.Len() > 0 {
				err = fmt.Errorf("%s: %s", program, strings.TrimSpace(complaints.String()))
			} else {
				err = fmt.Errorf("%s: %w", program, errors.Join(e, errors.New("it says nothing")))
			}
			continue // it is that of another mail server, or it does not understand its configuration
		}
		return results(out.String(), len(addresses)), nil
	}
	return nil, err
}

// results reads the output of the address test mode: for each address the last line of rule set 0.
func results(out string, n int) []string {
	list := make([]string, 0, n)
	for _, part := range strings.Split(out, "\n> ")[1:] {
		last := ""
		for l := range strings.Lines(part) {
			if name, rest, found := strings.Cut(l, " returns: "); found && strings.EqualFold(strings.TrimSpace(name), "parse") {
				last = strings.TrimSpace(rest)
			}
		}
		if len(list) < n {
			list = append(list, last)
		}
	}
	return append(list, make([]string, n-len(list))...)
}

// sampleTag is a tag that nobody made.
const sampleTag = "prvs=0000000000="

// untagged asks Sendmail whether it takes tags off, nil if it cannot be asked.
func untagged(ctx context.Context, path string, domains []string) map[string]bool {
	var addresses []string
	for _, d := range domains {
		addresses = append(addresses, sampleTag+"postmaster@"+d)
	}
	answers, err := addressTest(ctx, path, addresses)
	if err != nil {
		return nil
	}
	m := map[string]bool{}
	for i, d := range domains {
		if answers[i] != "" {
			m[d] = !strings.Contains(answers[i], "prvs=")
		}
	}
	return m
}
