package wire

import (
	"bytes"
	"slices"
	"strings"

	"github.com/d--j/go-milter"
)

// MacroRequest names the macros that the MTA is asked to send at a stage.
type MacroRequest struct {
	Stage milter.MacroStage
	Names []milter.MacroName
}

// maxMacro is how many octets the value of a macro may have that is kept: a connection keeps it as long as its client stays. Addresses,
// logins and queue IDs have less, for Postfix and Sendmail accept no SMTP command of more than 2 KiB.
const maxMacro = 2 << 10

// Requests are the macros that MTAs are asked for. Others are not kept.
type Requests struct {
	list    []MacroRequest
	encoded string // as in a negotiation
}

// NewRequests prepares requests.
func NewRequests(list ...MacroRequest) *Requests {
	r := &Requests{list: list}
	for _, l := range list {
		r.encoded += uint32String(int(l.Stage)) + strings.Join(l.Names, " ") + "\x00"
	}
	return r
}

// known returns the name of a macro that was asked for, or "".
func (r *Requests) known(name []byte) milter.MacroName {
	for i := range r.list {
		for _, asked := range r.list[i].Names {
			if asked == string(name) {
				return asked
			}
		}
	}
	return ""
}

// macro is the value of a macro since a stage, which is the place of an event.
type macro struct {
	stage       int
	name, value string
}

// macros are those that are in effect, by stage. Those of a stage replace all of this and later stages.
type macros []macro

// drop forgets the macros of an event's stage and of those that follow.
func (ms *macros) drop(cmd byte) {
	from := place(cmd)
	n := slices.IndexFunc(*ms, func(m macro) bool { return m.stage >= from })
	if n < 0 {
		return
	}
	clear((*ms)[n:])
	*ms = (*ms)[:n]
}

// set takes in the content of a macro frame: the event, then names and values, each with its NUL. Some
// MTAs send many more macros than they were asked for.
func (ms *macros) set(data []byte, requests *Requests) {
	ms.drop(data[0])
	for rest := data[1:]; len(rest) > 0; {
		var name, value []byte
		name, rest, _ = bytes.Cut(rest, []byte{0})
		value, rest, _ = bytes.Cut(rest, []byte{0})
		if asked := requests.known(name); asked != "" && len(value) <= maxMacro {
			*ms = append(*ms, macro{place(data[0]), asked, string(value)})
		}
	}
}

// get returns the value of a macro that was set last.
func (ms macros) get(name milter.MacroName) (value string, found bool) {
	for i := len(ms) - 1; i >= 0; i-- {
		if ms[i].name == name {
			return ms[i].value, true
		}
	}
	return "", false
}
