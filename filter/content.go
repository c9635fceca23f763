package filter

import (
	"bytes"
	"strings"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/internal/chunks"
)

// content collects the text of a bounce, within limits.
type content struct {
	text        *chunks.Text
	headerBytes int // octets of the header that may still be added
	bodyBytes   int // octets of the body that may still be added
	inBody      bool
	truncated   bool // something was left out
}

// newContent begins with the envelope sender, without angle brackets, as a Return-Path field, which package bounce wants. The text is to be
// freed.
func newContent(pool *chunks.Pool, sender string, bodyBytes int) *content {
	c := &content{text: pool.New(), headerBytes: bounce.DefaultLimits().HeaderBytes, bodyBytes: bodyBytes}
	c.addHeader("Return-Path", "<"+strings.Trim(sender, "<>")+">")
	return c
}

// addHeader adds a header field. It leaves out the first field that exceeds the limit, and all after it.
func (c *content) addHeader(name, value string) {
	size := len(name) + len(": ") + len(value) + len("\n")
	if c.headerBytes -= size; c.headerBytes < 0 {
		c.truncated = true
		return
	}
	for _, s := range [...]string{name, ": ", value, "\n"} {
		c.text.AppendString(s)
	}
}

// addBody adds a piece of the body, and says whether more can be added.
func (c *content) addBody(chunk []byte) (more bool) {
	c.beginBody()
	if c.bodyBytes <= 0 {
		return false
	}
	if c.bodyBytes -= len(chunk); c.bodyBytes < 0 {
		// Whole lines: half of a Message-ID is a wrong Message-ID.
		chunk = chunk[:len(chunk)+c.bodyBytes]
		chunk = chunk[:bytes.LastIndexByte(chunk, '\n')+1]
	}
	c.text.Append(chunk)
	c.truncated = c.truncated || c.bodyBytes <= 0
	return c.bodyBytes > 0
}

func (c *content) beginBody() {
	if !c.inBody {
		c.inBody = true
		c.text.AppendString("\n")
	}
}

// readReport reads the collected text, and frees it.
func readReport(c *content) *bounce.Report {
	c.beginBody()
	defer c.text.Free()
	r := bounce.ParsePieces(c.text.Chunks(), bounce.DefaultLimits())
	r.Truncated = r.Truncated || c.truncated
	return r
}
