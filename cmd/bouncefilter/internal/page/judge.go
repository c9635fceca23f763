package page

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/inspect"
	"github.com/bouncefilter/bouncefilter/prvs"
)

const (
	// maxWrongTags is how many tags with a wrong signature are judged at once, and wrongTagEvery after what time there may be one more. A
	// tag has 24 bits: with an answer to every guess, a user of this host would find one of another user in an hour.
	maxWrongTags  = 20
	wrongTagEvery = 5 * time.Minute
)

// judgement is the answer to an address in the form.
type judgement struct {
	Address string // as it was given
	Line    string // as verify says it
	Words   string // what that means
	Valid   bool
	Fault   bool // no verdict: it is no address, or there were too many
}

// judge judges an address. It is not logged.
func (p *Page) judge(r *http.Request, address string) *judgement {
	j := &judgement{Address: address}
	a, err := prvs.ParseAddress(strings.Trim(strings.TrimSpace(address), "<>"))
	if err == nil && a.Domain == "" {
		err = errors.New("it has no domain")
	}
	if err != nil {
		j.Fault, j.Line, j.Words = true, "malformed", "This is not an address: "+err.Error()+"."
		return j
	}
	if !p.wrong.take(p.o.Now()) {
		p.o.Limited(r, maxWrongTags)
		j.Fault, j.Line, j.Words = true, "not judged", "Too many tags with a wrong signature were asked about. Wait five minutes, or use bouncefilter verify."
		return j
	}
	result, ours := p.o.Verify(a)
	j.Line, j.Valid, j.Words = inspect.TagLine(result), result.Status == prvs.Valid && ours, tagWords(result, ours)
	if result.Status != prvs.BadSignature && result.Status != prvs.Unverifiable {
		p.wrong.giveBack()
	}
	return j
}

// tagWords says what the verdict about a tag means for mail.
func tagWords(r prvs.Result, ours bool) string {
	if !ours {
		return "Its domain is none of ours: bouncefilter leaves such mail alone."
	}
	switch r.Status {
	case prvs.Untagged:
		return "It has no tag. A bounce to it needs another proof, such as the Message-ID of mail that was sent from here."
	case prvs.Valid:
		return "The tag was made here, and it has not expired. A bounce to it is accepted if the tag is on record and not revoked."
	case prvs.Expired:
		return "The tag was made here, and it has expired. A bounce to it needs another proof."
	case prvs.BadSignature:
		return "The tag was not made here, or it was made for another address."
	case prvs.UnknownKey:
		return "No key in effect has the number of the tag."
	case prvs.Malformed:
		return "It begins like a tag, and is none."
	case prvs.Unverifiable:
		return "The key that may have made the tag cannot be read here."
	}
	return ""
}

// wrongTags bounds how many wrong tags are judged: a bucket of tokens.
type wrongTags struct {
	mu   sync.Mutex
	left int
	last time.Time // when a token was added
}

// take takes a token, before a tag is judged: of requests at the same time no more get one than there are. It returns false if there is none.
func (w *wrongTags) take(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fill(now)
	if w.left == 0 {
		return false
	}
	w.left--
	return true
}

// giveBack puts a token back that was taken for a tag which is not wrong.
func (w *wrongTags) giveBack() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = min(maxWrongTags, w.left+1)
}

func (w *wrongTags) fill(now time.Time) {
	if n := now.Sub(w.last) / wrongTagEvery; n > 0 {
		w.left, w.last = int(min(int64(maxWrongTags), int64(w.left)+int64(n))), now
	}
}
