package filter

import (
	"bytes"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
)

// detailBytes is how much of the body of a bounce is read that needs no proof: what it reports stands in front of what it
// returns.
const detailBytes = 64 << 10

// content keeps what a bounce says, as far as somebody needs it.
type content struct {
	text        bytes.Buffer
	headerBytes int // that may still be kept
	bodyBytes   int // likewise
	inBody      bool
}

// newContent begins with the envelope sender, which says much about what a message is.
func newContent(sender string, bodyBytes int) *content {
	c := &content{headerBytes: bounce.DefaultLimits().HeaderBytes, bodyBytes: bodyBytes}
	c.addHeader("Return-Path", sender)
	return c
}

// addHeader keeps a header field. One that does not fit is left out, and so are those after it.
func (c *content) addHeader(name, value string) {
	size := len(name) + len(": ") + len(value) + len("\n")
	if c.headerBytes -= size; c.headerBytes < 0 {
		return
	}
	c.text.Grow(size)
	c.text.WriteString(name)
	c.text.WriteString(": ")
	c.text.WriteString(value)
	c.text.WriteByte('\n')
}

// addBody keeps a piece of the body, and says whether more can be kept.
func (c *content) addBody(chunk []byte) (more bool) {
	c.beginBody()
	if len(chunk) > c.bodyBytes {
		chunk = chunk[:c.bodyBytes]
	}
	c.bodyBytes -= len(chunk)
	c.text.Write(chunk)
	return c.bodyBytes > 0
}

func (c *content) beginBody() {
	if !c.inBody {
		c.inBody = true
		c.text.WriteByte('\n')
	}
}

// readReport reads what was kept.
func readReport(c *content) *bounce.Report {
	c.beginBody()
	// Reading from memory cannot fail.
	r, _ := bounce.Read(&c.text, bounce.DefaultLimits())
	return r
}
