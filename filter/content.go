package filter

import (
	"bytes"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
)

// usualBytes is the room that a bounce gets at once; most need no more.
const usualBytes = 8 << 10

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
	c.text.Grow(usualBytes)
	c.addHeader("Return-Path", sender)
	return c
}

// addHeader keeps a header field. One that does not fit is left out, and so are those after it.
func (c *content) addHeader(name, value string) {
	size := len(name) + len(": ") + len(value) + len("\n")
	if c.headerBytes -= size; c.headerBytes < 0 {
		return
	}
	c.text.WriteString(name)
	c.text.WriteString(": ")
	c.text.WriteString(value)
	c.text.WriteByte('\n')
}

// addBody keeps a piece of the body, and says whether more can be kept.
func (c *content) addBody(chunk []byte) (more bool) {
	c.beginBody()
	if c.bodyBytes <= 0 {
		return false
	}
	if c.bodyBytes -= len(chunk); c.bodyBytes < 0 {
		// Whole lines: half a Message-ID is a wrong one.
		chunk = chunk[:len(chunk)+c.bodyBytes]
		chunk = chunk[:bytes.LastIndexByte(chunk, '\n')+1]
	}
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
	return bounce.Parse(c.text.Bytes(), bounce.DefaultLimits())
}
