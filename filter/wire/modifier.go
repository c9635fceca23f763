package wire

import (
	"fmt"
	"io"

	"github.com/d--j/go-milter"
	"github.com/d--j/go-milter/milterutil"
)

// Changes to a message (libmilter's mfdef.h: SMFIR_*).
const (
	changeAddRcpt      = '+'
	changeAddRcptArgs  = '2'
	changeDelRcpt      = '-'
	changeFrom         = 'e'
	changeAddHeader    = 'h'
	changeHeader       = 'm'
	changeInsertHeader = 'i'
	changeQuarantine   = 'q'
	progress           = 'p'
)

// maxChange is how many octets one change may have: what MTAs read.
const maxChange = 64<<10 - 1

// modifier is a connection as a milter sees it: it reads macros, and changes the message at its end.
type modifier struct{ c *Conn }

var _ milter.Modifier = modifier{}

func (m modifier) Get(name milter.MacroName) string {
	value, _ := m.c.macros.get(name)
	return value
}

func (m modifier) GetEx(name milter.MacroName) (string, bool) { return m.c.macros.get(name) }

func (m modifier) Version() uint32              { return m.c.version }
func (m modifier) Protocol() milter.OptProtocol { return m.c.protocol }
func (m modifier) Actions() milter.OptAction    { return m.c.actions }
func (m modifier) MaxDataSize() milter.DataSize { return milter.DataSize64K }

//lint:ignore ST1003 the interface has this name
func (m modifier) MilterId() uint64 { return 0 }

// change sends a change, if it is negotiated and the message is at its end.
func (m modifier) change(negotiated bool, code byte, parts ...string) error {
	if !negotiated || !m.c.atEnd {
		return milter.ErrModificationNotAllowed
	}
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if n > maxChange {
		return fmt.Errorf("a change of %d octets is longer than %d", n, maxChange)
	}
	return m.c.write(code, parts...)
}

func (m modifier) may(action milter.OptAction) bool { return m.c.actions&action != 0 }

// AddRecipient adds a recipient, with its ESMTP arguments if there are any.
func (m modifier) AddRecipient(r string, args string) error {
	r = milter.AddAngle(milterutil.NewlineToSpace(r))
	withArgs := m.may(milter.OptAddRcptWithArgs) && m.c.version >= 6
	if args == "" && m.may(milter.OptAddRcpt) {
		return m.change(true, changeAddRcpt, r, "\x00")
	}
	return m.change(withArgs, changeAddRcptArgs, r, "\x00", milterutil.NewlineToSpace(args), "\x00")
}

func (m modifier) DeleteRecipient(r string) error {
	return m.change(m.may(milter.OptRemoveRcpt), changeDelRcpt, milter.AddAngle(milterutil.NewlineToSpace(r)), "\x00")
}

func (m modifier) ChangeFrom(value string, args string) error {
	parts := []string{milter.AddAngle(milterutil.NewlineToSpace(value)), "\x00"}
	if args != "" {
		parts = append(parts, milterutil.NewlineToSpace(args), "\x00")
	}
	return m.change(m.may(milter.OptChangeFrom) && m.c.version >= 6, changeFrom, parts...)
}

func (m modifier) Quarantine(reason string) error {
	return m.change(m.may(milter.OptQuarantine), changeQuarantine, milterutil.NewlineToSpace(reason), "\x00")
}

func (m modifier) AddHeader(name, value string) error {
	return m.change(m.may(milter.OptAddHeader), changeAddHeader, name, "\x00", milterutil.CrLfToLf(value), "\x00")
}

func (m modifier) ChangeHeader(index int, name, value string) error {
	return m.change(m.may(milter.OptChangeHeader), changeHeader, uint32String(index), name, "\x00", milterutil.CrLfToLf(value), "\x00")
}

func (m modifier) InsertHeader(index int, name, value string) error {
	return m.change(m.may(milter.OptChangeHeader|milter.OptAddHeader), changeInsertHeader, uint32String(index), name, "\x00", milterutil.CrLfToLf(value), "\x00")
}

// ReplaceBodyRawChunk is never negotiated.
func (m modifier) ReplaceBodyRawChunk([]byte) error { return milter.ErrModificationNotAllowed }

// ReplaceBody is never negotiated.
func (m modifier) ReplaceBody(io.Reader) error { return milter.ErrModificationNotAllowed }

// Progress keeps the MTA waiting.
func (m modifier) Progress() error { return m.c.write(progress) }

// uint32String returns a number as the protocol has it: four octets, the most significant one first.
func uint32String(n int) string {
	return string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}
