package filter

import (
	"bytes"
	"strings"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
)

// usualBytes is the space in octets that is allocated for a bounce at first; most need no more.
const usualBytes = 8 << 10

// content collects the text of a bounce, within limits.
type content struct {
	text        bytes.Buffer
	headerBytes int // octets of the header that may still be added
	bodyBytes   int // octets of the body that may still be added
	inBody      bool
	truncated   bool // something was left out
}

// newContent begins with the envelope sender, without angle brackets, as a Return-Path field, which package bounce wants.
func newContent(sender string, bodyBytes int) *content {
	c := &content{headerBytes: bounce.DefaultLimits().HeaderBytes, bodyBytes: bodyBytes}
	c.text.Grow(usualBytes)
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
	c.text.WriteString(name)
	c.text.WriteString(": ")
	c.text.WriteString(value)
	c.text.WriteByte('\n')
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
	c.text.Write(chunk)
	c.truncated = c.truncated || c.bodyBytes <= 0
	return c.bodyBytes > 0
}

func (c *content) beginBody() {
	if !c.inBody {
		c.inBody = true
		c.text.WriteByte('\n')
	}
}

// readReport reads the collected text.
func readReport(c *content) *bounce.Report {
	c.beginBody()
	r := bounce.Parse(c.text.Bytes(), bounce.DefaultLimits())
	r.Truncated = r.Truncated || c.truncated
	return r
}
