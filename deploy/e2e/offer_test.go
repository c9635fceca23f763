package e2e

import (
	"strings"
	"testing"

	"github.com/d--j/go-milter"
)

// offered is a message as an MTA offers it to a milter.
type offered struct {
	client   string // address
	from, to string // of the envelope
	params   string // of MAIL
	text     string // with line feeds
}

// offer hands a message to the daemon as an MTA does, up to its end or to where it is refused, and returns what the daemon asks for.
func (d *daemon) offer(t *testing.T, m offered) milter.ActionType {
	t.Helper()
	s, err := milter.NewClient("tcp", strings.TrimPrefix(d.milter, "inet:"), milter.WithReadTimeout(patience), milter.WithWriteTimeout(patience)).Session(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	family := milter.FamilyInet
	if strings.Contains(m.client, ":") {
		family = milter.FamilyInet6
	}
	head, body, _ := strings.Cut(m.text, "\n\n")
	asks := []func() (*milter.Action, error){
		func() (*milter.Action, error) { return s.Conn("client.example", family, 40123, m.client) },
		func() (*milter.Action, error) { return s.Helo("client.example") },
		func() (*milter.Action, error) { return s.Mail(m.from, m.params) },
		func() (*milter.Action, error) { return s.Rcpt(m.to, "") },
		s.DataStart,
	}
	for field := range strings.SplitSeq(head, "\n") {
		name, value, _ := strings.Cut(field, ": ")
		asks = append(asks, func() (*milter.Action, error) { return s.HeaderField(name, value, nil) })
	}
	for _, ask := range append(asks, s.HeaderEnd) {
		action, err := ask()
		if err != nil {
			t.Fatal(err)
		}
		if action != nil && action.StopProcessing() {
			return action.Type
		}
	}
	_, action, err := s.BodyReadFrom(strings.NewReader(strings.ReplaceAll(body, "\n", "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	return action.Type
}
