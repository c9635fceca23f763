package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// codeBlocks returns the code blocks of a language in a chapter ("## ...") of a manual, whose path is relative to the
// project.
func codeBlocks(t *testing.T, manual, chapter, language string) []string {
	t.Helper()
	_, body, found := strings.Cut(readManual(t, manual), "\n## "+chapter+"\n")
	if !found {
		t.Fatalf("%s has no chapter %q", manual, chapter)
	}
	body, _, _ = strings.Cut(body, "\n## ")
	var texts []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(body, -1) {
		texts = append(texts, m[1])
	}
	if len(texts) == 0 {
		t.Fatalf("%s: chapter %q has no %s block", manual, chapter, language)
	}
	return texts
}

// follow gives commands of a manual to Postfix, with the names of its site: directory, ports, and what else is replaced in
// them, in pairs.
func (p *postfix) follow(t *testing.T, commands string, replaced ...string) {
	t.Helper()
	names := strings.NewReplacer(append(replaced, "/etc/postfix", p.conf,
		"submission/inet/", "127.0.0.1:"+itoa(p.submission)+"/inet/", "smtp/inet/", "127.0.0.1:"+itoa(p.smtp)+"/inet/")...)
	sh := exec.Command("sh", "-e", "-c", names.Replace(commands))
	sh.Dir = postfixFolder
	sh.Env = append(os.Environ(), "MAIL_CONFIG="+p.conf)
	if out, err := sh.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, commands, out)
	}
}

// restart ends Postfix and the daemon of a running site, changes something, and starts both again.
func (s *site) restart(t *testing.T, change func()) {
	t.Helper()
	execute(t, "postfix", "-c", s.postfix.conf, "stop")
	s.daemon.process.end(t, syscall.SIGTERM)
	change()
	s.daemon.start(t)
	execute(t, "postfix", "-c", s.postfix.conf, "start")
}

// readManual returns the text of a manual, whose path is relative to the project.
func readManual(t *testing.T, manual string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, manual))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
