package screen

import (
	"slices"
	"strings"
	"testing"
)

func TestNumbers(t *testing.T) {
	for n, want := range map[int64][2]string{
		0: {"0", "0"}, 999: {"999", "999"}, 1000: {"1,000", "1,000"}, 1234567: {"1,234,567", "1,234,567"}, -1234: {"-1,234", "-1,234"}, -123: {"-123", "-123"},
		99999999: {"99,999,999", "99,999,999"}, 123456789012: {"123,456,789,012", "123,456M"},
	} {
		if got := [2]string{Number(n), Short(n)}; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for _, tt := range []struct {
		n          int
		noun, want string
	}{
		{1, "copy", "1 copy"}, {2000, "copy", "2,000 copies"}, {3, "mailbox", "3 mailboxes"}, {0, "day", "0 days"},
	} {
		if got := Count(tt.n, tt.noun); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestTexts(t *testing.T) {
	if got, want := Printable("a\x1b[2J\u202e\u2028\xffé b"), "a?[2J???é b"; got != want {
		t.Errorf("got %q", got)
	}
	for columns, want := range map[int]string{5: "äbcde", 4: "ä...", 3: "äbc", 0: "", -1: ""} {
		if got := Fit("äbcde", columns); got != want {
			t.Errorf("got %q in %d columns, want %q", got, columns, want)
		}
	}
	if got, want := Wrap("one two  three\nabcdefghij", 7), []string{"one two", "three", "abcd..."}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	var b strings.Builder
	Paragraph(&b, "Next: ", strings.Repeat("word ", 20))
	for i, line := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
		if len(line) > Width || i == 0 && !strings.HasPrefix(line, "Next: word") || i > 0 && !strings.HasPrefix(line, "      word") {
			t.Errorf("got %q", line)
		}
	}
}
