package e2e

import (
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mailbox is a Maildir.
type mailbox string

// mails returns the messages that contain the mark.
func (m mailbox) mails(mark string) []string {
	files, _ := filepath.Glob(filepath.Join(string(m), "new", "*"))
	var found []string
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil && strings.Contains(string(text), mark) {
			found = append(found, string(text))
		}
	}
	return found
}

// await waits for the message with the mark and returns its header and all of its text.
func (m mailbox) await(t *testing.T, mark string) (mail.Header, string) {
	t.Helper()
	eventually(t, fmt.Sprintf("message %s in mailbox %s", mark, m), func() bool { return len(m.mails(mark)) > 0 })
	text := m.mails(mark)[0]
	msg, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatalf("mailbox %s: %v\n%s", m, err, text)
	}
	return msg.Header, text
}
