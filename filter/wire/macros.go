package wire

import (
	"bytes"
	"slices"

	"github.com/d--j/go-milter"
)

// MacroRequest names the macros that the MTA is asked to send at a stage.
type MacroRequest struct {
	Stage milter.MacroStage
	Names []milter.MacroName
}

// stage orders the events before which an MTA sends macros; 0 is none of them.
func stage(cmd byte) uint8 {
	return uint8(1 + bytes.IndexByte([]byte{cmdConnect, cmdHelo, cmdMail, cmdRcpt, cmdData, cmdEndOfBody}, cmd))
}

// macro is the value of a macro since a stage.
type macro struct {
	stage       uint8
	name, value string
}

// macros are those that are in effect, by stage. Those of a stage replace all of this and later stages.
type macros []macro

// drop forgets the macros of an event's stage and of those that follow.
func (ms *macros) drop(cmd byte) {
	from := stage(cmd)
	n := slices.IndexFunc(*ms, func(m macro) bool { return m.stage >= from })
	if n < 0 {
		return
	}
	clear((*ms)[n:])
	*ms = (*ms)[:n]
}

// set takes in the content of a macro frame: the event, then names and values, each with its NUL. Only macros that were asked for are
// kept; some MTAs send many more.
func (ms *macros) set(data []byte, requests []MacroRequest) {
	ms.drop(data[0])
	for rest := data[1:]; len(rest) > 0; {
		var name, value []byte
		name, rest, _ = bytes.Cut(rest, []byte{0})
		value, rest, _ = bytes.Cut(rest, []byte{0})
		if asked := requested(requests, name); asked != "" {
			*ms = append(*ms, macro{stage(data[0]), asked, string(value)})
		}
	}
}

// requested returns the name of a macro that was asked for, or "".
func requested(requests []MacroRequest, name []byte) milter.MacroName {
	for i := range requests {
		for _, asked := range requests[i].Names {
			if asked == string(name) {
				return asked
			}
		}
	}
	return ""
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
